//! The slope of a loss, by differences, and the points where it has none.

use lossc_dialect::{Op, Program, Type};

use crate::bounds::{Bounded, Bounds};
use crate::evaluate::{Arithmetic, Sample, evaluate};

/// The step of a logit, relative for logits larger than 1.
const STEP: f64 = 1e-4;

/// The loss with its bound, where logit `index` is moved by `step`.
fn loss(program: &Program, sample: &Sample, index: usize, step: f64) -> Bounded {
    let mut moved = sample.clone();
    moved.pixels[0][index] += step * moved.pixels[0][index].abs().max(1.0);
    evaluate(&Bounds::F64, program, &moved, &moved.arguments(&Bounds::F64))[0][0]
}

/// The slope at a logit with the bound of its error; `None` if the loss is not finite, is
/// uncertain, or bends there.
pub fn slope(program: &Program, sample: &Sample, index: usize) -> Option<Bounded> {
    let at = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|steps| loss(program, sample, index, steps * STEP));
    if at.iter().any(|loss| !loss.is_known() || !loss.value.is_finite()) {
        return None;
    }
    let step = STEP * sample.pixels[0][index].abs().max(1.0);
    let per_step: Vec<_> = at.windows(2).map(|pair| (pair[1].value - pair[0].value) / step).collect();
    let rounding = at.iter().map(|loss| loss.error).fold(0.0, f64::max) / step;
    let central = (at[3].value - at[1].value) / (2.0 * step);
    let wide = (at[4].value - at[0].value) / (4.0 * step);
    let bend = per_step.iter().map(|slope| (slope - central).abs()).fold(0.0, f64::max);
    let smooth = bend <= 0.01 * central.abs() + rounding + 1e-9;
    smooth.then_some(Bounded { value: central, error: 2.0 * (central - wide).abs() + rounding + 1e-9 })
}

/// A value, and where the chain rule fails on the way from the logits to it, except where a select
/// or a ratio over 0 leaves the failure out.
#[derive(Clone, Copy)]
pub struct Traced {
    /// The value.
    pub value: f64,
    /// True if it depends on the logits.
    pub varies: bool,
    /// True if an infinite value takes part: the slope of `1 / exp(x)` at infinity is 0, its
    /// factors are 0 and infinity.
    pub infinite: bool,
    /// True for `abs`, `min`, `max` or a comparison at its kink, or a power of 0: the two kinks of
    /// `max(x, 0) - abs(x) / 2` cancel, but the choices of a slope for each do not.
    pub kink: bool,
}

/// Arithmetic that tracks where the chain rule holds.
pub struct Traces;

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
            // The slope with respect to the exponent is the logarithm of the base.
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

    /// The loss of `program`, traced.
    pub fn loss(&self, program: &Program, sample: &Sample) -> Traced {
        let mut arguments = sample.arguments(self);
        arguments[0].iter_mut().for_each(|logit| logit.varies = true);
        evaluate(self, program, sample, &arguments)[0][0]
    }
}
