//! Results of a loss for a case, few enough bytes to pack, and their comparison with results found
//! elsewhere.

use std::fmt::Write as _;

use lossc_runtime::{
    Balance, Call, ElementType, Executor, GroupResult, GroupValues, Outcome, Random, Tensor,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::bundles::Subject;
use crate::fixture::POISON;
use crate::pixels::Kind;

/// Parts of a gradient that are hashed separately, to locate a difference.
const PIECES: usize = 16;

/// Upstream gradient of the backward direction on its own.
const UPSTREAM: f32 = -0.375;

/// Arguments of a call.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub shape: &'static [usize],
    pub balance: Balance,
    pub kind: Kind,
}

/// Planes shorter and longer than a chunk and than a block's chunks, planes that start unaligned,
/// groups of several planes, no pixels at all; logits that are not finite, groups without
/// positives, without negatives and without any pixel that counts.
pub const CASES: [Case; 15] = [
    case(&[1, 1], Balance::Image, Kind::Bell),
    case(&[1, 31], Balance::Image, Kind::Edges),
    case(&[3, 33], Balance::Image, Kind::Edges),
    case(&[1, 2049], Balance::Image, Kind::Edges),
    case(&[7, 1, 2047], Balance::Image, Kind::Bell),
    case(&[2, 3, 61, 67], Balance::Sample, Kind::Edges),
    case(&[2, 3, 61, 67], Balance::Channel, Kind::Bell),
    case(&[2, 3, 61, 67], Balance::Batch, Kind::Edges),
    case(&[0, 3, 4, 5], Balance::Sample, Kind::Bell),
    case(&[4, 256, 256], Balance::Image, Kind::Bell),
    case(&[1, 700_001], Balance::Image, Kind::Edges),
    case(&[1, 2049], Balance::Image, Kind::Infinite),
    case(&[2, 3, 61, 67], Balance::Sample, Kind::NotANumber),
    case(&[2, 3, 61, 67], Balance::Image, Kind::OneClass),
    case(&[1, 1], Balance::Image, Kind::OneClass),
];

const fn case(shape: &'static [usize], balance: Balance, kind: Kind) -> Case {
    Case { shape, balance, kind }
}

impl Case {
    /// The random source of its draws: a key and a stream that need all their bits.
    pub fn random(&self) -> Random {
        let pixels = self.shape.iter().product::<usize>() as u64;
        Random { seed: (1 << 40) + pixels, stream: (3 << 33) + pixels }
    }
}

/// The results of a case, bits as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// The loss, its schedule and the types it was compiled for.
    pub subject: String,
    shape: Vec<usize>,
    balance: Balance,
    kind: Kind,
    loss: String,
    groups: Vec<Group>,
    gradient: Gradient,
    /// Result of the backward direction alone.
    scaled_gradient: Gradient,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    name: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Gradient {
    sha256: String,
    /// The first bytes of each piece's SHA-256.
    pieces: Vec<String>,
    /// Each piece's first pixel.
    samples: Vec<String>,
}

/// Results of a case.
pub struct Found {
    pub loss: f32,
    pub groups: Vec<GroupResult>,
    pub gradient: Tensor,
    /// Result of the backward direction alone.
    pub scaled_gradient: Tensor,
}

impl Found {
    /// Runs a case in every direction.
    pub fn of(subject: &Subject, executor: &mut dyn Executor, case: &Case) -> Result<Self, Failure> {
        let pixels = subject.pixels(case.shape, case.kind)?;
        let views = pixels.views();
        let call = Call { balance: case.balance, random: case.random(), ..Call::new(&views) };
        let (both, gradient) = executor.forward_backward(&call)?;
        let scaled_gradient = backward_alone(executor, &call, &both)?;
        let [gradient, scaled_gradient] = [only(gradient)?, only(scaled_gradient)?];
        for found in [&gradient, &scaled_gradient] {
            if (found.element_type(), found.shape()) != (views[0].element_type(), case.shape) {
                let (element, shape) = (found.element_type(), found.shape());
                return Err(
                    format!("the gradient is {shape:?} of {element}, which the logits are not").into()
                );
            }
        }
        Ok(Self { loss: both.loss, groups: both.groups, gradient, scaled_gradient })
    }
}

impl Golden {
    /// Runs a case in every direction.
    pub fn of(subject: &Subject, executor: &mut dyn Executor, case: &Case) -> Result<Self, Failure> {
        let found = Found::of(subject, executor, case)?;
        Ok(Self {
            subject: subject.name.clone(),
            shape: case.shape.to_vec(),
            balance: case.balance,
            kind: case.kind,
            loss: bits(found.loss),
            groups: Group::all(&found.groups),
            gradient: Gradient::of(&found.gradient),
            scaled_gradient: Gradient::of(&found.scaled_gradient),
        })
    }

    /// Returns whether these are the results of `case`.
    pub fn is_of(&self, case: &Case) -> bool {
        self.shape == case.shape && self.balance == case.balance && self.kind == case.kind
    }

    /// Reports the first difference of each kind from `found`.
    pub fn compare(&self, found: &Self) -> Result<(), Failure> {
        if self == found {
            return Ok(());
        }
        let mut message = format!("{:?} by {}, {:?}:", self.shape, self.balance, self.kind);
        difference(&mut message, "loss", &self.loss, &found.loss);
        let names =
            |golden: &Self| golden.groups.iter().map(|it| it.name.clone()).collect::<Vec<_>>().join(", ");
        difference(&mut message, "the list of results", &names(self), &names(found));
        for (expected, found) in self.groups.iter().zip(&found.groups) {
            differences(&mut message, &expected.name, &expected.values, &found.values);
        }
        for (name, expected, found) in [
            ("gradient", &self.gradient, &found.gradient),
            ("backward's gradient", &self.scaled_gradient, &found.scaled_gradient),
        ] {
            expected.difference(&mut message, name, found);
        }
        Err(message.into())
    }
}

/// Computes the gradient from residuals, after a forward call that must agree with the joint one.
fn backward_alone(
    executor: &mut dyn Executor,
    call: &Call<'_>,
    both: &Outcome,
) -> Result<Vec<Tensor>, Failure> {
    let forward = executor.forward(call)?;
    let is_same =
        bits(forward.loss) == bits(both.loss) && Group::all(&forward.groups) == Group::all(&both.groups);
    if !is_same {
        let message = format!("forward alone gives {}, with backward {}", forward.loss, both.loss);
        return Err(message.into());
    }
    Ok(executor.backward(call.pixels, &forward.residuals, UPSTREAM)?)
}

/// The gradient with respect to the logits, the only one that losses have here.
pub fn only(gradients: Vec<Tensor>) -> Result<Tensor, Failure> {
    let [gradient] = <[Tensor; 1]>::try_from(gradients)
        .map_err(|gradients| format!("{} gradients, one is expected", gradients.len()))?;
    Ok(gradient)
}

impl Group {
    fn all(results: &[GroupResult]) -> Vec<Self> {
        results.iter().map(Self::of).collect()
    }

    fn of(result: &GroupResult) -> Self {
        let values = match &result.values {
            GroupValues::Float(values) => values.iter().map(|&value| bits(value)).collect(),
            GroupValues::Count(values) => values.iter().map(ToString::to_string).collect(),
        };
        Self { name: result.name.clone(), values }
    }
}

impl Gradient {
    fn of(gradient: &Tensor) -> Self {
        let bytes = with_one_nan(gradient);
        let size = gradient.element_type().size();
        let pieces = || bytes.chunks(piece_pixels(bytes.len() / size) * size);
        Self {
            sha256: hex(&Sha256::digest(&bytes)),
            pieces: pieces().map(|piece| hex(&Sha256::digest(piece)[..4])).collect(),
            samples: pieces().map(|piece| number(&piece[..size])).collect(),
        }
    }

    fn difference(&self, message: &mut String, name: &str, found: &Self) {
        difference(message, &format!("{name}'s SHA-256"), &self.sha256, &found.sha256);
        let differ = |(_, (expected, found)): &(usize, (&String, &String))| expected != found;
        let pieces = self.pieces.iter().zip(&found.pieces).enumerate().filter(differ);
        let pieces: Vec<_> = pieces.map(|(piece, _)| piece.to_string()).collect();
        if !pieces.is_empty() {
            let _ = write!(message, " {name} differs in pieces {} of {PIECES};", pieces.join(", "));
        }
        let mut samples = self.samples.iter().zip(&found.samples).enumerate().filter(differ);
        if let Some((piece, (expected, found))) = samples.next() {
            difference(message, &format!("the first pixel of piece {piece}"), expected, found);
        }
        for (what, expected, found) in
            [("pieces", &self.pieces, &found.pieces), ("first pixels", &self.samples, &found.samples)]
        {
            let [expected, found] = [expected, found].map(|list| list.len().to_string());
            difference(message, &format!("{name}'s number of {what}"), &expected, &found);
        }
    }
}

/// Pixels per piece: a sixteenth of all, at least one.
fn piece_pixels(count: usize) -> usize {
    count.div_ceil(PIECES).max(1)
}

fn difference(message: &mut String, name: &str, expected: &str, found: &str) {
    if expected != found {
        let _ = write!(message, " {name} is {found}, expected {expected};");
    }
}

/// Appends the differences of two lists, also in length, to the message.
fn differences(message: &mut String, name: &str, expected: &[String], found: &[String]) {
    for index in 0..expected.len().max(found.len()) {
        let [expected, found] =
            [expected, found].map(|values| values.get(index).map_or("missing", String::as_str));
        difference(message, &format!("{name}[{index}]"), expected, found);
    }
}

fn bits(value: f32) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{:08x}", value.to_bits()) }
}

/// The bytes of a tensor with all NaNs made the same: the bits of a NaN depend on the machine.
fn with_one_nan(tensor: &Tensor) -> Vec<u8> {
    let mut bytes = tensor.bytes().to_vec();
    let (size, infinity) = match tensor.element_type() {
        ElementType::F32 => (4, 0x7f80_0000),
        ElementType::F16 => (2, 0x7c00),
        ElementType::Bf16 => (2, 0x7f80),
        _ => return bytes,
    };
    let magnitude = u32::MAX >> (33 - 8 * size);
    for element in bytes.chunks_mut(size) {
        let bits = element.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        if bits & magnitude > infinity {
            element.fill(POISON);
        }
    }
    bytes
}

/// The bits of a number in hexadecimal, highest digit first.
fn number(little_endian: &[u8]) -> String {
    let bytes: Vec<_> = little_endian.iter().rev().copied().collect();
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests;
