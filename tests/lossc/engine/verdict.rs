//! The loss in real numbers, and the possible error of f32.
//!
//! The reference evaluates a loss's twin, which says the same stably, without rewriting. Every
//! value comes with the bound of its own rounding in f64, and with the bound of f32's rounding
//! along the same formula; if a bound is infinite, nothing is known. The options come from the
//! sample and not from the compiler's own pass, and the gradient from differences.

use lossc_dialect::Program;
use lossc_passes::differentiate::differentiate;
use lossc_passes::specialise::specialise;
use lossc_programs::bounds::{Bounded, Bounds};
use lossc_programs::evaluate::{Sample, evaluate};
use lossc_programs::slope::{Traces, slope};

use super::case::Case;
use super::outcome::{Outcome, Values};

/// The largest number of pixels for the reference: it computes each op several times.
pub const PIXELS: usize = 80;

/// Number of logits at which slopes are computed.
const SLOPES: usize = 4;

/// Error of a value that is allowed, in multiples of the sum of the bounds, which are of first
/// order.
const SLACK: f64 = 4.0;

/// Numbers of comparisons with the reference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub values: u64,
    pub slopes: u64,
    pub unknown: u64,
}

/// A value with the bound of the reference's own error, and with f32's.
#[derive(Clone, Copy, Debug)]
struct Known {
    real: Bounded,
    f32: f64,
}

/// Compares the exact outcome of a case with the reference.
pub fn compare(case: &Case, found: &Outcome, tally: &mut Tally) -> Result<(), String> {
    let Case { choices, input, subject, .. } = case;
    let invalid = if choices.checks { input.invalid_labels(choices) } else { 0 };
    let found = match found {
        Outcome::Invalid(count) if *count == invalid => return Ok(()),
        Outcome::Values(values) if invalid == 0 => values,
        other => return Err(format!("{other:?} where {invalid} labels are invalid")),
    };
    let nan = if choices.checks { input.nan_logits(choices) } else { 0 };
    if found.nan_logits != nan {
        return Err(format!("{} NaN logits for {nan}", found.nan_logits));
    }
    if input.len() > PIXELS {
        return Ok(());
    }
    let source = specialise(&subject.twin, &choices.options(input)).map_err(|error| error.to_string())?;
    let gradient = differentiate(&source).map_err(|error| error.to_string())?;
    let known = known(&gradient, &input.sample(&gradient));
    let sample = input.sample_with(&subject.twin, choices);
    let reference = Reference { case, twin: &subject.twin, sample, tally };
    reference.check(&gradient, &known, found)
}

/// The results of `program`, each with all its values.
fn known(program: &Program, sample: &Sample) -> Vec<Vec<Known>> {
    let by = |bounds: &Bounds| evaluate(bounds, program, sample, &sample.arguments(bounds));
    let pairs = by(&Bounds::F64).into_iter().zip(by(&Bounds::F32));
    let known = |(real, f32): (Bounded, Bounded)| Known { real, f32: f32.error };
    pairs.map(|(real, f32)| real.into_iter().zip(f32).map(known).collect()).collect()
}

struct Reference<'a> {
    case: &'a Case,
    twin: &'a Program,
    sample: Sample,
    tally: &'a mut Tally,
}

impl Reference<'_> {
    fn check(mut self, program: &Program, known: &[Vec<Known>], found: &Values) -> Result<(), String> {
        for (result, known) in program.results().iter().zip(known) {
            let values = match result.name.as_str() {
                "loss" => &vec![found.loss],
                "gradient" => found.gradient.as_ref().expect("a gradient was asked for"),
                name => match found.groups.iter().find(|(known, _)| known == name) {
                    Some((_, values)) => values,
                    None => continue,
                },
            };
            for (index, (&found, &known)) in values.iter().zip(known).enumerate() {
                self.compare(&format!("{} {index}", result.name), found, known)?;
            }
        }
        let own = self.sample.arguments(&Bounds::F64);
        let loss = evaluate(&Bounds::F64, self.twin, &self.sample, &own)[0][0];
        self.compare("loss by the call's options", found.loss, Known { real: loss, f32: known[0][0].f32 })?;
        let gradient = known.last().expect("the gradient");
        self.check_slopes(gradient, found.gradient.as_ref().expect("a gradient"))
    }

    fn compare(&mut self, what: &str, found: f64, known: Known) -> Result<(), String> {
        let Known { real, f32 } = known;
        let overflows = real.value.is_finite() && real.value.abs() > f64::from(f32::MAX);
        if !real.is_known() || !f32.is_finite() || real.value.is_nan() || overflows {
            self.tally.unknown += 1;
            return Ok(());
        }
        self.tally.values += 1;
        let error = (found - real.value).abs();
        let stored = if what.starts_with("gradient") { self.storage(real.value) } else { 0.0 };
        // Written so that a NaN fails.
        if found == real.value || error <= SLACK * (real.error + f32) + stored {
            return Ok(());
        }
        Err(format!("{what} is {found:e}, in real numbers {:e} with a bound of {f32:e}", real.value))
    }

    /// The error of storing a gradient of this size.
    fn storage(&self, value: f64) -> f64 {
        let (unit, smallest, largest) = match self.case.input.logit_type {
            lossc::ElementType::F16 => (1e-3, 6e-8, 65_000.0),
            lossc::ElementType::Bf16 => (8e-3, 1e-38, 3e38),
            _ => return 0.0,
        };
        if value.abs() > largest { f64::INFINITY } else { unit * value.abs() + smallest }
    }

    /// Compares some of the gradient with differences of the loss.
    fn check_slopes(&mut self, known: &[Known], found: &[f64]) -> Result<(), String> {
        let traced = Traces.loss(self.twin, &self.sample);
        if traced.kink || traced.infinite {
            return Ok(());
        }
        let upstream = f64::from(self.case.input.upstream);
        let step = found.len().div_ceil(SLOPES).max(1);
        for index in (0..found.len()).step_by(step) {
            let Some(slope) = slope(self.twin, &self.sample, index) else { continue };
            let real = Bounded { value: slope.value * upstream, error: slope.error * upstream.abs() };
            self.tally.slopes += 1;
            self.compare(
                &format!("gradient by differences {index}"),
                found[index],
                Known { real, ..known[index] },
            )?;
        }
        Ok(())
    }
}
