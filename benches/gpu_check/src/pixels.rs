//! The inputs of every check. They depend on shape and kind alone, by operations that are exact
//! everywhere: no data is packed, and both sides have the same bits.

use half::{bf16, f16};
use lossc_runtime::manifest::Manifest;
use lossc_runtime::philox::{self, word_to_uniform};
use lossc_runtime::rayon::prelude::*;
use lossc_runtime::{ElementType, Tensor, TensorView};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// The key that inputs are drawn with; calls draw with others.
const SEED: u64 = 0x1055_c0de;

/// One pixel in so many is positive, besides a square now and then.
const PIXELS_PER_POSITIVE: u32 = 16;

/// One pixel in so many is ignored, if a label is.
const PIXELS_PER_IGNORED: u32 = 8;

/// Logits at which exp and log1p saturate, round to zero, or cancel.
const EDGES: [f32; 14] =
    [0.0, -0.0, 1e-40, -1e-40, 1e-8, -1e-8, 16.7, -16.7, 88.8, -88.8, 104.0, -104.0, 1e4, -1e4];

/// Kinds of logits and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Around -4 with a standard deviation of 2, as a detector of small lesions computes them.
    Bell,
    /// The same, but every third is one of [`EDGES`].
    Edges,
    /// Like edges, but one in 24 is infinite.
    Infinite,
    /// Like infinite, but NaN replaces infinity in the last third of the pixels.
    NotANumber,
    /// The first third of the pixels has no positive, the second only positives; the last only the
    /// ignored label, or no positive if there is none.
    OneClass,
}

/// The pixel inputs of a call, in the manifest's order.
pub struct Pixels {
    tensors: Vec<Tensor>,
}

impl Pixels {
    /// Inputs of `shape` for a loss that takes logits and labels, and ignores pixels with the label
    /// `ignored`.
    pub fn new(
        manifest: &Manifest,
        shape: &[usize],
        kind: Kind,
        ignored: Option<u8>,
    ) -> Result<Self, Failure> {
        let inputs = manifest.pixel_inputs.iter();
        let image = Image {
            width: shape.last().copied().unwrap_or(1) as u64,
            pixels: shape.iter().product::<usize>() as u64,
            kind,
            ignored,
        };
        let tensor = |element: ElementType| match element.is_float() {
            true => image.logits(element, shape),
            false => image.labels(element, shape),
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

/// Source of a pixel's inputs, besides its number.
struct Image {
    width: u64,
    pixels: u64,
    kind: Kind,
    ignored: Option<u8>,
}

impl Image {
    fn logits(&self, element: ElementType, shape: &[usize]) -> Result<Tensor, Failure> {
        Ok(match element {
            ElementType::F16 => {
                Tensor::from_slice(shape, &self.fill(|index| f16::from_f32(self.logit(index))))?
            }
            ElementType::Bf16 => {
                Tensor::from_slice(shape, &self.fill(|index| bf16::from_f32(self.logit(index))))?
            }
            _ => Tensor::from_slice(shape, &self.fill(|index| self.logit(index)))?,
        })
    }

    fn labels(&self, element: ElementType, shape: &[usize]) -> Result<Tensor, Failure> {
        match element {
            ElementType::U8 => Ok(Tensor::from_slice(shape, &self.fill(|index| self.label(index)))?),
            other => Err(format!("there are no labels of {other} here").into()),
        }
    }

    fn fill<T: Send>(&self, value: impl Fn(u64) -> T + Sync + Send) -> Vec<T> {
        (0..self.pixels).into_par_iter().map(value).collect()
    }

    /// A logit from three uniform numbers: their sum has a nearly normal distribution, and needs no
    /// function that a libm could round differently.
    fn logit(&self, index: u64) -> f32 {
        let words = philox::block(SEED, 0, index);
        let is_bell = matches!(self.kind, Kind::Bell | Kind::OneClass);
        if !is_bell && words[3].is_multiple_of(3) {
            let is_finite = self.kind == Kind::Edges || !words[1].is_multiple_of(8);
            return match (is_finite, words[2].is_multiple_of(2)) {
                (true, _) => EDGES[words[2] as usize % EDGES.len()],
                _ if self.kind == Kind::NotANumber && self.third(index) == 2 => f32::NAN,
                (false, true) => f32::INFINITY,
                (false, false) => f32::NEG_INFINITY,
            };
        }
        let [a, b, c, _] = words.map(word_to_uniform);
        (a + b + c - 1.5) * 4.0 - 4.0
    }

    fn label(&self, index: u64) -> u8 {
        let words = philox::block(SEED, 1, index);
        let (row, column) = (index / self.width, index % self.width);
        let in_square = row % 128 < 8 && column % 256 < 8;
        let is_positive = in_square || words[0].is_multiple_of(PIXELS_PER_POSITIVE);
        match (self.kind, self.ignored) {
            (Kind::OneClass, ignored) => [0, 1, ignored.unwrap_or(0)][self.third(index)],
            (_, Some(ignored)) if words[1].is_multiple_of(PIXELS_PER_IGNORED) => ignored,
            _ => u8::from(is_positive),
        }
    }

    /// The pixel's third of the image: 0, 1 or 2.
    fn third(&self, index: u64) -> usize {
        (3 * index / self.pixels) as usize
    }
}
