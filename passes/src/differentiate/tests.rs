//! Gradients compared with central differences, on the f64 interpreter.

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::ops::{Derivative, OpDefinition, table};
use lossc_dialect::{Builder, Element, Level, Program, Type, ValueId, library};

use super::differentiate;
use crate::stabilise::stabilise;

fn uniform(index: u64) -> f32 {
    (index * 37 % 101) as f32 / 101.0
}

/// All results of `program`, with one plane per group.
fn evaluate(program: &Program, logits: &[f64], labels: &[f64], planes: usize) -> Vec<Vec<f64>> {
    let groups: Vec<_> = (0..planes).collect();
    let scalars: Vec<_> =
        program.scalar_arguments().map(|(_, number)| f64::from(number.default.unwrap_or(1.0))).collect();
    let pixels = [logits.to_vec(), labels.to_vec()];
    let inputs = Inputs {
        plane_group: &groups,
        groups: planes,
        plane_length: logits.len() / planes,
        pixels: &pixels,
        scalars: &scalars,
        uniform: &uniform,
    };
    interpret(program, &inputs, Precision::Real)
}

/// The gradient by central differences.
fn differences(program: &Program, logits: &[f64], labels: &[f64], planes: usize) -> Vec<f64> {
    let loss_at = |index: usize, step: f64| {
        let mut moved = logits.to_vec();
        moved[index] += step;
        evaluate(program, &moved, labels, planes)[0][0]
    };
    let slope = |index: usize| {
        let step = 1e-6 * logits[index].abs().max(1e-3);
        (loss_at(index, step) - loss_at(index, -step)) / (2.0 * step)
    };
    (0..logits.len()).map(slope).collect()
}

/// The largest difference between the program's gradient and the slope, relative to the slope's
/// size.
fn error(program: &Program, logits: &[f64], labels: &[f64], planes: usize) -> f64 {
    let gradient = differentiate(program).expect("the loss has a gradient");
    let found = evaluate(&gradient, logits, labels, planes).pop().expect("a gradient");
    let expected = differences(program, logits, labels, planes);
    let error = |(found, expected): (&f64, &f64)| (found - expected).abs() / expected.abs().max(1e-3);
    found.iter().zip(&expected).map(error).fold(0.0, f64::max)
}

/// The sum over pixels of `op` with the logits as operand `index` and constants as the others.
fn program_of(definition: &OpDefinition, index: usize, others: f32) -> Program {
    let mut builder = Builder::new(definition.mnemonic);
    let logits = builder.pixel_argument("logit", Element::F32);
    let other = builder.constant(others, Level::Pixel);
    let operands: Vec<ValueId> =
        (0..definition.operands.len()).map(|it| if it == index { logits } else { other }).collect();
    let value = builder.op(definition.op, &operands, Type::PIXEL);
    let sum = builder.sum(value);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss)]).expect("well typed")
}

#[test]
fn every_partial_derivative_is_the_slope() {
    for definition in table().filter(|it| matches!(it.derivative, Derivative::Partials(_))) {
        for index in 0..definition.operands.len() {
            for others in [0.4, 1.7] {
                let program = program_of(definition, index, others);
                let smooth = |x: &f32| (1e-2..5.0).contains(&x.abs());
                let mut logits: Vec<_> = definition.domain.samples().filter(smooth).map(f64::from).collect();
                logits.retain(|x| (x - f64::from(others)).abs() > 1e-2);
                let error = error(&program, &logits, &vec![0.0; logits.len()], 1);
                assert!(error < 1e-5, "{} by operand {index}: {error}", definition.mnemonic);
            }
        }
    }
}

#[test]
fn library_gradients_are_the_slopes() {
    // Away from 0, where softplus(-|x|) has a kink, and from the drop decisions.
    let logits: Vec<_> = (0..40).map(|x| f64::from(x) * 0.21 - 4.1).collect();
    let labels: Vec<_> = (0..40).map(|x| f64::from(u8::from(x % 5 == 0))).collect();
    for file in library::all().expect("the library parses") {
        for program in &file.programs {
            let stable = stabilise(program, false).expect("stabilises").program;
            let error = error(&stable, &logits, &labels, 2);
            assert!(error < 1e-5, "{}: {error}", program.name());
        }
    }
}

/// The soft Dice loss: sums that depend on the logits, broadcast back.
fn dice(mean: bool) -> Program {
    let mut b = Builder::new("dice");
    let logits = b.pixel_argument("logit", Element::F32);
    let label = b.pixel_argument("label", Element::F32);
    let p = b.sigmoid(logits);
    let both = b.mul(p, label);
    let all = b.add(p, label);
    let (both, all) = (b.sum(both), b.sum(all));
    let share = b.ratio_or_zero(both, all);
    let spread = b.broadcast(share);
    let difference = b.sub(p, spread);
    let square = b.mul(difference, difference);
    let square = b.sum(square);
    let group = b.sub(square, share);
    let loss = if mean { b.mean_groups(group) } else { b.sum_groups(group) };
    b.finish_named([("loss", loss)]).expect("well typed")
}

#[test]
fn adjoints_flow_through_sums_and_broadcasts() {
    let logits: Vec<_> = (0..12).map(|x| f64::from(x) * 0.7 - 3.3).collect();
    let labels: Vec<_> = (0..12).map(|x| f64::from(x % 2)).collect();
    for mean in [false, true] {
        assert!(error(&dice(mean), &logits, &labels, 3) < 1e-6, "mean: {mean}");
    }
}

/// The check can fail.
#[test]
fn a_wrong_gradient_is_caught() {
    let logits = [0.3, 1.2, -2.0];
    let square = {
        let mut b = Builder::new("square");
        let x = b.pixel_argument("logit", Element::F32);
        let square = b.mul(x, x);
        let sum = b.sum(square);
        let loss = b.sum_groups(sum);
        b.finish_named([("loss", loss)]).expect("well typed")
    };
    let found =
        evaluate(&differentiate(&square).expect("smooth"), &logits, &logits, 1).pop().expect("a gradient");
    let expected = differences(&square, &logits, &logits, 1);
    assert!((found[0] - expected[0]).abs() < 1e-6);
    assert!((found[0] * 1.001 - expected[0]).abs() > 1e-6);
}

#[test]
fn a_loss_of_counts_has_no_gradient_and_says_why() {
    let mut b = Builder::new("counts");
    let x = b.pixel_argument("logit", Element::F32);
    let zero = b.constant(0.0, Level::Pixel);
    let mask = b.less(zero, x);
    let count = b.count(mask);
    let count = b.cast(count, Element::F32);
    let loss = b.sum_groups(count);
    let program = b.finish_named([("loss", loss)]).expect("well typed");
    let error = differentiate(&program).expect_err("no gradient").to_string();
    assert!(error.contains("loss.count") && error.contains("loss.less"), "{error}");
}

/// 0 · NaN from a branch that was not taken.
#[test]
fn the_unselected_branch_never_reaches_the_gradient() {
    let mut b = Builder::new("select");
    let x = b.pixel_argument("logit", Element::F32);
    let zero = b.constant(0.0, Level::Pixel);
    let positive = b.less(zero, x);
    let logarithm = b.log(x);
    let value = b.select(positive, logarithm, zero);
    let sum = b.sum(value);
    let loss = b.sum_groups(sum);
    let program = b.finish_named([("loss", loss)]).expect("well typed");
    let gradient = differentiate(&program).expect("smooth");
    let found = evaluate(&gradient, &[-1.0, 0.0, 2.0, f64::NAN], &[0.0; 4], 1).pop().expect("a gradient");
    assert_eq!(found, [0.0, 0.0, 0.5, 0.0]);
}

/// A sum over all logits of a group, selected at pixels where the label is 1.
fn selected_sum() -> Program {
    let mut b = Builder::new("selected_sum");
    let x = b.pixel_argument("logit", Element::F32);
    let label = b.pixel_argument("label", Element::F32);
    let (zero, one) = (b.constant(0.0, Level::Pixel), b.constant(1.0, Level::Pixel));
    let positive = b.equal(label, one);
    let square = b.mul(x, x);
    let squares = b.sum(square);
    let squares = b.broadcast_to(squares, Level::Pixel);
    let value = b.select(positive, squares, zero);
    let sum = b.sum(value);
    let loss = b.sum_groups(sum);
    b.finish_named([("loss", loss)]).expect("well typed")
}

/// 0 · infinity from a sum that no pixel of the group selected: the guard of a broadcast's
/// results holds for its operand too.
#[test]
fn a_sum_that_no_pixel_selects_never_reaches_the_gradient() {
    let gradient = differentiate(&selected_sum()).expect("smooth");
    let (logits, labels) = ([f64::INFINITY, 2.0, 3.0, -0.5], [0.0, 0.0, 1.0, 1.0]);
    let found = evaluate(&gradient, &logits, &labels, 2).pop().expect("a gradient");
    assert_eq!(found, [0.0, 0.0, 12.0, -2.0]);
}

/// The same through a ratio, which is the constant 0 where its denominator is 0.
#[test]
fn the_numerator_over_zero_never_reaches_the_gradient() {
    let mut b = Builder::new("ratio");
    let x = b.pixel_argument("logit", Element::F32);
    let label = b.pixel_argument("label", Element::F32);
    let square = b.mul(x, x);
    let ratio = b.ratio_or_zero(square, label);
    let sum = b.sum(ratio);
    let loss = b.sum_groups(sum);
    let program = b.finish_named([("loss", loss)]).expect("well typed");
    let gradient = differentiate(&program).expect("smooth");
    let logits = [f64::INFINITY, f64::NAN, 3.0, -0.5];
    let found = evaluate(&gradient, &logits, &[0.0, 0.0, 2.0, 1.0], 1).pop().expect("a gradient");
    assert_eq!(found, [0.0, 0.0, 3.0, -1.0]);
}
