//! Times of calls on the device, by each plan, next to that of a copy within its memory.
//!
//! Calls follow each other on the same tensors, so small ones are in the cache, like those that a
//! training step has just computed; `gpu_peers.py` measures with a cold cache.

use std::fmt;

use lossc_runtime::{CudaDevice, ElementType, Random};
use serde::Serialize;

use crate::Failure;
use crate::bundles::Subject;
use crate::device::Event;
use crate::fixture::Fixture;
use crate::plans::{CHOSEN, PLANS, Plan};

/// Images from sizes at which launches dominate to sizes at which only bandwidth matters.
const SHAPES: [&[usize]; 4] = [&[512, 512], &[1440, 960], &[4288, 2848], &[16, 1024, 1024]];

/// Timed work, with the fewest bytes per pixel that it can move: logits and labels read, gradients
/// written.
const PHASES: [(&str, usize, Work); 3] = [
    (COPY, 4 + 4, |fixture| fixture.copy()),
    (FORWARD, 4 + 1, Fixture::run_forward),
    ("forward_backward", 4 + 1 + 4, Fixture::run),
];

const COPY: &str = "copy";
const FORWARD: &str = "forward";

type Work = fn(&mut Fixture) -> Result<(), Failure>;

/// All measurements.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Timings {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    loss: String,
    phase: &'static str,
    plan: &'static str,
    shape: Vec<usize>,
    /// Median of device time.
    microseconds: f64,
    /// Bandwidth, for the fewest bytes that the phase can move.
    gb_per_s: f64,
    /// Ratio to the bandwidth of a copy of the same shape.
    ratio_to_copy: f64,
}

/// Measures the losses for f32 logits: medians of `calls` calls.
pub fn measure(device: &CudaDevice, subjects: &[Subject], calls: usize) -> Result<Timings, Failure> {
    let mut rows = vec![];
    for subject in subjects {
        if subject.bundle.manifest.pixel_inputs[0].element != ElementType::F32 {
            continue;
        }
        for shape in SHAPES {
            let mut fixture = Fixture::new(device, subject, shape, Random::default())?;
            measure_phases(&mut fixture, (&subject.name, shape), calls, &mut rows)?;
        }
    }
    Ok(Timings { rows })
}

fn measure_phases(
    fixture: &mut Fixture,
    (loss, shape): (&str, &[usize]),
    calls: usize,
    rows: &mut Vec<Row>,
) -> Result<(), Failure> {
    let pixels = shape.iter().product::<usize>() as f64;
    let mut copy = 1.0;
    for (phase, bytes, work) in PHASES {
        for plan in plans(phase) {
            fixture.launch_by(plan);
            let seconds = median_seconds(fixture, work, calls)?;
            let gb_per_s = pixels * bytes as f64 / seconds / 1e9;
            if phase == COPY {
                copy = gb_per_s;
            }
            rows.push(Row {
                loss: loss.to_owned(),
                phase,
                plan: plan.name,
                shape: shape.to_vec(),
                microseconds: seconds * 1e6,
                gb_per_s,
                ratio_to_copy: gb_per_s / copy,
            });
        }
    }
    Ok(())
}

/// The plans that differ in a phase.
fn plans(phase: &str) -> impl Iterator<Item = Plan> {
    let differs = move |plan: &Plan| match phase {
        COPY => plan.name == CHOSEN.name,
        FORWARD => plan.overrides.cooperative != Some(true),
        _ => true,
    };
    PLANS.into_iter().filter(differs)
}

/// Queues all calls with an event after each, so that the device never waits for a slower host.
fn median_seconds(fixture: &mut Fixture, work: Work, calls: usize) -> Result<f64, Failure> {
    for _ in 0..calls.div_ceil(10) {
        work(fixture)?;
    }
    let events = (0..=calls).map(|_| Event::new()).collect::<Result<Vec<_>, _>>()?;
    events[0].record(&fixture.queue)?;
    for event in &events[1..] {
        work(fixture)?;
        event.record(&fixture.queue)?;
    }
    fixture.queue.wait()?;
    let times = events.windows(2).map(|pair| pair[1].seconds_since(&pair[0]));
    let mut times = times.collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[calls / 2])
}

impl fmt::Display for Timings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<32} {:<17} {:<24} {:<16} {:>10} {:>9} {:>8}",
            "loss", "phase", "plan", "shape", "µs", "GB/s", "of copy"
        )?;
        for row in &self.rows {
            let shape = row.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            writeln!(
                formatter,
                "{:<32} {:<17} {:<24} {shape:<16} {:>10.2} {:>9.1} {:>8.2}",
                row.loss, row.phase, row.plan, row.microseconds, row.gb_per_s, row.ratio_to_copy
            )?;
        }
        Ok(())
    }
}
