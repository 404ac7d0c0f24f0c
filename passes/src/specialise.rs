//! Transformations that apply to any loss and are therefore not part of its text: storage types,
//! ignored pixels, a weight map, the reduction, and the counts of invalid input. Each is a
//! program transformation.

mod checks;
mod growth;
mod labels;
mod reduce;
mod restrict;
mod storage;

use lossc_dialect::program::BuildError;
use lossc_dialect::{Element, Program};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use checks::{INVALID_LABELS, INVALID_WEIGHTS, NAN_LOGITS};
pub use growth::is_sum;
pub use restrict::WEIGHT_MAP;

/// The reduction of the loss over the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// The loss as written: the library's are sums.
    #[default]
    Sum,
    /// Divided by the number of pixels that are not ignored.
    Mean,
}

/// The transformations to apply to a loss before it is compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The storage type of each tensor of pixels, in argument order; past the end of the list,
    /// the program's own.
    pub storage: Vec<Element>,
    /// The label of pixels that are treated as absent.
    pub ignore_index: Option<i64>,
    /// True if a map of pixel weights is a further argument, `weight_map`.
    pub weight_map: bool,
    /// The reduction of the loss over the pixels.
    pub reduction: Reduction,
    /// True if invalid labels and NaN logits are counted.
    pub checks: bool,
}

/// The reason why options do not apply to a loss.
#[derive(Debug, Error)]
pub enum SpecialiseError {
    /// An option about labels on a loss without labels.
    #[error("{0} needs a loss with labels (a second tensor of pixels)")]
    NoLabels(&'static str),
    /// A label that the labels' type does not have.
    #[error("ignore_index {index} does not fit labels of type {element}, {why}")]
    IgnoreIndex {
        /// The label.
        index: i64,
        /// The labels' type.
        element: Element,
        /// The reason why it does not fit.
        why: &'static str,
    },
    /// A storage type that an argument cannot have.
    #[error("`{argument}` cannot be stored as {element}: {why}")]
    Storage {
        /// The argument.
        argument: String,
        /// The requested type.
        element: Element,
        /// The reason why it cannot.
        why: &'static str,
    },
    /// The program cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Applies `options` to `program`.
pub fn specialise(program: &Program, options: &Options) -> Result<Program, SpecialiseError> {
    let mut program = storage::store_as(program, &options.storage)?;
    if options.checks {
        program = checks::count_invalid(&program, options.ignore_index)?;
    }
    if options.reduction == Reduction::Mean {
        program = reduce::mean(&program)?;
    }
    if options.weight_map {
        program = restrict::weight(&program)?;
        program = if options.checks { checks::count_invalid_weights(&program)? } else { program };
    }
    if let Some(index) = options.ignore_index {
        program = restrict::ignore(&program, index)?;
    }
    Ok(program)
}
