//! Results of a call, whoever computed it, and the differences of two of them.

use lossc::{Error, Forward, GroupResult, GroupValues, Program, Step, Tensor};
use lossc_dialect::interpret::{Precision, interpret};
use lossc_passes::specialise::{INVALID_LABELS, NAN_LOGITS};
use lossc_programs::evaluate::Sample;

use super::input::decode;

/// The results of a call; those that were not computed are absent.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The results of the loss.
    Values(Values),
    /// The number of invalid labels; there are no results.
    Invalid(i64),
}

#[derive(Clone, Debug)]
pub struct Values {
    pub loss: f64,
    /// One list of values per named result.
    pub groups: Vec<(String, Vec<f64>)>,
    pub nan_logits: i64,
    pub gradient: Option<Vec<f64>>,
}

/// The exact f32 results of an optimised program.
pub fn exact(program: &Program, sample: &Sample) -> Outcome {
    let mut results = interpret(program, &sample.inputs(), Precision::Exact).into_iter();
    let mut values = Values { loss: 0.0, groups: vec![], nan_logits: 0, gradient: None };
    let mut invalid = 0;
    for result in program.results() {
        let found = results.next().unwrap_or_default();
        let count = || found.iter().sum::<f64>() as i64;
        match result.name.as_str() {
            "loss" => values.loss = found[0],
            "gradient" => values.gradient = Some(found),
            INVALID_LABELS => invalid = count(),
            NAN_LOGITS => values.nan_logits = count(),
            name => values.groups.push((name.into(), found)),
        }
    }
    if invalid > 0 { Outcome::Invalid(invalid) } else { Outcome::Values(values) }
}

fn values(loss: f32, groups: &[GroupResult], nan_logits: i64, gradient: Option<&Tensor>) -> Outcome {
    let group = |group: &GroupResult| {
        let values = match &group.values {
            GroupValues::Float(values) => values.iter().map(|&value| f64::from(value)).collect(),
            GroupValues::Count(values) => values.iter().map(|&value| value as f64).collect(),
        };
        (group.name.clone(), values)
    };
    let gradient = gradient.map(|it| decode(it.bytes(), it.element_type()));
    let groups = groups.iter().map(group).collect();
    Outcome::Values(Values { loss: f64::from(loss), groups, nan_logits, gradient })
}

/// Returns the outcome of an error about labels; any other error is a failure.
fn invalid(error: &Error) -> Result<Outcome, String> {
    match error {
        Error::InvalidLabels { count, .. } => Ok(Outcome::Invalid(*count)),
        other => Err(other.to_string()),
    }
}

/// The outcome of a step.
pub fn of_step(step: Result<Step, Error>) -> Result<Outcome, String> {
    let step = match step {
        Ok(step) => step,
        Err(error) => return invalid(&error),
    };
    Ok(values(step.loss, &step.groups, step.nan_logits, Some(&step.gradient)))
}

/// The outcome of a forward call, with the gradient if it is known.
pub fn of_forward(forward: Result<Forward, Error>, gradient: Option<&Tensor>) -> Result<Outcome, String> {
    let forward = match forward {
        Ok(forward) => forward,
        Err(error) => return invalid(&error),
    };
    Ok(values(forward.loss, &forward.groups, forward.nan_logits, gradient))
}

/// Returns whether two numbers have the same bits, with all NaN being equal.
pub fn same(found: f64, expected: f64) -> bool {
    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
}

impl Outcome {
    /// Returns the first difference from `expected`, bit for bit.
    pub fn difference(&self, expected: &Self) -> Option<String> {
        match (self, expected) {
            (Self::Invalid(found), Self::Invalid(expected)) if found == expected => None,
            (Self::Values(found), Self::Values(expected)) => found.difference(expected),
            _ => Some(format!("{} for {}", self.kind(), expected.kind())),
        }
    }

    fn kind(&self) -> String {
        match self {
            Self::Values(_) => "values".into(),
            Self::Invalid(count) => format!("{count} invalid labels"),
        }
    }
}

impl Values {
    fn difference(&self, expected: &Self) -> Option<String> {
        if !same(self.loss, expected.loss) {
            return Some(format!("loss {:e} for {:e}", self.loss, expected.loss));
        }
        if self.nan_logits != expected.nan_logits {
            return Some(format!("{} NaN logits for {}", self.nan_logits, expected.nan_logits));
        }
        for ((name, found), (_, expected)) in self.groups.iter().zip(&expected.groups) {
            if let Some(difference) = first_difference(found, expected) {
                return Some(format!("{name} {difference}"));
            }
        }
        let gradients = self.gradient.as_ref().zip(expected.gradient.as_ref());
        let difference = gradients.and_then(|(found, expected)| first_difference(found, expected));
        difference.map(|difference| format!("gradient {difference}"))
    }
}

fn first_difference(found: &[f64], expected: &[f64]) -> Option<String> {
    if found.len() != expected.len() {
        return Some(format!("has {} values for {}", found.len(), expected.len()));
    }
    let pairs = found.iter().zip(expected).enumerate();
    let mut differing = pairs.filter(|(_, (found, expected))| !same(**found, **expected));
    differing.next().map(|(index, (found, expected))| format!("{found:e} for {expected:e} at {index}"))
}
