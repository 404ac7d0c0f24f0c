//! The losses that are compared: the only place where the example meets the
//! compiler.

use std::error::Error;

use ndarray::{Array2, ArrayView2};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A loss of the library and how to show it.
pub struct LossSpec {
    /// Its name in tables and plots.
    pub name: &'static str,
    /// Its name in the library.
    pub library: &'static str,
    /// The options that differ from their defaults.
    pub options: &'static [(&'static str, &'static str)],
    /// What its value is divided by.
    pub divisor: Divisor,
}

/// The losses are sums with different weights. Each is divided by a constant
/// close to the sum of its weights, which makes it a mean over pixels.
#[derive(Clone, Copy)]
pub enum Divisor {
    /// Every pixel has weight 1.
    Pixels,
    /// Either class has, in sum, nearly the number of positives as its weight.
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
    LossSpec {
        name: "bce",
        library: "bce",
        options: &[],
        divisor: Divisor::Pixels,
    },
    LossSpec {
        name: "balanced-bce",
        library: "balanced-bce",
        options: &[],
        divisor: Divisor::TwicePositives,
    },
    LossSpec {
        name: "random-drop linear",
        library: "random-drop",
        options: &[("schedule", "linear")],
        divisor: Divisor::TwicePositives,
    },
    LossSpec {
        name: "random-drop squ",
        library: "random-drop",
        options: &[("schedule", "squ")],
        divisor: Divisor::TwicePositives,
    },
    LossSpec {
        name: "random-drop log",
        library: "random-drop",
        options: &[("schedule", "log")],
        divisor: Divisor::TwicePositives,
    },
];

/// A loss compiled for this machine.
pub struct CompiledLoss {
    library: &'static str,
    schedule: Option<&'static str>,
}

/// What one call of a loss delivers.
pub struct Step {
    /// The loss.
    pub loss: f32,
    /// Its gradient by every logit.
    pub gradient: Array2<f32>,
    /// The negatives that were kept, where the loss drops any.
    pub kept: Option<i64>,
}

impl CompiledLoss {
    /// Compiles a loss of the library.
    pub fn new(spec: &LossSpec) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            library: spec.library,
            schedule: spec.options.first().map(|option| option.1),
        })
    }

    /// The loss of logits against labels, with its gradient.
    pub fn step(
        &mut self,
        logits: ArrayView2<'_, f32>,
        labels: ArrayView2<'_, u8>,
        seed: u64,
    ) -> Result<Step, Box<dyn Error>> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let keep: Vec<bool> = logits
            .iter()
            .zip(&labels)
            .map(|(&x, &t)| {
                let u: f64 = random.random();
                let q = 1.0 / (1.0 + f64::from(x).exp());
                t == 1
                    || match self.schedule {
                        None => true,
                        Some("linear") => u >= q,
                        Some("squ") => u >= q * q,
                        Some(_) => u >= 1.0 + q.log10(),
                    }
            })
            .collect();
        let p = labels.iter().filter(|&&t| t == 1).count() as f64;
        let n = keep.iter().filter(|&&k| k).count() as f64 - p;
        let (wp, wn) = if self.library == "bce" {
            (1.0, 1.0)
        } else {
            (n / (n + p), p / (n + p))
        };
        let mut loss = 0.0;
        let mut gradient = Vec::with_capacity(keep.len());
        for ((&x, &t), &keep) in logits.iter().zip(&labels).zip(&keep) {
            let x = f64::from(x);
            let (w, y) = if t == 1 { (wp, -x) } else { (wn, x) };
            if keep {
                loss += w * (y.max(0.0) + (-y.abs()).exp().ln_1p());
                let s = 1.0 / (1.0 + (-x).exp());
                gradient.push((w * (s - f64::from(t))) as f32);
            } else {
                gradient.push(0.0);
            }
        }
        Ok(Step {
            loss: loss as f32,
            gradient: Array2::from_shape_vec(logits.dim(), gradient)?,
            kept: self.schedule.map(|_| n as i64),
        })
    }
}
