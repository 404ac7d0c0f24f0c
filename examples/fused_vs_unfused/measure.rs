//! The ways to compile a loss, and their times.

use std::error::Error;
use std::time::Duration;

use indicatif::ProgressBar;
use lossc::bench::{Phase, Pixels, Subject, medians};
use lossc::{Compiler, Loss, Optimisation, Target};

/// A way to compile a loss.
pub struct Way {
    pub name: &'static str,
    /// Kernels launched for a loss and its gradient.
    pub kernels: usize,
    /// Bytes per pixel that these kernels read and write.
    pub bytes_per_pixel: f64,
    /// Kernels that read the logits.
    pub passes: usize,
    subject: Subject,
    one_call: bool,
}

impl Way {
    /// The five ways, the slowest first. A GPU's kernels save nothing for one another and do not
    /// compact, so the first and the last are left out there.
    pub fn all(loss: &Loss, target: &Target) -> Result<Vec<Self>, Box<dyn Error>> {
        let ways = [
            ("one kernel per op", Optimisation::None, true),
            ("fused", Optimisation::Fusion, true),
            ("algebra", Optimisation::Algebra, false),
            ("algebra, one call", Optimisation::Algebra, true),
            ("compaction, one call", Optimisation::Compaction, true),
        ];
        let for_processors = [Optimisation::None, Optimisation::Compaction];
        let has_code = |how| matches!(target, Target::Cpu(_)) || !for_processors.contains(&how);
        let ways = ways.into_iter().filter(|&(_, how, _)| has_code(how));
        ways.map(|(name, how, one_call)| Self::new(name, how, one_call, loss, target)).collect()
    }

    fn new(
        name: &'static str,
        optimisation: Optimisation,
        one_call: bool,
        loss: &Loss,
        target: &Target,
    ) -> Result<Self, Box<dyn Error>> {
        let compiler = Compiler::new(target.clone()).check_labels(false).optimisation(optimisation);
        let subject = Subject::new(&compiler, loss)?;
        let phases: &[_] =
            if one_call { &[Phase::ForwardBackward] } else { &[Phase::Forward, Phase::Backward] };
        let phases = phases.iter().copied();
        Ok(Self {
            name,
            kernels: phases.clone().map(|phase| subject.kernels(phase).count()).sum(),
            bytes_per_pixel: phases.clone().map(|phase| subject.bytes_per_pixel(phase)).sum(),
            passes: phases.map(|phase| subject.passes(phase)).sum(),
            subject,
            one_call,
        })
    }

    /// Computes a loss and its gradient.
    fn run(&self, pixels: &mut Pixels) -> Result<(), lossc::Error> {
        if self.one_call {
            return self.subject.forward_backward(pixels);
        }
        self.subject.forward(pixels)?;
        self.subject.backward(pixels)
    }
}

/// Result of a way on one size.
pub struct Measurement {
    pub pixels: usize,
    median: Duration,
}

impl Measurement {
    pub fn nanoseconds_per_pixel(&self) -> f64 {
        self.median.as_secs_f64() * 1e9 / self.pixels as f64
    }
}

/// Runs all ways in turn, so that disturbances of the machine affect them alike.
pub fn measure(
    ways: &[Way],
    pixels: &mut Pixels,
    runs: usize,
    progress: &ProgressBar,
) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let count = pixels.len();
    let medians = medians(ways.len(), runs, |way| ways[way].run(pixels), || progress.inc(1))?;
    Ok(medians.into_iter().map(|median| Measurement { pixels: count, median }).collect())
}
