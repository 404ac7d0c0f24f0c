//! Comparison of fast losses with their reproducible forms, whose bits are golden, on the same
//! machine.

use half::{bf16, f16};
use lossc_runtime::{ElementType, GroupResult, GroupValues, Tensor};

use crate::Failure;
use crate::bundles::{Machine, Subject};
use crate::golden::{CASES, Case, Found};
use crate::report::{Report, Verdict};

const CHECK: &str = "fast values";

/// Largest relative difference of two values. For a softplus and a sigmoid the table in
/// `dialect/src/elementary/approximate.rs` states 4.3 + 0.62·|x| units of 2⁻²³; beyond |x| = 88
/// nothing is left that it would apply to. That makes 7.0e-6; the rest is for products and sums.
const RELATIVE: f64 = 1e-5;

/// Largest absolute difference of small values: fast numerics flush subnormal numbers.
const ABSOLUTE: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// Largest gradient of a kept pixel that could have been dropped: the weight of its cross entropy
/// is a share of the pixels, and the upstream gradients here are at most 1.
const LARGEST_DROPPED: f64 = 1.0;

/// Compares every fast loss with its reproducible form; a loss without one fails.
pub fn check(machine: &Machine, subjects: &[Subject], report: &mut Report) {
    for fast in subjects.iter().filter(|subject| !subject.is_reproducible()) {
        let twin = subjects.iter().find(|subject| subject.name == fast.reproducible_name());
        let outcome = match twin {
            Some(twin) => check_subject(machine, fast, twin),
            None => Err("there is no reproducible form of it".into()),
        };
        report.add(CHECK, &fast.name, outcome);
    }
}

fn check_subject(machine: &Machine, fast: &Subject, twin: &Subject) -> Result<Verdict, Failure> {
    let mut executors = [(fast, fast.executor(machine)?), (twin, twin.executor(machine)?)];
    let (mut largest, mut switched) = (0.0_f64, 0);
    for case in &CASES {
        let [found, expected] =
            executors.each_mut().map(|(subject, executor)| Found::of(subject, executor.as_mut(), case));
        let difference = Difference::of(&found?, &expected?, case);
        let difference = difference
            .map_err(|error| format!("{:?} by {}, {:?}: {error}", case.shape, case.balance, case.kind))?;
        largest = largest.max(difference.largest);
        switched += difference.switched;
    }
    let shapes = CASES.len();
    Ok(Verdict::Passed(format!("{shapes} shapes within {largest:.1e}, {switched} draws decided otherwise")))
}

/// Difference of two results of a case.
struct Difference {
    /// Pixels that only one of them drops: their draws lie next to their probability.
    switched: usize,
    /// The largest relative difference of a loss or gradient that is not small.
    largest: f64,
}

impl Difference {
    fn of(found: &Found, expected: &Found, case: &Case) -> Result<Self, Failure> {
        let most = most_switched(case.shape.iter().product());
        let relative = RELATIVE + count_difference(&found.groups, &expected.groups, most)?;
        let mut all = Self { switched: 0, largest: 0.0 };
        all.value("the loss", f64::from(found.loss), f64::from(expected.loss), relative, ABSOLUTE)?;
        for (found, expected) in found.groups.iter().zip(&expected.groups) {
            if let (GroupValues::Float(found), GroupValues::Float(values)) = (&found.values, &expected.values)
            {
                for (&found, &value) in found.iter().zip(values) {
                    all.value(&expected.name, found.into(), value.into(), relative, ABSOLUTE)?;
                }
            }
        }
        for (name, found, expected) in [
            ("gradient", &found.gradient, &expected.gradient),
            ("backward's gradient", &found.scaled_gradient, &expected.scaled_gradient),
        ] {
            all.gradient(name, found, expected, relative)?;
        }
        if all.switched > 2 * most {
            return Err(format!("{} draws are decided otherwise in two gradients", all.switched).into());
        }
        Ok(all)
    }

    fn gradient(
        &mut self,
        name: &str,
        found: &Tensor,
        expected: &Tensor,
        relative: f64,
    ) -> Result<(), Failure> {
        let (rounding, smallest) = precision(expected.element_type());
        let (relative, absolute) = (relative + rounding, ABSOLUTE + smallest);
        let pairs = values(found)?.into_iter().zip(values(expected)?);
        for (index, (found, expected)) in pairs.enumerate() {
            let is_near = is_near(found, expected, relative, absolute);
            let of_kept = if found == 0.0 { expected } else { found };
            let is_switched = (found == 0.0) != (expected == 0.0) && of_kept.abs() <= LARGEST_DROPPED;
            if !is_near && is_switched {
                self.switched += 1;
            } else {
                self.value(&format!("{name} of pixel {index}"), found, expected, relative, absolute)?;
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        name: &str,
        found: f64,
        expected: f64,
        relative: f64,
        absolute: f64,
    ) -> Result<(), Failure> {
        if !is_near(found, expected, relative, absolute) {
            return Err(format!("{name} is {found}, expected {expected}").into());
        }
        if expected.is_finite() && expected.abs() > absolute {
            self.largest = self.largest.max((found - expected).abs() / expected.abs());
        }
        Ok(())
    }
}

/// Returns whether two values are close enough; values that are not finite must be equal.
fn is_near(found: f64, expected: f64, relative: f64, absolute: f64) -> bool {
    if !expected.is_finite() {
        return found == expected || found.is_nan() && expected.is_nan();
    }
    (found - expected).abs() <= relative * expected.abs() + absolute
}

/// The largest number of draws of so many pixels that may be decided otherwise. One in a million
/// is: its probability moves by at most an approximation's relative error.
fn most_switched(pixels: usize) -> usize {
    if pixels < 1000 { 0 } else { 2 + pixels / 100_000 }
}

/// The largest relative difference of weights, since counts differ by draws that are decided
/// otherwise.
fn count_difference(found: &[GroupResult], expected: &[GroupResult], most: usize) -> Result<f64, Failure> {
    let form = |results: &[GroupResult]| results.iter().map(form).collect::<Vec<_>>().join(", ");
    let (form_found, form_expected) = (form(found), form(expected));
    if form_found != form_expected {
        return Err(format!("the results are {form_found}, expected {form_expected}").into());
    }
    let mut largest = 0.0_f64;
    for (found, expected) in found.iter().zip(expected) {
        let (GroupValues::Count(found), GroupValues::Count(counts)) = (&found.values, &expected.values)
        else {
            continue;
        };
        for (found, count) in found.iter().zip(counts) {
            let difference = found.abs_diff(*count);
            if difference > most as u64 {
                return Err(format!("{} is {found}, expected {count}", expected.name).into());
            }
            largest = largest.max(difference as f64 / (*count).max(1) as f64);
        }
    }
    Ok(2.0 * largest)
}

/// The name, kind and length of a result, without its values.
fn form(result: &GroupResult) -> String {
    let (kind, groups) = match &result.values {
        GroupValues::Float(values) => ("numbers", values.len()),
        GroupValues::Count(counts) => ("counts", counts.len()),
    };
    format!("{} of {groups} {kind}", result.name)
}

/// A unit in the last place of a stored float, relative, and the smallest number.
fn precision(element: ElementType) -> (f64, f64) {
    match element {
        ElementType::F16 => (f64::from(f16::EPSILON), f64::from(f16::MIN_POSITIVE_SUBNORMAL)),
        ElementType::Bf16 => (f64::from(bf16::EPSILON), 0.0),
        _ => (0.0, 0.0),
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f64>, Failure> {
    Ok(match tensor.element_type() {
        ElementType::F16 => tensor.to_array::<f16>()?.iter().map(|&value| value.into()).collect(),
        ElementType::Bf16 => tensor.to_array::<bf16>()?.iter().map(|&value| value.into()).collect(),
        _ => tensor.to_array::<f32>()?.iter().map(|&value| value.into()).collect(),
    })
}

#[cfg(test)]
mod tests;
