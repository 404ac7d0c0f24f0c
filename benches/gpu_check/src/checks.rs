//! Checks on a device besides that of the bits.

mod closed_form;
mod large;
mod memory;
mod order;

use lossc_runtime::{Balance, Call, CudaDevice, ElementType, Random};

use crate::Failure;
use crate::bundles::{Machine, Subject};
use crate::pixels::Kind;
use crate::report::{Report, Verdict};

/// Number of calls that must return the same bits.
const RUNS: usize = 100;

/// The shape of the image in most checks, large enough for many blocks.
const SHAPE: [usize; 3] = [4, 256, 256];

const RANDOM: Random = Random { seed: 42, stream: 7 };

/// Runs the checks that this machine can run, on the losses for f32 logits that ignore
/// no pixel.
pub fn run(machine: &Machine, subjects: &[Subject], report: &mut Report) {
    let is_plain = |subject: &&Subject| {
        subject.bundle.manifest.pixel_inputs[0].element == ElementType::F32 && subject.ignores_nothing()
    };
    let subjects: Vec<_> = subjects.iter().filter(is_plain).collect();
    for subject in &subjects {
        report.add("determinism", &subject.name, determinism(machine, subject));
    }
    on_known_image(&subjects, "known values", report, |subject| closed_form::small(machine, subject));
    if let Machine::Gpu(device, _) = machine {
        run_on_device(device, &subjects, report);
    }
}

/// A check of one loss on a device.
type Check = fn(&CudaDevice, &Subject) -> Result<Verdict, Failure>;

fn run_on_device(device: &CudaDevice, subjects: &[&Subject], report: &mut Report) {
    let checks: [(_, Check); 3] = [
        ("side stream", order::slow_producer),
        ("graph capture", order::graph),
        ("out of memory", memory::out_of_memory),
    ];
    for (name, check) in checks {
        for subject in subjects {
            report.add(name, &subject.name, check(device, subject));
        }
    }
    on_known_image(subjects, "2^31 pixels", report, |subject| large::image(device, subject));
}

/// Runs a check on the loss whose values are known, if it is packed.
fn on_known_image(
    subjects: &[&Subject],
    name: &'static str,
    report: &mut Report,
    check: impl FnOnce(&Subject) -> Result<Verdict, Failure>,
) {
    let subject = subjects.iter().find(|subject| subject.bundle.manifest.name == closed_form::LOSS);
    let outcome = subject.map_or_else(|| Ok(skipped("there is no such loss here")), |subject| check(subject));
    report.add(name, closed_form::LOSS, outcome);
}

/// Checks that the same call returns the same bits each time.
fn determinism(machine: &Machine, subject: &Subject) -> Result<Verdict, Failure> {
    let mut executor = subject.executor(machine)?;
    let pixels = subject.pixels(&SHAPE, Kind::Bell)?;
    let views = pixels.views();
    let call = Call { balance: Balance::Image, random: RANDOM, ..Call::new(&views) };
    let first = executor.forward_backward(&call)?;
    for run in 1..RUNS {
        let (outcome, gradients) = executor.forward_backward(&call)?;
        let same = outcome.loss.to_bits() == first.0.loss.to_bits() && outcome.groups == first.0.groups;
        if !same || gradients != first.1 {
            return Err(format!("run {run} differs from the first").into());
        }
    }
    Ok(passed(format!("{RUNS} runs, one result")))
}

fn passed(message: impl Into<String>) -> Verdict {
    Verdict::Passed(message.into())
}

fn skipped(message: impl Into<String>) -> Verdict {
    Verdict::Skipped(message.into())
}
