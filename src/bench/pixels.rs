//! Inputs that losses are measured on.

use lossc_runtime::{Philox, TensorView, TensorViewMut};
use rand_distr::{Distribution as _, Normal};

use crate::compiled::Forward;
use crate::error::Error;

/// One pixel in a thousand is positive.
const PIXELS_PER_POSITIVE: usize = 1000;
/// The radii of blobs of positives, in pixels.
const RADII: std::ops::Range<usize> = 2..7;

/// Tensors of a call: logits, labels, and memory for the outputs.
#[derive(Clone, Debug)]
pub struct Pixels {
    shape: [usize; 2],
    logits: Vec<f32>,
    labels: Vec<u8>,
    gradient: Vec<f32>,
    outcome: Forward,
}

/// Default mean of the logits.
const MEAN: f32 = -4.0;

impl Pixels {
    /// An image of logits around -4 with a standard deviation of 2, and labels of which a
    /// thousandth is positive, in round blobs: the input of a detector of small lesions. Always the
    /// same for the same shape.
    pub fn random(height: usize, width: usize) -> Self {
        let count = height * width;
        let normal = Normal::new(MEAN, 2.0).expect("the deviation is finite");
        let logits = normal.sample_iter(Philox::new(1, 0)).take(count).collect();
        let (labels, gradient) = (blobs(height, width), vec![0.0; count]);
        Self { shape: [height, width], logits, labels, gradient, outcome: Forward::default() }
    }

    /// Like [`Pixels::random`], with `count` pixels in the shape nearest to a square.
    pub fn of(count: usize) -> Self {
        let height = (1..=count.isqrt()).rev().find(|height| count.is_multiple_of(*height)).unwrap_or(1);
        Self::random(height, count / height)
    }

    /// Shifts the logits to a mean of `mean`: the higher, the more negatives are hard.
    pub fn around(mut self, mean: f32) -> Self {
        self.logits.iter_mut().for_each(|logit| *logit += mean - MEAN);
        self
    }

    /// Height and width.
    pub fn shape(&self) -> &[usize; 2] {
        &self.shape
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// Returns whether there are no pixels.
    pub fn is_empty(&self) -> bool {
        self.logits.is_empty()
    }

    /// The logits, row by row.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The labels, row by row.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The gradient left by the last call, row by row.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// A call's inputs, and the memory for its gradient and outcome.
    pub(super) fn arguments(
        &mut self,
    ) -> Result<([TensorView<'_>; 2], TensorViewMut<'_>, &mut Forward), Error> {
        let inputs = [
            TensorView::from_slice(&self.shape, &self.logits)?,
            TensorView::from_slice(&self.shape, &self.labels)?,
        ];
        let gradient = TensorViewMut::from_slice(&self.shape, &mut self.gradient)?;
        Ok((inputs, gradient, &mut self.outcome))
    }
}

/// Labels with discs of positives: a thousandth of the pixels, at least one.
fn blobs(height: usize, width: usize) -> Vec<u8> {
    let mut labels = vec![0; height * width];
    let mut missing = labels.len().div_ceil(PIXELS_PER_POSITIVE);
    let mut random = Philox::new(2, 0);
    let mut below = |end: usize| ((f64::from(random.next_uniform()) * end as f64) as usize).min(end - 1);
    while missing > 0 {
        let (y, x) = (below(height), below(width));
        let radius = RADII.start + below(RADII.len());
        for index in disc(y, x, radius, height, width) {
            if missing > 0 && labels[index] == 0 {
                labels[index] = 1;
                missing -= 1;
            }
        }
    }
    labels
}

/// The indices of the pixels within `radius` of a point, row by row.
fn disc(y: usize, x: usize, radius: usize, height: usize, width: usize) -> impl Iterator<Item = usize> {
    let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
    let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
    let points = rows.flat_map(move |row| columns.clone().map(move |column| (row, column)));
    let inside = move |&(row, column): &(usize, usize)| {
        row.abs_diff(y).pow(2) + column.abs_diff(x).pow(2) <= radius.pow(2)
    };
    points.filter(inside).map(move |(row, column)| row * width + column)
}
