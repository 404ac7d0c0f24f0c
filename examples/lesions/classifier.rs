//! A pixel classifier with one hidden layer, and the Adam optimiser.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::features::FEATURES;

const HIDDEN: usize = 16;
/// Ranges of the parts in the list of parameters. Weights have one row per output.
const HIDDEN_WEIGHTS: Range<usize> = 0..FEATURES * HIDDEN;
const HIDDEN_BIAS: Range<usize> = HIDDEN_WEIGHTS.end..HIDDEN_WEIGHTS.end + HIDDEN;
const OUTPUT_WEIGHTS: Range<usize> = HIDDEN_BIAS.end..HIDDEN_BIAS.end + HIDDEN;
const OUTPUT_BIAS: usize = OUTPUT_WEIGHTS.end;
const PARAMETERS: usize = OUTPUT_BIAS + 1;

/// Pixels that a thread takes at a time. Their sums are added in order, so the result does not
/// depend on the number of threads.
const BATCH: usize = 4096;

/// `logit = output · s(hidden · features + bias) + bias` with the softsign
/// `s(x) = x / (1 + |x|)`, which costs a tenth of a tanh.
#[derive(Clone)]
pub struct Classifier {
    parameters: Array1<f32>,
}

/// Results of the forward pass that the backward pass needs again.
pub struct Activations {
    /// One matrix per batch: one row per hidden unit, one column per pixel.
    hidden: Vec<Array2<f32>>,
    /// One row of logits, one column per pixel.
    pub logits: Array2<f32>,
}

impl Classifier {
    /// Weights drawn uniformly within 1/√inputs, biases 0.
    pub fn new(seed: u64) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut parameters = Array1::zeros(PARAMETERS);
        for (range, inputs) in [(HIDDEN_WEIGHTS, FEATURES), (OUTPUT_WEIGHTS, HIDDEN)] {
            let bound = 1.0 / (inputs as f32).sqrt();
            for weight in parameters.slice_mut(s![range]) {
                *weight = random.random_range(-bound..bound);
            }
        }
        Self { parameters }
    }

    /// Computes the logits of the pixels in the columns of `features`.
    pub fn forward(&self, features: &Array2<f32>) -> Activations {
        let results: Vec<_> =
            batches(features).into_par_iter().map(|batch| self.forward_batch(&batch)).collect();
        let mut hidden = Vec::with_capacity(results.len());
        let mut logits = Vec::with_capacity(features.ncols());
        for (batch_hidden, batch_logits) in results {
            hidden.push(batch_hidden);
            logits.extend(batch_logits);
        }
        let logits =
            Array2::from_shape_vec((1, features.ncols()), logits).expect("one logit a column of features");
        Activations { hidden, logits }
    }

    fn forward_batch(&self, features: &ArrayView2<'_, f32>) -> (Array2<f32>, Array2<f32>) {
        let bias = self.parameters.slice(s![HIDDEN_BIAS]);
        let mut hidden = self.matrix(HIDDEN_WEIGHTS, FEATURES).dot(features);
        hidden += &bias.insert_axis(Axis(1));
        hidden.mapv_inplace(|value| value / (1.0 + value.abs()));
        let mut logits = self.matrix(OUTPUT_WEIGHTS, HIDDEN).dot(&hidden);
        logits += self.parameters[OUTPUT_BIAS];
        (hidden, logits)
    }

    /// The gradient with respect to every parameter, from that with respect to every logit.
    pub fn backward(
        &self,
        features: &Array2<f32>,
        activations: &Activations,
        by_logit: &Array2<f32>,
    ) -> Array1<f32> {
        let parts: Vec<_> = batches(features)
            .into_par_iter()
            .zip(&activations.hidden)
            .zip(batches(by_logit))
            .map(|((features, hidden), by_logit)| self.backward_batch(&features, hidden, &by_logit))
            .collect();
        parts.iter().fold(Array1::zeros(PARAMETERS), |sum, part| sum + part)
    }

    fn backward_batch(
        &self,
        features: &ArrayView2<'_, f32>,
        hidden: &Array2<f32>,
        by_logit: &ArrayView2<'_, f32>,
    ) -> Array1<f32> {
        let mut by_hidden = self.matrix(OUTPUT_WEIGHTS, HIDDEN).t().dot(by_logit);
        by_hidden.zip_mut_with(hidden, |slope, &value| {
            *slope *= (1.0 - value.abs()).powi(2);
        });
        let by_weights = by_hidden.dot(&features.t());
        let by_output = hidden.dot(&by_logit.row(0));
        by_weights
            .iter()
            .copied()
            .chain(by_hidden.sum_axis(Axis(1)))
            .chain(by_output)
            .chain([by_logit.sum()])
            .collect()
    }

    /// A range of the parameters as a matrix with one row per output.
    fn matrix(&self, range: Range<usize>, inputs: usize) -> ArrayView2<'_, f32> {
        let outputs = range.len() / inputs;
        self.parameters
            .slice(s![range])
            .into_shape_with_order((outputs, inputs))
            .expect("the range has a whole number of rows")
    }
}

/// Cuts the columns, which are pixels, into batches.
fn batches(table: &Array2<f32>) -> Vec<ArrayView2<'_, f32>> {
    (0..table.ncols())
        .step_by(BATCH)
        .map(|start| {
            let end = (start + BATCH).min(table.ncols());
            table.slice(s![.., start..end])
        })
        .collect()
}

/// Adam (Kingma and Ba, 2015) with the usual constants. Its steps do not depend
/// on the scale of the loss, which suits a comparison of losses.
pub struct Adam {
    mean: Array1<f32>,
    square: Array1<f32>,
    steps: i32,
}

impl Adam {
    const MEAN_DECAY: f32 = 0.9;
    const SQUARE_DECAY: f32 = 0.999;
    const EPSILON: f32 = 1e-8;

    /// An optimiser that has seen no gradient yet.
    pub fn new() -> Self {
        Self { mean: Array1::zeros(PARAMETERS), square: Array1::zeros(PARAMETERS), steps: 0 }
    }

    /// Moves the classifier's parameters by one step against the gradient.
    pub fn step(&mut self, classifier: &mut Classifier, gradient: &Array1<f32>, rate: f32) {
        self.steps += 1;
        let mean_scale = 1.0 / (1.0 - Self::MEAN_DECAY.powi(self.steps));
        let square_scale = 1.0 / (1.0 - Self::SQUARE_DECAY.powi(self.steps));
        for (index, &slope) in gradient.iter().enumerate() {
            let mean = &mut self.mean[index];
            let square = &mut self.square[index];
            *mean += (1.0 - Self::MEAN_DECAY) * (slope - *mean);
            *square += (1.0 - Self::SQUARE_DECAY) * (slope * slope - *square);
            let spread = (*square * square_scale).sqrt() + Self::EPSILON;
            classifier.parameters[index] -= rate * *mean * mean_scale / spread;
        }
    }
}
