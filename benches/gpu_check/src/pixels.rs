//! The inputs of every check: a function of shape and kind alone, in operations
//! that are exact everywhere, so that no data is packed and both sides have the
//! same bits.

use half::{bf16, f16};
use lossc_runtime::manifest::Manifest;
use lossc_runtime::philox::{self, word_to_uniform};
use lossc_runtime::rayon::prelude::*;
use lossc_runtime::{ElementType, Tensor, TensorView};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// The key that inputs are drawn with; calls draw with others.
const SEED: u64 = 0x1055_c0de;

/// Of so many pixels one is positive, and besides them a square now and then.
const PIXELS_PER_POSITIVE: u32 = 16;

/// Logits where exp and log1p saturate, round to zero, or cancel.
const EDGES: [f32; 14] =
    [0.0, -0.0, 1e-40, -1e-40, 1e-8, -1e-8, 16.7, -16.7, 88.8, -88.8, 104.0, -104.0, 1e4, -1e4];

/// What logits look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Around -4 with a standard deviation of 2, as a detector of small lesions
    /// makes them.
    Bell,
    /// The same, but every third is one of [`EDGES`].
    Edges,
}

/// The pixel inputs of a call, in the manifest's order.
pub struct Pixels {
    tensors: Vec<Tensor>,
}

impl Pixels {
    /// Inputs of `shape` for a loss that takes logits and labels.
    pub fn new(manifest: &Manifest, shape: &[usize], kind: Kind) -> Result<Self, Failure> {
        let inputs = manifest.pixel_inputs.iter();
        let tensor = |element: ElementType| match element.is_float() {
            true => logits(element, shape, kind),
            false => labels(element, shape),
        };
        let tensors = inputs.map(|input| tensor(input.element)).collect::<Result<_, _>>()?;
        Ok(Self { tensors })
    }

    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    pub fn views(&self) -> Vec<TensorView<'_>> {
        self.tensors.iter().map(Tensor::view).collect()
    }
}

fn logits(element: ElementType, shape: &[usize], kind: Kind) -> Result<Tensor, Failure> {
    let value = |index| logit(index, kind);
    Ok(match element {
        ElementType::F16 => Tensor::from_slice(shape, &fill(shape, |index| f16::from_f32(value(index))))?,
        ElementType::Bf16 => Tensor::from_slice(shape, &fill(shape, |index| bf16::from_f32(value(index))))?,
        _ => Tensor::from_slice(shape, &fill(shape, value))?,
    })
}

fn labels(element: ElementType, shape: &[usize]) -> Result<Tensor, Failure> {
    let width = shape.last().copied().unwrap_or(1) as u64;
    let value = |index| label(index, width);
    match element {
        ElementType::U8 => Ok(Tensor::from_slice(shape, &fill(shape, |index| u8::from(value(index))))?),
        other => Err(format!("there are no labels of {other} here").into()),
    }
}

fn fill<T: Send>(shape: &[usize], value: impl Fn(u64) -> T + Sync + Send) -> Vec<T> {
    let count = shape.iter().product::<usize>() as u64;
    (0..count).into_par_iter().map(value).collect()
}

/// Three uniform numbers have a sum of nearly normal distribution, and need no
/// function that a libm could round differently.
fn logit(index: u64, kind: Kind) -> f32 {
    let words = philox::block(SEED, 0, index);
    if kind == Kind::Edges && words[3].is_multiple_of(3) {
        return EDGES[words[2] as usize % EDGES.len()];
    }
    let [a, b, c, _] = words.map(word_to_uniform);
    (a + b + c - 1.5) * 4.0 - 4.0
}

fn label(index: u64, width: u64) -> bool {
    let (row, column) = (index / width, index % width);
    let in_square = row % 128 < 8 && column % 256 < 8;
    in_square || philox::block(SEED, 1, index)[0].is_multiple_of(PIXELS_PER_POSITIVE)
}
