//! Options that code is compiled for besides its loss, in `run` and `compile`.

use clap::{Args, ValueEnum};
use lossc::{Compiler, Loss, Numerics, Reduction};

use crate::failure::Failure;

/// Options that apply to any loss.
#[derive(Args)]
pub struct Specialise {
    /// Label of pixels that are treated as absent
    #[arg(long, value_name = "LABEL", allow_negative_numbers = true)]
    pub ignore_index: Option<i64>,
    /// Divide the loss by the number of pixels (mean), or leave it as it is (sum, the default)
    #[arg(long, value_enum)]
    pub reduction: Option<ReductionName>,
    /// The same bits on every machine (reproducible, the default), or faster code on a GPU within a
    /// documented error (fast)
    #[arg(long, value_enum)]
    pub numerics: Option<NumericsName>,
}

/// [`Numerics`] on the command line.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum NumericsName {
    #[default]
    Reproducible,
    Fast,
}

impl From<NumericsName> for Numerics {
    fn from(name: NumericsName) -> Self {
        match name {
            NumericsName::Reproducible => Self::Reproducible,
            NumericsName::Fast => Self::Fast,
        }
    }
}

/// [`Reduction`] on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub enum ReductionName {
    Sum,
    Mean,
}

impl Specialise {
    /// The reduction that was asked for.
    pub fn reduction(&self) -> Option<Reduction> {
        self.reduction.map(|name| match name {
            ReductionName::Sum => Reduction::Sum,
            ReductionName::Mean => Reduction::Mean,
        })
    }

    /// Checks that the reduction makes sense for `loss`.
    pub fn check(&self, loss: &Loss) -> Result<(), Failure> {
        if self.reduction() != Some(Reduction::Mean) || loss.is_sum()? {
            return Ok(());
        }
        Err(Failure::message(
            "--reduction mean divides by the number of pixels, but this loss, or a term of it, does not grow \
             with them: it is a mean or a ratio already, so leave the reduction out",
        ))
    }

    /// The compiler with these options.
    pub fn apply(&self, compiler: Compiler) -> Compiler {
        let compiler = compiler.reduction(self.reduction().unwrap_or_default());
        let compiler = compiler.numerics(self.numerics.unwrap_or_default().into());
        match self.ignore_index {
            Some(index) => compiler.ignore_index(index),
            None => compiler,
        }
    }
}
