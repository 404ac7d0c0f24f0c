//! The gradients of random programs: against central differences where the loss
//! is smooth, and through the same checks as any program.

use std::cell::Cell;

use lossc_dialect::interpret::{Meaning, interpret};
use lossc_dialect::{Op, Program, Type};

use super::bounds::{Bounded, Bounds};
use super::evaluate::{Arithmetic, Sample, evaluate};
use super::judge::Tally;
use super::random_programs::{check_saturation, for_random_programs, samples};
use crate::differentiate::{DifferentiateError, differentiate};

const STEP: f64 = 1e-4;

/// The loss with its bound, where logit `index` is moved by `step`.
fn loss(program: &Program, sample: &Sample, index: usize, step: f64) -> Bounded {
    let mut moved = sample.clone();
    moved.pixels[0][index] += step;
    evaluate(&Bounds::F64, program, &moved, &moved.arguments(&Bounds::F64))[0][0]
}

/// The slope at a logit with the bound of its error; none where the loss is not
/// finite, not sure, or bends.
fn slope(program: &Program, sample: &Sample, index: usize) -> Option<Bounded> {
    let at = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|steps| loss(program, sample, index, steps * STEP));
    if at.iter().any(|loss| !loss.is_known() || !loss.value.is_finite()) {
        return None;
    }
    let per_step: Vec<_> = at.windows(2).map(|pair| (pair[1].value - pair[0].value) / STEP).collect();
    let rounding = at.iter().map(|loss| loss.error).fold(0.0, f64::max) / STEP;
    let central = (at[3].value - at[1].value) / (2.0 * STEP);
    let wide = (at[4].value - at[0].value) / (4.0 * STEP);
    let bend = per_step.iter().map(|slope| (slope - central).abs()).fold(0.0, f64::max);
    let smooth = bend <= 0.01 * central.abs() + rounding + 1e-9;
    smooth.then_some(Bounded { value: central, error: 2.0 * (central - wide).abs() + rounding + 1e-9 })
}

/// A value, and where the chain rule fails on the way from the logits to it; not
/// where a select or a ratio over 0 passes the place by.
#[derive(Clone, Copy)]
struct Traced {
    value: f64,
    /// It depends on the logits.
    varies: bool,
    /// An infinite value takes part: the slope of `1 / exp(x)` at infinity is 0, its
    /// factors are 0 and infinity.
    infinite: bool,
    /// `abs`, `min`, `max` or a comparison at its kink, or a power of 0: the two kinks
    /// of `max(x, 0) - abs(x) / 2` cancel, each one's choice of a slope does not.
    kink: bool,
}

struct Traces;

impl Arithmetic for Traces {
    type Value = Traced;

    fn number(&self, value: f64) -> Traced {
        Traced { value, varies: false, infinite: value.is_infinite(), kink: false }
    }

    fn element(&self, op: Op, operands: &[Traced], types: &[Type]) -> Traced {
        let numbers: Vec<_> = operands.iter().map(|operand| Bounds::F64.number(operand.value)).collect();
        let value = Bounds::F64.element(op, &numbers, types).value;
        let at = |index: usize| operands[index].value;
        let (taken, kink) = match op {
            Op::Select if at(0) == 0.0 => (&operands[2..], operands[0].kink),
            Op::Select => (&operands[1..2], operands[0].kink),
            Op::RatioOrZero if at(1) == 0.0 => (&operands[..0], false),
            Op::Abs | Op::PositivePart => (operands, at(0) == 0.0),
            Op::Min | Op::Max | Op::Less | Op::LessEqual | Op::Equal => (operands, at(0) == at(1)),
            // The slope by the exponent is the logarithm of the base.
            Op::Pow => (operands, at(0).is_nan() || at(0) <= 0.0),
            _ => (operands, false),
        };
        self.of(value, taken, kink && operands.iter().any(|operand| operand.varies))
    }

    fn sum(&self, _: Option<usize>, terms: &[Traced]) -> Traced {
        self.of(terms.iter().map(|term| term.value).sum(), terms, false)
    }
}

impl Traces {
    fn of(&self, value: f64, from: &[Traced], kink: bool) -> Traced {
        let any = |holds: fn(&Traced) -> bool| from.iter().any(holds);
        Traced {
            value,
            varies: any(|it| it.varies),
            infinite: value.is_infinite() || any(|it| it.infinite),
            kink: kink || any(|it| it.kink),
        }
    }

    fn loss(&self, program: &Program, sample: &Sample) -> Traced {
        let mut arguments = sample.arguments(self);
        arguments[0].iter_mut().for_each(|logit| logit.varies = true);
        evaluate(self, program, sample, &arguments)[0][0]
    }
}

/// The gradient against the slopes: a number wherever there is a slope and the
/// chain rule holds, and that number, unless it is ill-conditioned itself.
/// What guards and selects promise is checked: an infinity or a NaN that they pass
/// by leaves the gradient a number.
fn check_gradient(
    program: &Program,
    gradient: &Program,
    sample: &Sample,
    checked: &Cell<usize>,
) -> Result<(), String> {
    let with_upstream = Sample { scalars: vec![sample.scalars[0], 1.0], ..sample.clone() };
    let arguments = with_upstream.arguments(&Bounds::F64);
    let bounds = evaluate(&Bounds::F64, gradient, &with_upstream, &arguments).pop().unwrap_or_default();
    let values = interpret(gradient, &with_upstream.inputs(), Meaning::Real).pop().unwrap_or_default();
    let loss = Traces.loss(program, sample);
    if loss.kink {
        return Ok(());
    }
    for (index, (bound, found)) in bounds.into_iter().zip(values).enumerate() {
        let Some(slope) = slope(program, sample, index).filter(|_| bound.is_known()) else { continue };
        if found.is_nan() && loss.infinite {
            continue;
        }
        let error = (found - slope.value).abs();
        // Written so that a NaN fails.
        if error.is_nan() || error > 4.0 * (slope.error + bound.error) {
            return Err(format!("{found} for {slope:?} by logit {index} on {sample:?}"));
        }
        checked.set(checked.get() + 1);
    }
    Ok(())
}

#[test]
fn random_gradients_are_the_slopes_also_when_optimised() {
    let (samples, tally, checked) = (samples(), Tally::default(), Cell::new(0));
    let with_upstream = samples.iter().map(|it| Sample { scalars: vec![it.scalars[0], 1.0], ..it.clone() });
    let with_upstream: Vec<_> = with_upstream.collect();
    for_random_programs(300, |plan, shapes| {
        let program = plan.program(shapes, false);
        let gradient = match differentiate(&program) {
            Ok(gradient) => gradient,
            Err(DifferentiateError::NoPath(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        for sample in &samples {
            check_gradient(&program, &gradient, sample, &checked)?;
        }
        check_saturation(&gradient, &with_upstream, &tally)
    });
    println!("{checked:?} slopes, {tally:?}");
    assert!(checked.get() > 500, "only {checked:?} slopes");
}
