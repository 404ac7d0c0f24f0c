//! What an executor must know of a compiled loss besides its code.

mod exact;

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::tensor::ElementType;

/// Slots beyond which a loss would have to compute more numbers than any text has.
const MOST_SCALAR_SLOTS: usize = 1 << 20;

/// Bytes of a chunk in a buffer, or of a warp's step: some for each pixel.
const MOST_BYTES: usize = 1 << 20;

/// The scalar argument that scales the gradient; 1 unless the caller sets it.
pub const UPSTREAM: &str = "upstream";

/// The arguments, kernels and results of a compiled loss.
///
/// Code and manifest are two halves of one contract: executors hand kernels
/// exactly the buffers that the manifest describes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The loss's name, for messages.
    pub name: String,
    /// Whether it gives the same bits on every machine. Else its pixels are computed by
    /// operations that each GPU rounds in its own way.
    #[serde(default = "reproducible")]
    pub is_reproducible: bool,
    /// Pixel inputs in the order kernels take them.
    pub pixel_inputs: Vec<PixelArgument>,
    /// Pixel outputs, that is gradients, in the order kernels take them.
    pub pixel_outputs: Vec<PixelArgument>,
    /// Scalar arguments; the n-th is scalar slot n.
    pub scalars: Vec<ScalarArgument>,
    /// Scalar slots in all: the arguments, the number of groups, that of all pixels, then
    /// what epilogues compute.
    pub scalar_slots: usize,
    /// Reductions over all kernels.
    pub group_totals: usize,
    /// The arrays that kernels of one call keep pixel values in, each with the bytes
    /// that a chunk takes of it; a GPU's kernels keep none.
    pub buffers: Vec<usize>,
    /// The bytes of shared memory that a warp takes for each step of pixels that it keeps
    /// in the kernel that is all of `forward_backward` in one launch; none if the code has
    /// no such kernel.
    pub step_bytes: Option<usize>,
    /// Whether a GPU's kernels also come in a version in which a block sums a chunk.
    pub has_block_teams: bool,
    /// The kernels, each a pass over the data and a epilogue.
    pub kernels: Vec<KernelManifest>,
    /// The kernels of the forward direction, in order. A direction without kernels
    /// is one that the code was not made for.
    pub forward: Vec<usize>,
    /// The kernels of the backward direction, given the group totals of the forward one.
    pub backward: Vec<usize>,
    /// The kernels of both directions at once.
    pub forward_backward: Vec<usize>,
    /// The named group results that follow the loss.
    pub results: Vec<ResultDescription>,
}

/// What code is that does not say.
fn reproducible() -> bool {
    true
}

/// A way through a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The loss.
    Forward,
    /// The gradient of an earlier forward call.
    Backward,
    /// Both in one call.
    ForwardBackward,
}

impl Direction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Backward, Self::ForwardBackward];

    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::ForwardBackward => "forward_backward",
        }
    }
}

/// A tensor with one value a pixel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelArgument {
    /// The name messages use.
    pub name: String,
    /// How each pixel is stored.
    pub element: ElementType,
}

/// A number the caller may set for each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalarArgument {
    /// The name the caller uses.
    pub name: String,
    /// The value where the caller gives none.
    #[serde(with = "exact")]
    pub default: f32,
}

/// One pass over the data and its epilogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelManifest {
    /// What it reduces, in the order of its partials.
    pub reductions: Vec<Reduction>,
    /// Whether it writes the pixel outputs.
    pub outputs: bool,
    /// Whether what it computes of a pixel depends on the number of all pixels. Then
    /// several workers tell each other their numbers before it: see
    /// [`crate::Residuals::merge_sizes`].
    #[serde(default)]
    pub needs_sizes: bool,
}

/// One reduction of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// Where the total of each group goes.
    pub group_total: usize,
    /// What is added up.
    pub kind: ReductionKind,
}

/// What a reduction adds up, and so what its group totals hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReductionKind {
    /// f32 partials, f64 totals.
    Sum,
    /// u32 partials, i64 totals.
    Count,
}

/// A named group result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultDescription {
    /// The name it is reported under.
    pub name: String,
    /// What it holds.
    pub kind: ResultKind,
}

/// What a group result holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultKind {
    /// An f32 a group.
    Float,
    /// An i64 a group.
    Count,
}

/// Why a manifest describes no loss that could run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// No pixel input, so no shape to work on.
    #[error("a loss needs at least one pixel input")]
    NoInput,
    /// Two arguments or two results share a name.
    #[error("two {what} are named `{name}`")]
    DuplicateName {
        /// `arguments` or `results`.
        what: &'static str,
        /// The shared name.
        name: String,
    },
    /// A gradient of an integer type.
    #[error("{name}: a gradient must be f32, f16 or bf16, not {element}")]
    IntegerOutput {
        /// The output.
        name: String,
        /// Its element type.
        element: ElementType,
    },
    /// Fewer slots than scalar arguments and sizes.
    #[error("{arguments} scalar arguments and two sizes do not fit {slots} scalar slots")]
    ScalarSlots {
        /// The number of scalar arguments.
        arguments: usize,
        /// The number of slots.
        slots: usize,
    },
    /// A size that memory would be reserved by, though no loss needs as much.
    #[error("{count} {what}: there are {most} at most")]
    Size {
        /// `group_totals`, `scalar slots` or what bytes are for.
        what: &'static str,
        /// What the manifest says.
        count: usize,
        /// The most that there can be.
        most: usize,
    },
    /// No kernel for any direction.
    #[error("there is no kernel to run")]
    NoDirection,
    /// A direction with a kernel that is not listed.
    #[error("the {direction} direction cannot run kernels {kernels:?} of {count}")]
    Direction {
        /// `forward`, `backward` or `forward_backward`.
        direction: &'static str,
        /// Its kernels.
        kernels: Vec<usize>,
        /// The number of kernels.
        count: usize,
    },
    /// A group total that a direction reduces twice, or that is not counted.
    #[error("group total {group_total} of {group_totals} cannot be reduced by the {direction} direction")]
    GroupTotal {
        /// The group total.
        group_total: usize,
        /// The number of group totals.
        group_totals: usize,
        /// The direction.
        direction: &'static str,
    },
    /// A forward kernel that writes outputs, which a forward call has none of,
    /// or a kernel that writes outputs that are not declared.
    #[error("kernel {0} cannot write pixel outputs")]
    Outputs(usize),
}

impl Manifest {
    /// Checks that the parts fit together; executors do so when they are made.
    ///
    /// # Errors
    /// The first thing found that does not fit.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.pixel_inputs.is_empty() {
            return Err(ManifestError::NoInput);
        }
        self.validate_names()?;
        self.validate_outputs()?;
        if Direction::ALL.iter().all(|&direction| self.kernels_of(direction).is_empty()) {
            return Err(ManifestError::NoDirection);
        }
        for direction in Direction::ALL {
            self.validate_direction(direction)?;
        }
        let (arguments, slots) = (self.scalars.len(), self.scalar_slots);
        if self.size_slots().end > slots {
            return Err(ManifestError::ScalarSlots { arguments, slots });
        }
        self.validate_sizes()
    }

    /// A manifest comes from a file: what it says is checked before memory is sized by it.
    fn validate_sizes(&self) -> Result<(), ManifestError> {
        let reductions = self.kernels.iter().map(|kernel| kernel.reductions.len()).sum();
        let buffer = self.buffers.iter().copied().max().unwrap_or_default();
        let sizes = [
            ("group totals", self.group_totals, reductions),
            ("scalar slots", self.scalar_slots, MOST_SCALAR_SLOTS),
            ("bytes a chunk of a buffer", buffer, MOST_BYTES),
            ("bytes a step", self.step_bytes.unwrap_or_default(), MOST_BYTES),
        ];
        match sizes.into_iter().find(|&(_, count, most)| count > most) {
            Some((what, count, most)) => Err(ManifestError::Size { what, count, most }),
            None => Ok(()),
        }
    }

    fn validate_names(&self) -> Result<(), ManifestError> {
        let pixels = self.pixel_inputs.iter().chain(&self.pixel_outputs);
        let arguments =
            pixels.map(|argument| &argument.name).chain(self.scalars.iter().map(|scalar| &scalar.name));
        check_distinct("arguments", arguments)?;
        check_distinct("results", self.results.iter().map(|result| &result.name))
    }

    fn validate_outputs(&self) -> Result<(), ManifestError> {
        if let Some(output) = self.pixel_outputs.iter().find(|o| !o.element.is_float()) {
            return Err(ManifestError::IntegerOutput { name: output.name.clone(), element: output.element });
        }
        let none = self.pixel_outputs.is_empty();
        let wrong = |(index, kernel): (usize, &KernelManifest)| {
            kernel.outputs && (none || self.forward.contains(&index))
        };
        match self.kernels.iter().enumerate().position(wrong) {
            Some(index) => Err(ManifestError::Outputs(index)),
            None => Ok(()),
        }
    }

    /// The kernels of a direction, in order; none if the code was not made for it.
    pub fn kernels_of(&self, direction: Direction) -> &[usize] {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
            Direction::ForwardBackward => &self.forward_backward,
        }
    }

    fn validate_direction(&self, direction: Direction) -> Result<(), ManifestError> {
        let (kernels, direction) = (self.kernels_of(direction), direction.name());
        let count = self.kernels.len();
        if kernels.iter().any(|&kernel| kernel >= count) {
            return Err(ManifestError::Direction { direction, kernels: kernels.to_vec(), count });
        }
        let group_totals = self.group_totals;
        let mut seen = HashSet::new();
        for reduction in kernels.iter().flat_map(|&kernel| &self.kernels[kernel].reductions) {
            let group_total = reduction.group_total;
            if group_total >= group_totals || !seen.insert(group_total) {
                return Err(ManifestError::GroupTotal { group_total, group_totals, direction });
            }
        }
        Ok(())
    }

    /// The scalar slots of the number of groups and of that of all pixels.
    pub(crate) fn size_slots(&self) -> Range<usize> {
        let first = self.scalars.len();
        first..first + 2
    }

    /// Whether `other` describes the same loss, perhaps with code for other directions:
    /// then the residuals of one are those of the other.
    pub(crate) fn is_of_the_loss_of(&self, other: &Self) -> bool {
        self.name == other.name
            && self.pixel_inputs == other.pixel_inputs
            && self.pixel_outputs == other.pixel_outputs
            && self.scalars == other.scalars
            && self.results == other.results
            && (self.scalar_slots, self.group_totals) == (other.scalar_slots, other.group_totals)
    }

    /// The types of the pixel inputs.
    pub fn element_types(&self) -> Vec<ElementType> {
        self.pixel_inputs.iter().map(|input| input.element).collect()
    }

    /// The slot of the scalar argument called `name`.
    pub fn scalar_slot(&self, name: &str) -> Option<usize> {
        self.scalars.iter().position(|scalar| scalar.name == name)
    }

    /// 8-byte result slots of a call with `groups` groups: the loss, then
    /// `groups` slots a result.
    pub fn result_slots(&self, groups: usize) -> usize {
        1 + self.results.len() * groups
    }
}

fn check_distinct<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ManifestError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let name = name.clone();
            return Err(ManifestError::DuplicateName { what, name });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
