//! An image whose loss and gradient have a closed form: all logits are 0, so that a negative is
//! dropped if its draw is below one half, and every kept pixel has a cross entropy of ln 2.

use std::f64::consts::LN_2;
use std::ops::Range;

use lossc_runtime::rayon::prelude::*;
use lossc_runtime::{Call, ElementType, GroupValues, Outcome, Tensor, philox};

use super::{RANDOM, passed};
use crate::Failure;
use crate::bundles::{Machine, Subject};
use crate::golden;
use crate::report::Verdict;

/// The only loss whose formula this program knows: a negative is dropped with probability 1 - p,
/// and the weight of each class is the other's share of the kept pixels.
pub const LOSS: &str = "random_drop.linear";

/// Distance between positives in a window.
const STRIDE: usize = 7;

/// Tolerance of the sums, whose terms are at most 2 units in the last place off.
const TOLERANCE: f64 = 1e-5;

/// An image, given by its shape, of which three windows are checked: the first pixels, those around
/// `middle`, and the last. Positives are only in the windows.
pub struct Image {
    pub shape: [usize; 3],
    pub middle: usize,
}

/// Weights of positives and of negatives.
#[derive(Clone, Copy)]
pub struct Weights {
    positive: f64,
    negative: f64,
}

/// Checks a small image, which any machine can run.
pub fn small(machine: &Machine, subject: &Subject) -> Result<Verdict, Failure> {
    let image = Image { shape: [1, 1025, 1023], middle: 1 << 19 };
    let mut labels = vec![0_u8; image.pixels()];
    for window in image.windows() {
        labels[window.clone()].copy_from_slice(&Image::labels(window));
    }
    let logits = Tensor::zeros(ElementType::F32, &image.shape)?;
    let labels = Tensor::from_slice(&image.shape, &labels)?;
    let views = [logits.view(), labels.view()];
    let mut executor = subject.executor(machine)?;
    let call = Call { random: RANDOM, ..Call::new(&views) };
    let (outcome, gradients) = executor.forward_backward(&call)?;
    let weights = image.check_outcome(&outcome)?;
    let gradient = golden::only(gradients)?;
    for window in image.windows() {
        let bytes = gradient.bytes().get(4 * window.start..4 * window.end);
        let bytes = bytes.ok_or_else(|| format!("a gradient of {} bytes", gradient.bytes().len()))?;
        Image::check_gradient(window, bytes, weights)?;
    }
    Ok(passed("draws, counts, loss and gradient"))
}

impl Image {
    pub fn pixels(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn windows(&self) -> [Range<usize>; 3] {
        let (middle, end) = (self.middle, self.pixels());
        [0..4099, middle - 2050..middle + 2050, end - 5003..end]
    }

    /// The labels of a window; all others are 0.
    pub fn labels(window: Range<usize>) -> Vec<u8> {
        window.map(|index| u8::from(is_positive(index))).collect()
    }

    /// Compares counts and loss, and returns the weights.
    pub fn check_outcome(&self, outcome: &Outcome) -> Result<Weights, Failure> {
        let blocks = self.pixels().div_ceil(4) as u64;
        let spared: i64 = (0..blocks).into_par_iter().map(|block| self.spared_of_block(block)).sum();
        let in_windows = || self.windows().into_iter().flatten().filter(|&index| is_positive(index));
        let positives = in_windows().count() as i64;
        let kept = spared - in_windows().filter(|&index| !is_dropped(index)).count() as i64;
        for (name, expected) in [("positives", positives), ("kept", kept)] {
            let found = outcome.group(name);
            if found != Some(&GroupValues::Count(vec![expected])) {
                return Err(format!("{name}: found {found:?}, expected {expected}").into());
            }
        }
        let (positives, kept) = (positives as f64, kept as f64);
        let all = positives + kept;
        let weights = Weights { positive: kept / all, negative: positives / all };
        let loss = (weights.positive * positives + weights.negative * kept) * LN_2;
        near("loss", f64::from(outcome.loss), loss)?;
        Ok(weights)
    }

    /// Number of pixels in a block of four that their draws would keep as negatives.
    fn spared_of_block(&self, block: u64) -> i64 {
        let words = philox::block(RANDOM.seed, RANDOM.stream, block).into_iter();
        let inside = (self.pixels() - 4 * block as usize).min(4);
        words.take(inside).filter(|&word| philox::word_to_uniform(word) >= 0.5).count() as i64
    }

    /// Compares the gradient of a window, f32 in `bytes`.
    pub fn check_gradient(window: Range<usize>, bytes: &[u8], weights: Weights) -> Result<(), Failure> {
        let (values, rest) = bytes.as_chunks::<4>();
        if values.len() != window.len() || !rest.is_empty() {
            return Err(format!("a gradient of {} bytes for {} pixels", bytes.len(), window.len()).into());
        }
        for (index, bytes) in window.zip(values) {
            let found = f64::from(f32::from_le_bytes(*bytes));
            let name = format!("gradient of pixel {index}");
            match (is_positive(index), is_dropped(index)) {
                (true, _) => near(&name, found, -0.5 * weights.positive)?,
                (false, false) => near(&name, found, 0.5 * weights.negative)?,
                (false, true) if found == 0.0 => {}
                (false, true) => return Err(format!("{name} is {found}, but its draw drops it").into()),
            }
        }
        Ok(())
    }
}

fn is_positive(index: usize) -> bool {
    index.is_multiple_of(STRIDE)
}

fn is_dropped(index: usize) -> bool {
    philox::uniform(RANDOM.seed, RANDOM.stream, index as u64) < 0.5
}

fn near(name: &str, found: f64, expected: f64) -> Result<(), Failure> {
    match (found - expected).abs() <= TOLERANCE * expected.abs() {
        true => Ok(()),
        false => Err(format!("{name} is {found}, expected {expected}").into()),
    }
}

#[cfg(test)]
mod tests;
