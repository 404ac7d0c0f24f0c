//! The library's losses as Rust functions.

use crate::error::Error;
use crate::loss::Loss;

/// Probability that the random drop loss drops a negative whose probability of being a positive is
/// `p` (Guo et al., ICANN 2019).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    /// 1 - p.
    Linear,
    /// (1 - p)².
    Squ,
    /// 1 + log10(1 - p).
    #[default]
    Log,
}

/// The random drop loss.
pub fn random_drop(schedule: Schedule) -> Result<Loss, Error> {
    let schedule = match schedule {
        Schedule::Linear => "linear",
        Schedule::Squ => "squ",
        Schedule::Log => "log",
    };
    Ok(Loss::library("random-drop")?.set("schedule", schedule))
}

/// Binary cross entropy, summed over the pixels.
pub fn bce() -> Result<Loss, Error> {
    Loss::library("bce")
}

/// Cross entropy with each class weighted by the other's share of the pixels.
pub fn balanced_bce() -> Result<Loss, Error> {
    Loss::library("balanced-bce")
}
