//! What an executor must know of a compiled loss besides its code.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::tensor::ElementType;

/// The scalar argument that scales the gradient; 1 unless the caller sets it.
pub const UPSTREAM: &str = "upstream";

/// The arguments, passes and results of a compiled loss.
///
/// Code and manifest are two halves of one contract: executors hand kernels
/// exactly the buffers that the manifest describes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The loss's name, for messages.
    pub name: String,
    /// Pixel inputs in the order kernels take them.
    pub pixel_inputs: Vec<PixelArgument>,
    /// Pixel outputs, that is gradients, in the order kernels take them.
    pub pixel_outputs: Vec<PixelArgument>,
    /// Scalar arguments; the n-th is scalar slot n.
    pub scalars: Vec<ScalarArgument>,
    /// Scalar slots in all: the arguments, then what finish steps compute.
    pub scalar_slots: usize,
    /// Reductions over all passes.
    pub cells: usize,
    /// The passes over the data, in order.
    pub passes: Vec<PassManifest>,
    /// How many leading passes the forward direction takes; the rest are the
    /// backward direction's.
    pub forward_passes: usize,
    /// The named group results that follow the loss.
    pub results: Vec<ResultDescription>,
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
    pub default: f32,
}

/// One pass over the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassManifest {
    /// What the pass reduces, in the order of its partials.
    pub reductions: Vec<Reduction>,
    /// Whether the pass writes the pixel outputs.
    pub outputs: bool,
}

/// One reduction of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduction {
    /// Where the total of each group goes.
    pub cell: usize,
    /// What is added up.
    pub kind: ReductionKind,
}

/// What a reduction adds up, and so what its cells hold.
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
    /// Fewer slots than scalar arguments.
    #[error("{arguments} scalar arguments do not fit {slots} scalar slots")]
    ScalarSlots {
        /// The number of scalar arguments.
        arguments: usize,
        /// The number of slots.
        slots: usize,
    },
    /// No forward pass, or more of them than passes.
    #[error("{forward} of {passes} passes cannot be the forward ones")]
    ForwardPasses {
        /// The number of forward passes.
        forward: usize,
        /// The number of passes.
        passes: usize,
    },
    /// A cell that is not reduced by exactly one pass.
    #[error("cell {cell} of {cells} is reduced {times} times, expected once")]
    Cell {
        /// The cell.
        cell: usize,
        /// The number of cells.
        cells: usize,
        /// How many reductions write it.
        times: usize,
    },
    /// A forward pass that writes outputs, which a forward call has none of,
    /// or a pass that writes outputs that are not declared.
    #[error("pass {0} cannot write pixel outputs")]
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
        self.validate_cells()?;
        let (forward, passes) = (self.forward_passes, self.passes.len());
        if forward == 0 || forward > passes {
            return Err(ManifestError::ForwardPasses { forward, passes });
        }
        let (arguments, slots) = (self.scalars.len(), self.scalar_slots);
        if arguments > slots {
            return Err(ManifestError::ScalarSlots { arguments, slots });
        }
        Ok(())
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
        let wrong =
            |(index, pass): (usize, &PassManifest)| pass.outputs && (none || index < self.forward_passes);
        match self.passes.iter().enumerate().position(wrong) {
            Some(index) => Err(ManifestError::Outputs(index)),
            None => Ok(()),
        }
    }

    fn validate_cells(&self) -> Result<(), ManifestError> {
        let cells = self.cells;
        let reductions = || self.passes.iter().flat_map(|pass| &pass.reductions);
        let largest = reductions().map(|reduction| reduction.cell + 1).max();
        for cell in 0..cells.max(largest.unwrap_or(0)) {
            let times = reductions().filter(|r| r.cell == cell).count();
            if times != 1 || cell >= cells {
                return Err(ManifestError::Cell { cell, cells, times });
            }
        }
        Ok(())
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
