//! A compiled loss and the costs of its calls besides time.

use std::fmt;

use lossc_dialect::Op;
use lossc_passes::schedule::{Kernel, Schedule};
use serde::Serialize;

use super::Pixels;
use crate::compiled::{Compiled, Options, Seed};
use crate::compiler::Compiler;
use crate::error::Error;
use crate::loss::Loss;
use crate::pipeline;

/// An entry point of a compiled loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The loss.
    Forward,
    /// The gradient, given the residuals of a forward call.
    Backward,
    /// Both in one call.
    ForwardBackward,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Backward, Self::ForwardBackward];
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::ForwardBackward => "both",
        })
    }
}

/// A loss compiled one way, ready to be measured on [`Pixels`].
pub struct Subject {
    compiled: Compiled,
    schedule: Schedule,
}

impl Subject {
    /// Compiles `loss` with `compiler`.
    ///
    /// # Errors
    /// As for [`Compiler::compile`].
    pub fn new(compiler: &Compiler, loss: &Loss) -> Result<Self, Error> {
        let options = compiler.options(compiler.elements());
        let schedule = pipeline::scheduled(loss.program()?, &options, compiler.target())?;
        Ok(Self { compiled: compiler.compile(loss)?, schedule })
    }

    /// The compiled loss.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// The kernels that a call launches.
    pub fn kernels(&self, phase: Phase) -> impl Iterator<Item = &Kernel> {
        let kernels = match phase {
            Phase::Forward => &self.schedule.forward,
            Phase::Backward => &self.schedule.backward,
            Phase::ForwardBackward => &self.schedule.forward_backward,
        };
        kernels.iter().map(|&kernel| &self.schedule.kernels[kernel])
    }

    /// Bytes per pixel that a call's kernels read and write.
    pub fn bytes_per_pixel(&self, phase: Phase) -> f64 {
        self.kernels(phase).map(|kernel| self.schedule.bits_per_pixel(kernel)).sum::<usize>() as f64 / 8.0
    }

    /// Number of times that a call reads the logits.
    pub fn passes(&self, phase: Phase) -> usize {
        let program = &self.schedule.program;
        let is_logits = |&value: &_| program.node(value).op == Op::Argument(0);
        self.kernels(phase).filter(|kernel| self.schedule.pixel_values(kernel).iter().any(is_logits)).count()
    }

    /// Computes the loss and leaves it in `pixels`.
    ///
    /// # Errors
    /// As for [`Compiled::forward_of`].
    pub fn forward(&self, pixels: &mut Pixels) -> Result<(), Error> {
        let (inputs, _, outcome) = pixels.arguments()?;
        self.compiled.forward_reusing(&inputs, &options(), outcome)
    }

    /// Computes the gradient and leaves it in `pixels`, whose last call must have been of this
    /// loss.
    ///
    /// # Errors
    /// As for [`Compiled::backward_into`].
    pub fn backward(&self, pixels: &mut Pixels) -> Result<(), Error> {
        let (inputs, gradient, outcome) = pixels.arguments()?;
        self.compiled.backward_into(&inputs, &outcome.residuals, 1.0, gradient)
    }

    /// Computes the loss and the gradient in one call and leaves them in `pixels`.
    ///
    /// # Errors
    /// As for [`Compiled::forward_backward_into`].
    pub fn forward_backward(&self, pixels: &mut Pixels) -> Result<(), Error> {
        let (inputs, gradient, outcome) = pixels.arguments()?;
        self.compiled.forward_backward_reusing(&inputs, &options(), gradient, outcome)
    }
}

fn options() -> Options {
    Seed(1).into()
}
