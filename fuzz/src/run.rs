//! Small losses, compiled and compared with the interpreter.

use half::{bf16, f16};
use lossc::pipeline;
use lossc::{
    Cache, Compiler, ElementType, Error, GroupValues, Loss, Options, Program, Step, Target, Tensor,
    TensorView,
};
use lossc_dialect::interpret::{self, Inputs, Precision};
use lossc_dialect::program::{GRADIENT, LOSS};
use lossc_dialect::{Element, text};
use lossc_runtime::philox;

/// Two planes, whose lengths are not multiples of a vector's.
const SHAPE: [usize; 3] = [2, 1, 7];
const PLANES: usize = SHAPE[0];
const PIXELS: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];

/// Values of float tensors, each tensor starting at another one.
const FLOATS: [f32; 11] = [0.5, -2.25, 100.0, 0.0, -0.0, 1.0, -90.5, f32::INFINITY, 1e-40, f32::NAN, -3.4e38];

/// A pixel of tensor `index`: 0 or 1 in the second tensor and in those of integers, as in labels.
fn pixel(index: usize, is_float: bool, place: usize) -> f32 {
    match (index, is_float) {
        (1, _) | (_, false) => f32::from(u8::from((place + index).is_multiple_of(3))),
        (_, true) => FLOATS[(place + 3 * index) % FLOATS.len()],
    }
}

/// The results of `program` on the sample, each one value per pixel, group or call.
pub fn interpret(program: &Program, precision: Precision) -> Vec<Vec<f64>> {
    let pixels = program.pixel_arguments().enumerate().map(|(index, (_, argument))| {
        let element = argument.ty.element;
        (0..PIXELS).map(|place| stored(element, pixel(index, element.is_float(), place))).collect()
    });
    let scalars = program.scalar_arguments().map(|(_, argument)| argument.default.unwrap_or_default().into());
    let inputs = Inputs {
        plane_group: &[0, 1],
        groups: PLANES,
        plane_length: PIXELS / PLANES,
        pixels: &pixels.collect::<Vec<_>>(),
        scalars: &scalars.collect::<Vec<_>>(),
        uniform: &|index| philox::uniform(0, 0, index),
    };
    interpret::interpret(program, &inputs, precision)
}

/// A value as stored in a tensor.
fn stored(element: Element, value: f32) -> f64 {
    match element {
        Element::F16 => f16::from_f32(value).into(),
        Element::Bf16 => bf16::from_f32(value).into(),
        _ => value.into(),
    }
}

fn tensor(index: usize, element: Element) -> Tensor {
    macro_rules! of {
        ($convert:expr) => {{
            let value = |place| $convert(pixel(index, element.is_float(), place));
            Tensor::from_slice(&SHAPE, &(0..PIXELS).map(value).collect::<Vec<_>>())
        }};
    }
    let tensor = match element {
        Element::F32 => of!(f32::from),
        Element::F16 => of!(f16::from_f32),
        Element::Bf16 => of!(bf16::from_f32),
        Element::U8 => of!(|value| value as u8),
        Element::Mask => of!(|value| value == 1.0),
        Element::I32 => of!(|value| value as i32),
        Element::I64 => of!(|value| value as i64),
    };
    tensor.expect("as many pixels as the shape says")
}

/// Generates a GPU's code for `program`. Returns whether there is any.
pub fn on_a_gpu(program: &Program) -> bool {
    let gpu = "sm_90".parse().expect("a known target");
    let code = pipeline::compile(program, &pipeline::Options::default(), &gpu);
    code.map_err(|error| is_no_fault(&error, program)).is_ok()
}

/// Runs `program` on this machine, and compares its results with the meaning of `optimised`, which
/// was made of it. Returns whether it has code.
pub fn here(program: &Program, optimised: &Program) -> bool {
    let step = step(program).map_err(|error| is_no_fault(&error, program));
    step.map(|step| is_the_meaning(&step, optimised)).is_ok()
}

/// Panics on an error of lossc itself: a program that was lowered must have code.
fn is_no_fault(error: &Error, program: &Program) {
    assert!(!matches!(error, Error::Codegen(_) | Error::Pass { .. }), "{error}\n{}", text::print(program));
}

/// The loss and its gradient on the sample.
fn step(program: &Program) -> Result<Step, Error> {
    let compiler = Compiler::new(Target::host()?).cache(Cache::off());
    let compiled = compiler.compile(&Loss::from_program(program.clone()))?;
    let elements = program.pixel_arguments().map(|(_, argument)| argument.ty.element).enumerate();
    let tensors: Vec<_> = elements.map(|(index, element)| tensor(index, element)).collect();
    let views: Vec<TensorView<'_>> = tensors.iter().map(Tensor::view).collect();
    compiled.forward_backward_of(&views, &Options::default())
}

/// Checks that a step has the bits of the exact interpreter; of a NaN, any.
fn is_the_meaning(step: &Step, optimised: &Program) {
    let same =
        |(one, other): (&f64, &f64)| one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan();
    for (result, meant) in optimised.results().iter().zip(interpret(optimised, Precision::Exact)) {
        let Some(found) = result_of(step, &result.name) else { continue };
        let equal = found.len() == meant.len() && found.iter().zip(&meant).all(same);
        assert!(equal, "{}: {found:?} is not {meant:?} of\n{}", result.name, text::print(optimised));
    }
}

/// The values of a step's result, except those that count invalid input.
fn result_of(step: &Step, name: &str) -> Option<Vec<f64>> {
    let gradient = || {
        let as_floats = match step.gradient.element_type() {
            ElementType::F16 => step.gradient.to_array::<f16>().map(|array| array.mapv(f32::from)),
            ElementType::Bf16 => step.gradient.to_array::<bf16>().map(|array| array.mapv(f32::from)),
            _ => step.gradient.to_array::<f32>(),
        };
        as_floats.expect("a float a pixel").into_iter().map(f64::from).collect()
    };
    match name {
        LOSS => Some(vec![step.loss.into()]),
        GRADIENT => Some(gradient()),
        name => step.groups.iter().find(|group| group.name == name).map(|group| match &group.values {
            GroupValues::Float(values) => values.iter().copied().map(f64::from).collect(),
            GroupValues::Count(counts) => counts.iter().map(|&count| count as f64).collect(),
        }),
    }
}
