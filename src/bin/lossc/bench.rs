//! `lossc bench`

mod machine;
mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, builder::RangedU64ValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use lossc::bench::{Phase, Pixels, Subject, medians};
use lossc::{Compiler, Loss, Optimisation, Target};
use serde::Serialize;

use crate::failure::Failure;
use crate::run::{pool, processors};
use crate::source::Source;
use crate::{print, print_json};
use machine::Machine;

/// Ways to compile a loss that are compared.
const PLANS: [(&str, Optimisation); 4] = [
    ("fused", Optimisation::Compaction),
    ("fused-without-compaction", Optimisation::Algebra),
    ("fused-without-algebra", Optimisation::Fusion),
    ("unfused", Optimisation::None),
];

/// A tile, a photograph of a fundus camera made smaller, and a whole one.
const SIZES: [&str; 3] = ["65536", "1382400", "12212224"];
/// A few gigabytes, with the values that unfused ops leave in memory.
const MOST_PIXELS: u64 = 1 << 28;
/// Pixels over all rounds of a call, if that makes a sensible number of rounds.
const PIXELS_PER_MEDIAN: usize = 1 << 26;
const ROUNDS: (usize, usize) = (7, 999);

/// Measures the time of losses: as lossc fuses them, without compaction, also without algebra, and
/// with one kernel per op
///
/// Logits are f32, around --mean with a deviation of 2; labels are u8, a thousandth of them
/// positive, in blobs. Unlike in `run`, labels are not checked. Times are medians of calls that
/// take turns.
#[derive(Args)]
#[command(mut_arg("loss", |loss| loss.required(false)))]
pub struct Bench {
    // Optional here, unlike elsewhere: without it the whole library is measured.
    #[command(flatten)]
    source: Option<Source>,
    /// Sizes of images
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_values = SIZES,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_PIXELS))]
    pixels: Vec<usize>,
    /// Numbers of threads; as many as there are cores by default, and never more
    #[arg(long, value_name = "COUNTS", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..))]
    threads: Vec<u16>,
    /// Mean of the logits
    #[arg(long, value_name = "LOGIT", default_value_t = -4.0, allow_negative_numbers = true)]
    mean: f32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Output of `--json`.
#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
    machine: Machine,
}

/// One loss, compiled one way, in one phase, on images of one size.
#[derive(Serialize)]
struct Row {
    loss: String,
    /// The value of the loss's choice, if it has one.
    schedule: Option<String>,
    plan: &'static str,
    phase: Phase,
    pixels: usize,
    threads: u16,
    ns_per_pixel: f64,
    gb_per_s: f64,
}

/// A loss compiled in all ways.
struct Candidate {
    loss: String,
    schedule: Option<String>,
    threads: u16,
    plans: Vec<(&'static str, Subject)>,
}

impl Bench {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let target = Target::host().map_err(lossc::Error::from)?;
        let (sizes, threads) = (distinct(&self.pixels), self.threads());
        let machine = Machine::measure(&target, &threads)?;
        let losses = self.losses()?;
        let progress = progress(&sizes, losses.len() * threads.len())?;
        let mut images: Vec<_> = sizes.into_iter().map(|size| Pixels::of(size).around(self.mean)).collect();
        let mut rows = vec![];
        for loss in &losses {
            for &threads in &threads {
                // One at a time: each keeps the memory that its largest call took.
                let candidate = Candidate::new(loss, &target, threads)?;
                for pixels in &mut images {
                    progress.set_message(format!("{} {}", candidate.name(), pixels.len()));
                    rows.extend(candidate.measure(pixels, &progress)?);
                }
            }
        }
        progress.finish_and_clear();
        let report = Report { rows, machine };
        if self.json { print_json(&report) } else { print(&table::table(&report)) }
    }

    fn threads(&self) -> Vec<u16> {
        let all = u16::try_from(processors()).unwrap_or(u16::MAX);
        let asked: Vec<_> = self.threads.iter().map(|&threads| threads.min(all)).collect();
        if asked.is_empty() { vec![all] } else { distinct(&asked) }
    }

    /// The named loss, or the whole library; with all values of a choice that was not set.
    fn losses(&self) -> Result<Vec<Loss>, Failure> {
        let losses = match &self.source {
            Some(source) => vec![source.loss()?],
            None => {
                lossc_dialect::library::names().map(|name| Loss::library(&name)).collect::<Result<_, _>>()?
            }
        };
        let set = self.source.iter().flat_map(|source| &source.set).map(|(name, _)| name);
        let mut all = vec![];
        for loss in losses {
            let file = loss.file()?;
            match &file.choice {
                Some(choice) if set.clone().all(|name| *name != choice.name) => {
                    all.extend(file.choice_values().map(|value| loss.clone().set(&choice.name, value)));
                }
                _ => all.push(loss),
            }
        }
        Ok(all)
    }
}

fn distinct<T: Copy + Ord>(counts: &[T]) -> Vec<T> {
    counts.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A bar that counts pixels, since rounds on large images take longer.
fn progress(sizes: &[usize], candidates: usize) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{msg:>32} {wide_bar} {percent:>3} %");
    let style = style.map_err(|error| Failure::message(error.to_string()))?;
    let pixels = sizes.iter().map(|&count| count * rounds(count) * candidates).sum::<usize>();
    Ok(ProgressBar::new(pixels as u64).with_style(style))
}

fn rounds(pixels: usize) -> usize {
    (PIXELS_PER_MEDIAN / pixels).clamp(ROUNDS.0, ROUNDS.1)
}

impl Candidate {
    fn new(loss: &Loss, target: &Target, threads: u16) -> Result<Self, Failure> {
        let compiler = Compiler::new(target.clone()).check_labels(false).threads(pool(threads.into())?);
        let subject = |(name, optimisation)| {
            Ok((name, Subject::new(&compiler.clone().optimisation(optimisation), loss)?))
        };
        let plans = PLANS.into_iter().map(subject).collect::<Result<Vec<_>, lossc::Error>>()?;
        let description = plans[0].1.compiled().description();
        let schedule = description.choice.as_ref().map(|choice| choice.value.clone());
        Ok(Self { loss: description.loss.clone(), schedule, threads, plans })
    }

    fn name(&self) -> String {
        [Some(&self.loss), self.schedule.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Measures all plans in all phases on images of one size.
    fn measure(&self, pixels: &mut Pixels, progress: &ProgressBar) -> Result<Vec<Row>, Failure> {
        let count = pixels.len();
        let call = |index: usize| {
            let (plan, phase) = (index / Phase::ALL.len(), Phase::ALL[index % Phase::ALL.len()]);
            call(&self.plans[plan].1, phase, pixels)
        };
        let calls = self.plans.len() * Phase::ALL.len();
        let medians = medians(calls, rounds(count), call, || progress.inc(count as u64))?;
        let variants = self.plans.iter().flat_map(|plan| Phase::ALL.map(|phase| (plan, phase)));
        Ok(variants
            .zip(medians)
            .map(|(((plan, subject), phase), time)| self.row(plan, subject, phase, count, time))
            .collect())
    }

    fn row(
        &self,
        plan: &'static str,
        subject: &Subject,
        phase: Phase,
        pixels: usize,
        median: Duration,
    ) -> Row {
        let ns_per_pixel = median.as_secs_f64() * 1e9 / pixels as f64;
        Row {
            loss: self.loss.clone(),
            schedule: self.schedule.clone(),
            plan,
            phase,
            pixels,
            threads: self.threads,
            ns_per_pixel,
            gb_per_s: subject.bytes_per_pixel(phase) / ns_per_pixel,
        }
    }
}

/// Makes one call. The forward one comes before the backward one of the same plan.
fn call(subject: &Subject, phase: Phase, pixels: &mut Pixels) -> Result<(), lossc::Error> {
    match phase {
        Phase::Forward => subject.forward(pixels),
        Phase::Backward => subject.backward(pixels),
        Phase::ForwardBackward => subject.forward_backward(pixels),
    }
}
