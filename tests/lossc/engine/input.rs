//! Inputs of a call, as bytes for executors and as numbers for interpreters.

use std::sync::Arc;

use half::{bf16, f16};
use lossc::{Balance, ElementType, Tensor, TensorView};
use lossc_programs::evaluate::{Draws, Sample, Seen};

use super::case::Choices;
use crate::data::group_of_plane;
use crate::reference::uniform;

/// The tensors and options of a call. The pixels have values that their types can hold.
#[derive(Clone, Debug)]
pub struct Input {
    pub shape: Vec<usize>,
    pub logits: Vec<f64>,
    pub labels: Vec<i64>,
    /// One per pixel, or none at all.
    pub weights: Vec<f64>,
    pub logit_type: ElementType,
    pub label_type: ElementType,
    /// True if tensors start where no vector may.
    pub is_misaligned: bool,
    pub balance: Balance,
    pub seed: u64,
    pub stream: u64,
    pub upstream: f32,
    /// Scalars of the loss that differ from their defaults.
    pub scalars: Vec<(String, f32)>,
}

/// `value` as stored in a tensor of `element`.
pub fn stored(value: f64, element: ElementType) -> f64 {
    match element {
        ElementType::F32 => f64::from(value as f32),
        ElementType::F16 => f64::from(f16::from_f32(value as f32)),
        ElementType::Bf16 => f64::from(bf16::from_f32(value as f32)),
        _ => value,
    }
}

fn encode(value: f64, element: ElementType) -> Vec<u8> {
    match element {
        ElementType::F32 => (value as f32).to_le_bytes().to_vec(),
        ElementType::F16 => f16::from_f32(value as f32).to_le_bytes().to_vec(),
        ElementType::Bf16 => bf16::from_f32(value as f32).to_le_bytes().to_vec(),
        ElementType::I32 => (value as i32).to_le_bytes().to_vec(),
        ElementType::I64 => (value as i64).to_le_bytes().to_vec(),
        ElementType::U8 | ElementType::Bool => vec![value as u8],
    }
}

/// The values of a tensor's bytes.
pub fn decode(bytes: &[u8], element: ElementType) -> Vec<f64> {
    let value = |bytes: &[u8]| match (element, bytes) {
        (ElementType::F16, &[a, b]) => f64::from(f16::from_le_bytes([a, b])),
        (ElementType::Bf16, &[a, b]) => f64::from(bf16::from_le_bytes([a, b])),
        (_, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
        _ => panic!("a gradient is stored as floats"),
    };
    bytes.chunks(element.size()).map(value).collect()
}

/// Tensors that a call borrows.
pub struct Tensors {
    shape: Vec<usize>,
    tensors: Vec<Tensor>,
    offset: usize,
}

impl Tensors {
    /// A view of each.
    pub fn views(&self) -> Vec<TensorView<'_>> {
        self.tensors.iter().map(|tensor| self.view(tensor)).collect()
    }

    fn view<'a>(&self, tensor: &'a Tensor) -> TensorView<'a> {
        let element = tensor.element_type();
        let bytes = &tensor.bytes()[self.offset * element.size()..];
        TensorView::from_bytes(element, &self.shape, bytes).expect("bytes that fit the shape")
    }
}

impl Input {
    /// The number of pixels.
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// The types of the tensors.
    pub fn types(&self) -> Vec<ElementType> {
        let weights = (!self.weights.is_empty()).then_some(ElementType::F32);
        [self.logit_type, self.label_type].into_iter().chain(weights).collect()
    }

    fn pixels(&self) -> Vec<Vec<f64>> {
        let labels = self.labels.iter().map(|&label| label as f64).collect();
        let mut pixels = vec![self.logits.clone(), labels];
        if !self.weights.is_empty() {
            pixels.push(self.weights.clone());
        }
        pixels
    }

    /// The tensors in memory.
    pub fn tensors(&self) -> Tensors {
        let offset = usize::from(self.is_misaligned);
        let tensor = |(values, element): (Vec<f64>, ElementType)| {
            let mut bytes = vec![0; offset * element.size()];
            bytes.extend(values.into_iter().flat_map(|value| encode(value, element)));
            let count = bytes.len() / element.size();
            Tensor::from_bytes(element, &[1, count], &bytes).expect("bytes of a tensor")
        };
        let tensors = self.pixels().into_iter().zip(self.types()).map(tensor).collect();
        Tensors { shape: self.shape.clone(), tensors, offset }
    }

    /// The scalars of a program with these arguments, `upstream` last.
    fn numbers(&self, program: &lossc::Program) -> Vec<f64> {
        let number = |argument: &lossc_dialect::Argument| {
            let set = self.scalars.iter().find(|(name, _)| *name == argument.name).map(|(_, value)| *value);
            let upstream = (argument.name == "upstream").then_some(self.upstream);
            f64::from(upstream.or(set).or(argument.default).unwrap_or(0.0))
        };
        program.scalar_arguments().map(|(_, argument)| number(argument)).collect()
    }

    /// The call as interpreters of `program` take it; it has as many tensors.
    pub fn sample(&self, program: &lossc::Program) -> Sample {
        let (plane_group, groups) = group_of_plane(&self.shape, self.balance);
        let mut pixels = self.pixels();
        pixels.truncate(program.pixel_arguments().count());
        let (seed, stream) = (self.seed, self.stream);
        Sample {
            plane_length: self.shape[self.shape.len() - 2..].iter().product(),
            plane_group,
            groups,
            pixels,
            scalars: self.numbers(program),
            draws: Draws(Arc::new(move |index| uniform(seed, stream, index))),
            seen: Seen::default(),
        }
    }

    /// The same with the options in the sample, for a program compiled without them.
    pub fn sample_with(&self, program: &lossc::Program, choices: &Choices) -> Sample {
        let ignored = self.labels.iter().map(|&label| choices.ignore_index == Some(label)).collect();
        let seen = Seen { ignored, weights: self.weights.clone(), mean: choices.mean };
        Sample { seen, ..self.sample(program) }
    }

    /// Labels that are neither a class nor ignored.
    pub fn invalid_labels(&self, choices: &Choices) -> i64 {
        let valid = |label: i64| label == 0 || label == 1 || choices.ignore_index == Some(label);
        self.labels.iter().filter(|&&label| !valid(label)).count() as i64
    }

    /// NaN logits at pixels that are not ignored.
    pub fn nan_logits(&self, choices: &Choices) -> i64 {
        let seen = |&(logit, label): &(&f64, &i64)| logit.is_nan() && choices.ignore_index != Some(*label);
        self.logits.iter().zip(&self.labels).filter(seen).count() as i64
    }
}
