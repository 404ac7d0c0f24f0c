//! What a loss gives for a case, in few enough bytes to keep, and the comparison
//! with what is found elsewhere.

use std::fmt::Write as _;

use lossc_runtime::{Balance, Call, Executor, GroupResult, GroupValues, Outcome, Random, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Failure;
use crate::pixels::{Kind, Pixels};

/// Parts that a gradient is hashed in, to tell where a difference is.
const PIECES: usize = 16;

/// What the backward direction is given where it runs on its own.
const UPSTREAM: f32 = -0.375;

/// Arguments of a call.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub shape: &'static [usize],
    pub balance: Balance,
    pub kind: Kind,
}

/// Rows shorter and longer than a chunk and than a block's chunks, rows that start
/// unaligned, groups of several rows, no pixels at all.
pub const CASES: [Case; 11] = [
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
];

const fn case(shape: &'static [usize], balance: Balance, kind: Kind) -> Case {
    Case { shape, balance, kind }
}

impl Case {
    /// Where its draws come from: a key and a stream that need all their bits.
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
    /// By the backward direction alone.
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

/// What a case gives.
pub struct Found {
    pub loss: f32,
    pub groups: Vec<GroupResult>,
    /// As many as the loss has: one.
    pub gradient: Vec<Tensor>,
    /// By the backward direction alone.
    pub scaled_gradient: Vec<Tensor>,
}

impl Found {
    /// Runs a case in every direction.
    pub fn of(executor: &mut dyn Executor, case: &Case) -> Result<Self, Failure> {
        let pixels = Pixels::new(executor.manifest(), case.shape, case.kind)?;
        let views = pixels.views();
        let call = Call { balance: case.balance, random: case.random(), ..Call::new(&views) };
        let (both, gradient) = executor.forward_backward(&call)?;
        let scaled_gradient = backward_alone(executor, &call, &both)?;
        Ok(Self { loss: both.loss, groups: both.groups, gradient, scaled_gradient })
    }
}

impl Golden {
    /// Runs a case in every direction.
    pub fn of(subject: &str, executor: &mut dyn Executor, case: &Case) -> Result<Self, Failure> {
        let found = Found::of(executor, case)?;
        Ok(Self {
            subject: subject.to_owned(),
            shape: case.shape.to_vec(),
            balance: case.balance,
            kind: case.kind,
            loss: bits(found.loss),
            groups: found.groups.iter().map(Group::of).collect(),
            gradient: Gradient::of(&found.gradient),
            scaled_gradient: Gradient::of(&found.scaled_gradient),
        })
    }

    /// Whether it is of this case.
    pub fn is_of(&self, case: &Case) -> bool {
        self.shape == case.shape && self.balance == case.balance && self.kind == case.kind
    }

    /// What differs in `found`, the first thing of each kind.
    pub fn compare(&self, found: &Self) -> Result<(), Failure> {
        if self == found {
            return Ok(());
        }
        let mut message = format!("{:?} by {}:", self.shape, self.balance);
        difference(&mut message, "loss", &self.loss, &found.loss);
        for (expected, found) in self.groups.iter().zip(&found.groups) {
            for (group, values) in expected.values.iter().zip(&found.values).enumerate() {
                difference(&mut message, &format!("{}[{group}]", expected.name), values.0, values.1);
            }
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

/// The gradient by way of residuals, after a forward call that must agree with
/// the joint one.
fn backward_alone(
    executor: &mut dyn Executor,
    call: &Call<'_>,
    both: &Outcome,
) -> Result<Vec<Tensor>, Failure> {
    let forward = executor.forward(call)?;
    if forward.loss.to_bits() != both.loss.to_bits() || forward.groups != both.groups {
        let message = format!("forward alone gives {}, with backward {}", forward.loss, both.loss);
        return Err(message.into());
    }
    Ok(executor.backward(call.pixels, &forward.residuals, UPSTREAM)?)
}

impl Group {
    fn of(result: &GroupResult) -> Self {
        let values = match &result.values {
            GroupValues::Float(values) => values.iter().map(|&value| bits(value)).collect(),
            GroupValues::Count(values) => values.iter().map(ToString::to_string).collect(),
        };
        Self { name: result.name.clone(), values }
    }
}

impl Gradient {
    fn of(gradients: &[Tensor]) -> Self {
        let bytes = gradients.first().map_or(&[][..], Tensor::bytes);
        let size = gradients.first().map_or(1, |gradient| gradient.element_type().size());
        let pieces = || bytes.chunks(piece_pixels(bytes.len() / size) * size);
        Self {
            sha256: hex(&Sha256::digest(bytes)),
            pieces: pieces().map(|piece| hex(&Sha256::digest(piece)[..4])).collect(),
            samples: pieces().map(|piece| number(&piece[..size])).collect(),
        }
    }

    fn difference(&self, message: &mut String, name: &str, found: &Self) {
        if self == found {
            return;
        }
        let differ = |(_, (expected, found)): &(usize, (&String, &String))| expected != found;
        let pieces = self.pieces.iter().zip(&found.pieces).enumerate().filter(differ);
        let pieces: Vec<_> = pieces.map(|(piece, _)| piece.to_string()).collect();
        let _ = write!(message, " {name} differs in pieces {} of {PIECES};", pieces.join(", "));
        let mut samples = self.samples.iter().zip(&found.samples).enumerate().filter(differ);
        if let Some((piece, (expected, found))) = samples.next() {
            difference(message, &format!("the first pixel of piece {piece}"), expected, found);
        }
    }
}

/// Pixels of a piece: a sixteenth of all, and never none.
fn piece_pixels(count: usize) -> usize {
    count.div_ceil(PIECES).max(1)
}

fn difference(message: &mut String, name: &str, expected: &str, found: &str) {
    if expected != found {
        let _ = write!(message, " {name} is {found}, expected {expected};");
    }
}

fn bits(value: f32) -> String {
    format!("{:08x}", value.to_bits())
}

/// A number's bits, highest digit first.
fn number(little_endian: &[u8]) -> String {
    let bytes: Vec<_> = little_endian.iter().rev().copied().collect();
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
