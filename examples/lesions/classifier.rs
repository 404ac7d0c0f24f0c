//! A pixel classifier with one hidden layer, and the Adam optimiser.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use crate::features::FEATURES;

const HIDDEN: usize = 16;
/// Where each part lies in the list of parameters.
const HIDDEN_WEIGHTS: Range<usize> = 0..FEATURES * HIDDEN;
const HIDDEN_BIAS: Range<usize> = HIDDEN_WEIGHTS.end..HIDDEN_WEIGHTS.end + HIDDEN;
const OUTPUT_WEIGHTS: Range<usize> = HIDDEN_BIAS.end..HIDDEN_BIAS.end + HIDDEN;
const OUTPUT_BIAS: usize = OUTPUT_WEIGHTS.end;
const PARAMETERS: usize = OUTPUT_BIAS + 1;

/// Pixels that a thread takes at a time. Their sums are added in order, so the
/// result does not depend on the number of threads.
const BATCH: usize = 4096;

/// `logit = output · tanh(hidden · features + bias) + bias`.
#[derive(Clone)]
pub struct Classifier {
    parameters: Array1<f32>,
}

/// What the forward pass computed, which the backward pass needs again.
pub struct Activations {
    hidden: Vec<Array2<f32>>,
    /// One row of logits, one column a pixel.
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

    /// Computes the logits of the pixels in the rows of `features`.
    pub fn forward(&self, features: ArrayView2<'_, f32>) -> Activations {
        let results: Vec<_> = batches(&features)
            .into_par_iter()
            .map(|batch| self.forward_batch(batch))
            .collect();
        let mut hidden = Vec::with_capacity(results.len());
        let mut logits = Vec::with_capacity(features.nrows());
        for (batch_hidden, batch_logits) in results {
            hidden.push(batch_hidden);
            logits.extend(batch_logits);
        }
        let logits = Array2::from_shape_vec((1, features.nrows()), logits)
            .expect("one logit a row of features");
        Activations { hidden, logits }
    }

    fn forward_batch(&self, features: ArrayView2<'_, f32>) -> (Array2<f32>, Array1<f32>) {
        let mut hidden = features.dot(&self.hidden_weights());
        hidden += &self.parameters.slice(s![HIDDEN_BIAS]);
        hidden.mapv_inplace(f32::tanh);
        let logits = hidden.dot(&self.output_weights()) + self.parameters[OUTPUT_BIAS];
        (hidden, logits)
    }

    /// The gradient by every parameter, from the gradient by every logit.
    pub fn backward(
        &self,
        features: ArrayView2<'_, f32>,
        activations: &Activations,
        by_logit: ArrayView2<'_, f32>,
    ) -> Array1<f32> {
        let by_logit = by_logit.row(0);
        let parts: Vec<_> = batches(&features)
            .into_par_iter()
            .zip(&activations.hidden)
            .zip(by_logit.axis_chunks_iter(Axis(0), BATCH).collect::<Vec<_>>())
            .map(|((features, hidden), by_logit)| self.backward_batch(features, hidden, by_logit))
            .collect();
        parts
            .iter()
            .fold(Array1::zeros(PARAMETERS), |sum, part| sum + part)
    }

    fn backward_batch(
        &self,
        features: ArrayView2<'_, f32>,
        hidden: &Array2<f32>,
        by_logit: ArrayView1<'_, f32>,
    ) -> Array1<f32> {
        let weights = self.output_weights();
        let mut by_hidden = hidden.mapv(|value| 1.0 - value * value);
        by_hidden *= &weights;
        by_hidden *= &by_logit.insert_axis(Axis(1));
        let by_weights = features.t().dot(&by_hidden);
        let mut gradient = Array1::zeros(PARAMETERS);
        gradient
            .slice_mut(s![HIDDEN_WEIGHTS])
            .iter_mut()
            .zip(&by_weights)
            .for_each(|(target, &value)| *target = value);
        gradient
            .slice_mut(s![HIDDEN_BIAS])
            .assign(&by_hidden.sum_axis(Axis(0)));
        gradient
            .slice_mut(s![OUTPUT_WEIGHTS])
            .assign(&by_logit.dot(hidden));
        gradient[OUTPUT_BIAS] = by_logit.sum();
        gradient
    }

    fn hidden_weights(&self) -> ArrayView2<'_, f32> {
        self.parameters
            .slice(s![HIDDEN_WEIGHTS])
            .into_shape_with_order((FEATURES, HIDDEN))
            .expect("the range has that many weights")
    }

    fn output_weights(&self) -> ArrayView1<'_, f32> {
        self.parameters.slice(s![OUTPUT_WEIGHTS])
    }
}

fn batches<'a>(features: &ArrayView2<'a, f32>) -> Vec<ArrayView2<'a, f32>> {
    (0..features.nrows())
        .step_by(BATCH)
        .map(|start| {
            let end = (start + BATCH).min(features.nrows());
            features.clone().slice_move(s![start..end, ..])
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
        Self {
            mean: Array1::zeros(PARAMETERS),
            square: Array1::zeros(PARAMETERS),
            steps: 0,
        }
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
