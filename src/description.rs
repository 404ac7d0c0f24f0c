//! Description of a compiled loss.

use lossc_passes::specialise::{self, Reduction};
use serde::{Deserialize, Serialize};

/// The loss and the options that its code was compiled for: the details of its
/// [`Bundle`](lossc_runtime::Bundle).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The loss's name, e.g. `random-drop`.
    pub loss: String,
    /// The choice that selected the program, if the loss has one.
    pub choice: Option<ChosenValue>,
    /// Pixels with this label are treated as absent.
    pub ignore_index: Option<i64>,
    /// Reduction of the loss over the pixels.
    pub reduction: Reduction,
    /// True if pixel weights follow the labels.
    pub weight_map: bool,
    /// True if invalid labels make a call an error.
    pub check_labels: bool,
}

/// A choice and its value, such as `log` of the choice `schedule`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenValue {
    /// The choice.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Description {
    pub(crate) fn new(loss: &str, choice: Option<ChosenValue>, options: &specialise::Options) -> Self {
        Self {
            loss: loss.into(),
            choice,
            ignore_index: options.ignore_index,
            reduction: options.reduction,
            weight_map: options.weight_map,
            check_labels: options.checks,
        }
    }
}
