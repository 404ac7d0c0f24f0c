//! The ways to compile a loss, and how long each takes.

use std::error::Error;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use lossc::pipeline::{self, scheduled};
use lossc::{Compiled, Compiler, Loss, Optimisation, Options, Seed, Target, TensorView, TensorViewMut};
use lossc_passes::schedule::Schedule;
use ndarray::Array2;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// A way to compile a loss.
pub struct Way {
    pub name: &'static str,
    /// Kernels launched for a loss and its gradient.
    pub kernels: usize,
    /// What these kernels read and write.
    pub bytes_per_pixel: f64,
    /// Kernels that read the logits.
    pub passes: usize,
    compiled: Compiled,
    one_call: bool,
}

impl Way {
    /// The four ways, the slowest first.
    pub fn all(loss: &Loss, target: &Target) -> Result<Vec<Self>, Box<dyn Error>> {
        let ways = [
            ("one kernel an op", Optimisation::None, true),
            ("fused", Optimisation::Fusion, true),
            ("algebra", Optimisation::Algebra, false),
            ("algebra, one call", Optimisation::Algebra, true),
        ];
        ways.into_iter().map(|(name, how, one_call)| Self::new(name, how, one_call, loss, target)).collect()
    }

    fn new(
        name: &'static str,
        optimisation: Optimisation,
        one_call: bool,
        loss: &Loss,
        target: &Target,
    ) -> Result<Self, Box<dyn Error>> {
        let compiler = Compiler::new(target.clone()).check_labels(false).optimisation(optimisation);
        let options = pipeline::Options { optimisation, ..Default::default() };
        let schedule = scheduled(loss.program()?, &options, target)?;
        let kernels: Vec<_> = match one_call {
            true => schedule.forward_backward.clone(),
            false => schedule.forward.iter().chain(&schedule.backward).copied().collect(),
        };
        let bits = kernels.iter().map(|&kernel| schedule.bits_per_pixel(&schedule.kernels[kernel]));
        Ok(Self {
            name,
            kernels: kernels.len(),
            bytes_per_pixel: bits.sum::<usize>() as f64 / 8.0,
            passes: kernels.iter().filter(|&&kernel| reads_logits(&schedule, kernel)).count(),
            compiled: compiler.compile(loss)?,
            one_call,
        })
    }

    /// A loss and its gradient.
    fn run(&self, pixels: &mut Pixels) -> Result<(), Box<dyn Error>> {
        let inputs =
            [TensorView::from_array(pixels.logits.view())?, TensorView::from_array(pixels.labels.view())?];
        let gradient = TensorViewMut::from_array(pixels.gradient.view_mut())?;
        let options = Options::from(Seed(1));
        if self.one_call {
            self.compiled.forward_backward_into(&inputs, &options, gradient)?;
        } else {
            let forward = self.compiled.forward_of(&inputs, &options)?;
            self.compiled.backward_into(&inputs, &forward.residuals, 1.0, gradient)?;
        }
        Ok(())
    }
}

fn reads_logits(schedule: &Schedule, kernel: usize) -> bool {
    let values = schedule.pixel_values(&schedule.kernels[kernel]);
    values.iter().any(|&value| schedule.program.node(value).op == lossc_dialect::Op::Argument(0))
}

/// What a loss is measured on.
#[derive(Clone)]
pub struct Pixels {
    logits: Array2<f32>,
    labels: Array2<u8>,
    gradient: Array2<f32>,
}

impl Pixels {
    /// Logits around -4 with a standard deviation of 2, and a thousandth of the
    /// pixels positive.
    pub fn random(height: usize, width: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(1);
        // Twelve uniform numbers have the variance 1.
        let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
        Self {
            logits: Array2::from_shape_simple_fn((height, width), || 2.0 * normal() - 4.0),
            labels: Array2::from_shape_fn((height, width), |(y, x)| u8::from((y * width + x) % 1000 == 0)),
            gradient: Array2::zeros((height, width)),
        }
    }
}

/// What a way takes on one size.
pub struct Measurement {
    pub pixels: usize,
    median: Duration,
}

impl Measurement {
    pub fn nanoseconds_per_pixel(&self) -> f64 {
        self.median.as_secs_f64() * 1e9 / self.pixels as f64
    }
}

/// Runs all ways in turn, so that what disturbs the machine disturbs them alike.
pub fn measure(
    ways: &[Way],
    pixels: &Pixels,
    runs: usize,
    progress: &ProgressBar,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let mut pixels = pixels.clone();
    let mut times = vec![vec![]; ways.len()];
    for run in 0..=runs {
        for (way, times) in ways.iter().zip(&mut times) {
            let start = Instant::now();
            way.run(&mut pixels)?;
            times.push(start.elapsed());
            if run == 0 {
                // The first call touches fresh memory.
                times.clear();
            }
        }
        progress.set_position(progress.position().max(1) + u64::from(run > 0));
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        Measurement { pixels: pixels.logits.len(), median: times[times.len() / 2] }
    };
    Ok(times.iter_mut().map(median).collect())
}
