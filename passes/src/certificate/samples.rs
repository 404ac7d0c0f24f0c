//! Source and result on sample pixels, in real numbers. The proof is about rules; this examines
//! the programs themselves.

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Argument, Program};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The group of each plane: the first two planes are a group, and the last two.
const PLANE_GROUPS: [usize; 4] = [0, 0, 1, 1];
const PLANE_LENGTH: usize = 16;

/// The largest difference between source and result, relative to the largest value of the
/// result: a formula that cancels loses more than f64 rounds.
const AGREEMENT: f64 = 1e-6;

/// The largest difference from the value on another machine, whose library may round exp and log
/// differently.
const REPEATED: f64 = 1e-9;

/// The smallest size to which differences are relative: a zero may be computed as the remainder
/// of a difference.
const SMALLEST: f64 = 1e-3;

/// Sample inputs and the results of both programs on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    /// The arguments in order: tensors of pixels plane by plane, and scalars.
    pub arguments: Vec<Numbers>,
    /// The random number of each pixel.
    pub uniform: Numbers,
    /// The source's results, in order.
    pub source: Vec<Numbers>,
    /// The result program's results, in order.
    pub result: Vec<Numbers>,
}

/// The reason why samples do not support a phase.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SampleError {
    /// Inputs other than those that every certificate has.
    #[error("the samples are not this loss's")]
    Inputs,
    /// A recorded value that is not reproduced.
    #[error("on the samples, the {which} does not give what the certificate says")]
    Recorded {
        /// The program.
        which: &'static str,
    },
    /// A source and a result that disagree.
    #[error("on the samples, the {name} is {result} after the phase and {source_value} before")]
    Disagree {
        /// The result's name.
        name: String,
        /// Its value in the source.
        source_value: String,
        /// Its value in the result.
        result: String,
    },
}

impl Samples {
    /// Runs both programs, which take the same arguments.
    pub(super) fn of(source: &Program, result: &Program) -> Self {
        let arguments: Vec<_> = source.arguments().iter().enumerate().map(argument).collect();
        let uniform = Numbers((0..pixels()).map(|index| f64::from(uniform(index as u64))).collect());
        let run = |program| run(program, &arguments);
        Self { source: run(source), result: run(result), arguments, uniform }
    }

    /// Checks that the programs reproduce these values, and that they agree.
    pub(super) fn check(&self, source: &Program, result: &Program) -> Result<(), SampleError> {
        let again = Self::of(source, result);
        if (&self.arguments, &self.uniform) != (&again.arguments, &again.uniform) {
            return Err(SampleError::Inputs);
        }
        for (which, recorded, again) in
            [("source", &self.source, &again.source), ("result", &self.result, &again.result)]
        {
            let same = recorded.len() == again.len()
                && recorded.iter().zip(again).all(|(one, other)| one.differs(other, REPEATED).is_none());
            if !same {
                return Err(SampleError::Recorded { which });
            }
        }
        again.agree(source)
    }

    fn agree(&self, program: &Program) -> Result<(), SampleError> {
        let results = program.results().iter().zip(self.source.iter().zip(&self.result));
        for (named, (source, result)) in results {
            if let Some((source, result)) = source.differs(&result.where_defined(source), AGREEMENT) {
                let (source_value, result) = (source.to_string(), result.to_string());
                return Err(SampleError::Disagree { name: named.name.clone(), source_value, result });
            }
        }
        Ok(())
    }
}

fn pixels() -> usize {
    PLANE_GROUPS.len() * PLANE_LENGTH
}

/// The sample of an argument: logits of both signs, labels of which a third is 1, and scalars at
/// the program's defaults.
fn argument((index, argument): (usize, &Argument)) -> Numbers {
    if !argument.is_pixel() {
        return Numbers(vec![f64::from(argument.default.unwrap_or(1.0))]);
    }
    let logit = |pixel: usize| (pixel * 29 % pixels()) as f64 * 0.375 - 11.5;
    let weight = |pixel: usize| (pixel * (7 + 2 * index) % 16) as f64 * 0.25 + 0.25;
    let label = |pixel: usize| f64::from(u8::from((pixel + index).is_multiple_of(3)));
    let value = |pixel| match (index, argument.ty.element.is_float()) {
        (0, _) => logit(pixel),
        (_, true) => weight(pixel),
        (_, false) => label(pixel),
    };
    Numbers((0..pixels()).map(value).collect())
}

fn uniform(index: u64) -> f32 {
    (index * 37 % 101) as f32 / 101.0
}

fn run(program: &Program, arguments: &[Numbers]) -> Vec<Numbers> {
    let of_kind = |pixel: bool| {
        let arguments = program.arguments().iter().zip(arguments);
        arguments
            .filter(move |(argument, _)| argument.is_pixel() == pixel)
            .map(|(_, values)| values.0.clone())
    };
    let inputs = Inputs {
        plane_group: &PLANE_GROUPS,
        groups: 2,
        plane_length: PLANE_LENGTH,
        pixels: &of_kind(true).collect::<Vec<_>>(),
        scalars: &of_kind(false).flatten().collect::<Vec<_>>(),
        uniform: &uniform,
    };
    interpret(program, &inputs, Precision::Real).into_iter().map(Numbers).collect()
}

/// Floats as decimals that preserve all bits, including infinities, and NaN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Numbers(pub Vec<f64>);

impl From<Numbers> for String {
    fn from(numbers: Numbers) -> Self {
        numbers.0.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Numbers {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Numbers {
    /// The first values whose difference is more than `tolerance` times the largest value. An
    /// infinity agrees only with the same infinity, a NaN with any NaN.
    fn differs(&self, other: &Self, tolerance: f64) -> Option<(f64, f64)> {
        if self.0.len() != other.0.len() {
            return Some((self.0.len() as f64, other.0.len() as f64));
        }
        let sizes = self.0.iter().filter(|value| value.is_finite()).map(|value| value.abs());
        let allowed = tolerance * sizes.fold(SMALLEST, f64::max);
        let near = |one: f64, other: f64| {
            one == other || one.is_nan() && other.is_nan() || (one - other).abs() <= allowed
        };
        self.0.iter().copied().zip(other.0.iter().copied()).find(|&(one, other)| !near(one, other))
    }

    /// These values, with those of `source` where `source` is not finite: a rule may define more
    /// than was defined.
    fn where_defined(&self, source: &Self) -> Self {
        let pairs = self.0.iter().zip(&source.0);
        Self(pairs.map(|(&own, &source)| if source.is_finite() { own } else { source }).collect())
    }
}
