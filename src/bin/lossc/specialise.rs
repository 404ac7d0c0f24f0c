//! What code is compiled for besides its loss: options of `run` and `compile`.

use clap::{Args, ValueEnum};
use lossc::{Compiler, Reduction};

/// Options that hold for any loss.
#[derive(Args)]
pub struct Specialise {
    /// Pixels with this label are as if they were not there
    #[arg(long, value_name = "LABEL", allow_negative_numbers = true)]
    pub ignore_index: Option<i64>,
    /// Divide the loss by the number of pixels (mean), or leave it as it is (sum, the default)
    #[arg(long, value_enum)]
    pub reduction: Option<ReductionName>,
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

    /// The compiler with these options.
    pub fn apply(&self, compiler: Compiler) -> Compiler {
        let compiler = compiler.reduction(self.reduction().unwrap_or_default());
        match self.ignore_index {
            Some(index) => compiler.ignore_index(index),
            None => compiler,
        }
    }
}
