//! The losses that are compared: the only file of the example that uses the compiler.

use std::error::Error;

use lossc::{Compiled, Compiler, GroupValues, Loss, Seed, Target};
use ndarray::{Array2, Ix2};

/// A loss of the library and its presentation.
pub struct LossSpec {
    /// Its name in tables and plots.
    pub name: &'static str,
    /// Its name in the library.
    pub loss: &'static str,
    /// The options that differ from their defaults.
    pub options: &'static [(&'static str, &'static str)],
    /// Divisor of its value.
    pub divisor: Divisor,
}

/// The losses are sums with different weights. Each is divided by a constant
/// close to the sum of its weights, which makes it a mean over pixels.
#[derive(Clone, Copy)]
pub enum Divisor {
    /// Every pixel has weight 1.
    Pixels,
    /// The weights of each class add up to nearly the number of positives.
    TwicePositives,
}

impl Divisor {
    /// The constant for an image.
    pub fn of(self, pixels: usize, positives: usize) -> f32 {
        match self {
            Self::Pixels => pixels as f32,
            Self::TwicePositives => 2.0 * positives as f32,
        }
    }
}

/// The losses in the order in which they are shown.
pub const LOSSES: [LossSpec; 5] = [
    LossSpec { name: "bce", loss: "bce", options: &[], divisor: Divisor::Pixels },
    LossSpec { name: "balanced-bce", loss: "balanced-bce", options: &[], divisor: Divisor::TwicePositives },
    LossSpec {
        name: "random-drop linear",
        loss: "random-drop",
        options: &[("schedule", "linear")],
        divisor: Divisor::TwicePositives,
    },
    LossSpec {
        name: "random-drop squ",
        loss: "random-drop",
        options: &[("schedule", "squ")],
        divisor: Divisor::TwicePositives,
    },
    LossSpec {
        name: "random-drop log",
        loss: "random-drop",
        options: &[("schedule", "log")],
        divisor: Divisor::TwicePositives,
    },
];

/// A loss compiled for this machine.
pub struct CompiledLoss(Compiled);

/// Result of one call of a loss.
pub struct Step {
    /// The loss.
    pub loss: f32,
    /// The gradient with respect to every logit.
    pub gradient: Array2<f32>,
    /// The number of kept negatives, if the loss drops any.
    pub kept: Option<i64>,
}

impl CompiledLoss {
    /// Compiles a loss of the library.
    pub fn new(spec: &LossSpec) -> Result<Self, Box<dyn Error>> {
        let mut loss = Loss::library(spec.loss)?;
        for (name, value) in spec.options {
            loss = loss.with(name, value)?;
        }
        Ok(Self(Compiler::new(Target::host()?).compile(&loss)?))
    }

    /// Computes the loss of logits against labels, with its gradient.
    pub fn step(
        &mut self,
        logits: &Array2<f32>,
        labels: &Array2<u8>,
        seed: u64,
    ) -> Result<Step, Box<dyn Error>> {
        let step = self.0.forward_backward(logits, labels, Seed(seed))?;
        let kept = step.groups.iter().find(|group| group.name == "kept");
        Ok(Step {
            loss: step.loss,
            gradient: step.gradient.to_array::<f32>()?.into_dimensionality::<Ix2>()?,
            kept: kept.and_then(|group| match &group.values {
                GroupValues::Count(counts) => counts.first().copied(),
                GroupValues::Float(_) => None,
            }),
        })
    }
}
