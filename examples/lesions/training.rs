//! Trains one classifier with one loss.

use std::error::Error;
use std::time::{Duration, Instant};

use ndarray::Array2;

use crate::classifier::{Adam, Classifier};
use crate::features::Features;
use crate::implant::Implanted;
use crate::loss::{CompiledLoss, LossSpec};

/// The step length of Adam at the start; it falls to 0 in a straight line.
const RATE: f32 = 0.05;

/// The pixels of one half of the field of view.
pub struct Half {
    /// The place of each pixel in the photograph.
    pub places: Vec<(u32, u32)>,
    /// One row per feature, one column per pixel.
    pub features: Array2<f32>,
    /// One row: 1 for a pixel of a lesion, 0 for others.
    pub labels: Array2<u8>,
}

impl Half {
    /// Collects the pixels of the field of view in a range of columns.
    pub fn of(image: &Implanted, features: &Features, columns: std::ops::Range<u32>) -> Self {
        let height = image.labels.height();
        let places: Vec<_> = (0..height)
            .flat_map(|y| columns.clone().map(move |x| (x, y)))
            .filter(|&(x, y)| image.retina.contains(x, y))
            .collect();
        let labels = Array2::from_shape_fn((1, places.len()), |(_, pixel)| {
            let (x, y) = places[pixel];
            image.labels.get_pixel(x, y).0[0]
        });
        let features = features.table(&places);
        Self { places, features, labels }
    }

    /// The number of lesion pixels.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|&&label| label == 1).count()
    }
}

/// A trained classifier and measurements of its training.
pub struct Trained {
    /// The classifier after the last step.
    pub classifier: Classifier,
    /// The last loss, divided by [`LossSpec::divisor`].
    pub loss: f32,
    /// The number of negatives that the last step kept, if the loss drops any.
    pub kept: Option<i64>,
    /// The time to compile the loss: before the first call, and in it, since it makes the code.
    pub compile_time: Duration,
    /// The median time of one call of the loss with its gradient.
    pub loss_time: Duration,
}

/// Trains on every pixel of a half at every step. `progress` is called after
/// each step.
pub fn train(
    spec: &LossSpec,
    half: &Half,
    start: &Classifier,
    steps: u64,
    mut progress: impl FnMut(),
) -> Result<Trained, Box<dyn Error>> {
    let clock = Instant::now();
    let mut loss = CompiledLoss::new(spec)?;
    let compile_time = clock.elapsed();
    let divisor = spec.divisor.of(half.labels.len(), half.positives());
    let mut classifier = start.clone();
    let mut adam = Adam::new();
    let mut times = Vec::new();
    let mut last = (f32::NAN, None);
    for step in 0..steps {
        let activations = classifier.forward(&half.features);
        let clock = Instant::now();
        let result = loss.step(&activations.logits, &half.labels, step)?;
        times.push(clock.elapsed());
        let gradient = classifier.backward(&half.features, &activations, &result.gradient);
        let rate = RATE * (1.0 - step as f32 / steps as f32);
        adam.step(&mut classifier, &(gradient / divisor), rate);
        last = (result.loss / divisor, result.kept);
        progress();
    }
    let first = times.first().copied().unwrap_or_default();
    times.sort();
    let loss_time = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(Trained {
        classifier,
        loss: last.0,
        kept: last.1,
        compile_time: compile_time + first.saturating_sub(loss_time),
        loss_time,
    })
}
