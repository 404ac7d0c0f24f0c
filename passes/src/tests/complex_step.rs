//! Derivatives by the complex step: `f'(x) = Im f(x + ih) / h`, for an `h` whose square is
//! negligible. No two nearby numbers are subtracted, so the only error is the rounding of the
//! function itself.

use lossc_dialect::interpret::{Precision, interpret};
use lossc_dialect::ops::{Derivative, OpDefinition, table};
use lossc_dialect::{Builder, Element, Level, Program, Type};
use lossc_programs::evaluate::{Sample, evaluate};

use super::complex::Complexes;
use super::programs;
use crate::differentiate::differentiate;
use crate::stabilise::stabilise;

const STEP: f64 = 1e-100;

/// One group of `logits` and `labels`.
fn sample(logits: Vec<f64>, labels: Vec<f64>) -> Sample {
    Sample {
        plane_group: vec![0],
        groups: 1,
        plane_length: logits.len(),
        pixels: vec![logits, labels],
        ..Sample::default()
    }
}

/// The slope of the loss by each logit.
fn slopes(program: &Program, sample: &Sample) -> Vec<f64> {
    let slope = |index: usize| {
        let mut arguments = sample.arguments(&Complexes);
        arguments[0][index].im = STEP;
        evaluate(&Complexes, program, sample, &arguments)[0][0].im / STEP
    };
    (0..sample.pixels[0].len()).map(slope).collect()
}

/// The largest difference between the program's gradient and the slope, relative to the slope's
/// size.
fn error(program: &Program, sample: &Sample) -> f64 {
    let gradient = differentiate(program).expect("the loss has a gradient");
    let with_upstream = Sample { scalars: vec![1.0], ..sample.clone() };
    let found = interpret(&gradient, &with_upstream.inputs(), Precision::Real).pop().expect("a gradient");
    let error = |(found, slope): (&f64, f64)| (found - slope).abs() / slope.abs().max(1e-3);
    found.iter().zip(slopes(program, sample)).map(error).fold(0.0, f64::max)
}

/// The sum over pixels of `op`, by operand `index`, with `others` as the other operands.
fn program_of(definition: &OpDefinition, index: usize, others: f32) -> Program {
    let mut builder = Builder::new(definition.mnemonic);
    let logits = builder.pixel_argument("logit", Element::F32);
    builder.pixel_argument("label", Element::F32);
    let other = builder.constant(others, Level::Pixel);
    let operands: Vec<_> =
        (0..definition.operands.len()).map(|it| if it == index { logits } else { other }).collect();
    let value = builder.op(definition.op, &operands, Type::PIXEL);
    let sum = builder.sum(value);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss)]).expect("well typed")
}

#[test]
fn every_partial_derivative_is_the_complex_step() {
    for definition in table().filter(|it| matches!(it.derivative, Derivative::Partials(_))) {
        for (index, others) in (0..definition.operands.len()).flat_map(|index| [(index, 0.4), (index, 1.7)]) {
            let smooth = |x: &f32| (1e-2..20.0).contains(&x.abs()) && (x - others).abs() > 1e-2;
            let logits: Vec<_> = definition.domain.samples().filter(smooth).map(f64::from).collect();
            let sample = sample(logits.clone(), vec![0.0; logits.len()]);
            let error = error(&program_of(definition, index, others), &sample);
            assert!(error < 1e-12, "{} by operand {index}: {error:e}", definition.mnemonic);
        }
    }
}

#[test]
fn library_gradients_are_the_complex_steps() {
    let logits: Vec<_> = (0..40).map(|x| f64::from(x) * 0.21 - 4.1).collect();
    let labels: Vec<_> = (0..40).map(|x| f64::from(u8::from(x % 5 == 0))).collect();
    let sample = sample(logits, labels);
    for program in programs() {
        let stable = stabilise(&program, false).expect("stabilises").program;
        let error = error(&stable, &sample);
        assert!(error < 1e-12, "{}: {error:e}", program.name());
    }
}

/// The check can fail: a derivative that is wrong in its eleventh digit.
#[test]
fn a_slightly_wrong_derivative_is_caught() {
    let sigmoid = table().find(|it| it.mnemonic == "sigmoid").expect("in the table");
    let program = program_of(sigmoid, 0, 0.4);
    let sample = sample(vec![0.3, -2.0], vec![0.0; 2]);
    let slopes = slopes(&program, &sample);
    let derivative = |x: f64| (-x).exp() / (1.0 + (-x).exp()).powi(2);
    for (x, slope) in [0.3, -2.0].into_iter().zip(slopes) {
        assert!((derivative(x) - slope).abs() < 1e-15);
        assert!((derivative(x) * (1.0 + 1e-11) - slope).abs() > 1e-12 * slope);
    }
}
