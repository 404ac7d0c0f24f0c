//! The description of a compiled loss that an executor needs besides its code.

mod exact;

use std::collections::HashSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::tensor::ElementType;

/// The most scalar slots: a loss with more would compute more numbers than any text has.
const MOST_SCALAR_SLOTS: usize = 1 << 20;

/// The most bytes of a chunk in a buffer, or of a warp's step, with some for each pixel.
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
    /// True if it has the same bits on every machine. Otherwise its pixels are computed by
    /// operations that each GPU rounds in its own way.
    #[serde(default = "reproducible")]
    pub is_reproducible: bool,
    /// Pixel inputs in the order in which kernels take them.
    pub pixel_inputs: Vec<PixelArgument>,
    /// Pixel outputs, which are gradients, in the order in which kernels take them.
    pub pixel_outputs: Vec<PixelArgument>,
    /// Scalar arguments; the n-th is scalar slot n.
    pub scalars: Vec<ScalarArgument>,
    /// Scalar slots in all: the arguments, the number of groups, the number of all pixels, then
    /// the values that epilogues compute.
    pub scalar_slots: usize,
    /// The number of reductions of all kernels.
    pub group_totals: usize,
    /// The buffers in which kernels of one call save pixel values, each with its bytes per
    /// chunk. A GPU's kernels have none.
    pub buffers: Vec<usize>,
    /// The bytes of shared memory that a warp takes for each step of resident pixels, in the
    /// cooperative kernel that is all of `forward_backward`; `None` if the code has no such
    /// kernel.
    pub step_bytes: Option<usize>,
    /// True if a GPU's kernels also come in a version in which a block sums a chunk.
    pub has_block_teams: bool,
    /// The kernels, each a pass over the data and an epilogue.
    pub kernels: Vec<KernelManifest>,
    /// The kernels of the forward direction, in order. A direction has no kernels if the code
    /// was not made for it.
    pub forward: Vec<usize>,
    /// The kernels of the backward direction, given the group totals of the forward one.
    pub backward: Vec<usize>,
    /// The kernels of both directions in one call.
    pub forward_backward: Vec<usize>,
    /// The named group results that follow the loss.
    pub results: Vec<ResultDescription>,
}

/// The default for code that does not say.
fn reproducible() -> bool {
    true
}

/// A direction of computation through a loss.
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

    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::ForwardBackward => "forward_backward",
        }
    }
}

/// A tensor with one value per pixel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelArgument {
    /// Its name in messages.
    pub name: String,
    /// The type of each pixel in memory.
    pub element: ElementType,
}

/// A scalar that the caller may set for each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalarArgument {
    /// The name the caller uses.
    pub name: String,
    /// The value if the caller passes none.
    #[serde(with = "exact")]
    pub default: f32,
}

/// One pass over the data and its epilogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelManifest {
    /// Its reductions, in the order of its partials.
    pub reductions: Vec<Reduction>,
    /// True if it writes the pixel outputs.
    pub outputs: bool,
    /// True if its computation of a pixel depends on the number of all pixels. Several workers
    /// then exchange their numbers before it: see [`crate::Residuals::merge_sizes`].
    #[serde(default)]
    pub needs_sizes: bool,
}

/// One reduction of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// Index of its group totals.
    pub group_total: usize,
    /// Its kind.
    pub kind: ReductionKind,
}

/// Kind of a reduction, which fixes the types of its partials and totals.
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
    /// Its name in reports.
    pub name: String,
    /// The type of its values.
    pub kind: ResultKind,
}

/// Type of a group result's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultKind {
    /// One f32 per group.
    Float,
    /// One i64 per group.
    Count,
}

/// Reason why a manifest describes no loss that could run.
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
    /// A size that memory would be reserved by and that no loss needs.
    #[error("{count} {what}: there are {most} at most")]
    Size {
        /// `group totals`, `scalar slots` or the use of the bytes.
        what: &'static str,
        /// The size in the manifest.
        count: usize,
        /// The most allowed.
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
    /// A group total that a direction reduces twice, or that is out of range.
    #[error("group total {group_total} of {group_totals} cannot be reduced by the {direction} direction")]
    GroupTotal {
        /// The group total.
        group_total: usize,
        /// The number of group totals.
        group_totals: usize,
        /// The direction.
        direction: &'static str,
    },
    /// A forward kernel that writes outputs, although a forward call has none, or a kernel that
    /// writes outputs that are not declared.
    #[error("kernel {0} cannot write pixel outputs")]
    Outputs(usize),
}

impl Manifest {
    /// Checks that the parts fit together. Executors do so when they are made.
    ///
    /// # Errors
    /// The first mismatch found.
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

    /// Checks the sizes before memory is reserved by them: a manifest comes from a file.
    fn validate_sizes(&self) -> Result<(), ManifestError> {
        let reductions = self.kernels.iter().map(|kernel| kernel.reductions.len()).sum();
        let buffer = self.buffers.iter().copied().max().unwrap_or_default();
        let sizes = [
            ("group totals", self.group_totals, reductions),
            ("scalar slots", self.scalar_slots, MOST_SCALAR_SLOTS),
            ("bytes per chunk of a buffer", buffer, MOST_BYTES),
            ("bytes per step", self.step_bytes.unwrap_or_default(), MOST_BYTES),
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

    /// The kernels of a direction, in order; empty if the code was not made for it.
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

    /// The scalar slots of the number of groups and of the number of all pixels.
    pub(crate) fn size_slots(&self) -> Range<usize> {
        let first = self.scalars.len();
        first..first + 2
    }

    /// Returns whether `other` describes the same loss, perhaps with code for other directions.
    /// The residuals of one are then those of the other.
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

    /// 8-byte result slots of a call with `groups` groups: the loss, then `groups` slots per
    /// result.
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
