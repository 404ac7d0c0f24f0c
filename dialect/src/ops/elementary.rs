//! Elementary functions. Their exact f32 meaning is in [`crate::elementary`].

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};
use crate::elementary::{self, approximate};

pub(super) static OPS: [OpDefinition; 10] = [
    floats!(
        Exp,
        "exp",
        ["operand"],
        Reals,
        "e to the operand",
        |x| x[0].exp(),
        |m, x| elementary::exp(m, x[0]),
        |_, _, result| vec![Some(result)],
        fast = |m, x| approximate::exp(m, x[0])
    ),
    floats!(
        ExpNonpositive,
        "exp_nonpositive",
        ["operand"],
        NonPositive,
        "e to the operand, for an operand of 0 or below",
        |x| x[0].exp(),
        |m, x| elementary::exp_nonpositive(m, x[0]),
        |_, _, result| vec![Some(result)],
        fast = |m, x| approximate::exp(m, x[0])
    ),
    OpDefinition {
        op: Op::ExpUpper,
        mnemonic: "exp_upper",
        summary: "e to the operand or up to 6.2 % more, in steps, for an operand of 0 or below",
        operands: &["operand"],
        signature: Signature::Floats,
        meaning: Meaning::Element {
            real: |x| elementary::exp_upper_in_f64(x[0]),
            exact: |m, x| elementary::exp_upper(m, x[0]),
            fast: None,
        },
        derivative: Derivative::Zero,
        domain: Domain::NonPositive,
    },
    floats!(
        Expm1,
        "expm1",
        ["operand"],
        Reals,
        "e to the operand, minus 1, exact near 0",
        |x| x[0].exp_m1(),
        |m, x| elementary::expm1(m, x[0]),
        |b, x, _| vec![Some(b.exp(x[0]))],
        fast = |m, x| approximate::expm1(m, x[0])
    ),
    floats!(
        Log,
        "log",
        ["operand"],
        Positive,
        "the natural logarithm",
        |x| x[0].ln(),
        |m, x| elementary::log(m, x[0]),
        |b, x, _| {
            let one = b.constant_like(1.0, x[0]);
            vec![Some(b.div(one, x[0]))]
        },
        fast = |m, x| approximate::log(m, x[0])
    ),
    floats!(
        Log1p,
        "log1p",
        ["operand"],
        AboveMinusOne,
        "the natural logarithm of 1 + operand, exact near 0",
        |x| x[0].ln_1p(),
        |m, x| elementary::log1p(m, x[0]),
        |b, x, _| {
            let one = b.constant_like(1.0, x[0]);
            let sum = b.add(one, x[0]);
            vec![Some(b.div(one, sum))]
        },
        fast = |m, x| approximate::log1p(m, x[0])
    ),
    floats!(
        Log1pUnit,
        "log1p_unit",
        ["operand"],
        Unit,
        "the natural logarithm of 1 + operand, for an operand from 0 to 1",
        |x| x[0].ln_1p(),
        |m, x| elementary::log1p_unit(m, x[0]),
        |b, x, _| {
            let one = b.constant_like(1.0, x[0]);
            let sum = b.add(one, x[0]);
            vec![Some(b.div(one, sum))]
        },
        fast = |m, x| approximate::log1p_unit(m, x[0])
    ),
    floats!(
        Pow,
        "pow",
        ["base", "exponent"],
        NonNegative,
        "base to the exponent, for a base of 0 or above",
        |x| if x[0] < 0.0 { f64::NAN } else { x[0].powf(x[1]) },
        |m, x| elementary::pow(m, x[0], x[1]),
        |b, x, result| {
            // `absorbing_mul` keeps 0 · pow(0, -1) at 0, the derivative of a constant.
            let one = b.constant_like(1.0, x[0]);
            let less_one = b.sub(x[1], one);
            let power = b.pow(x[0], less_one);
            let logarithm = b.log(x[0]);
            vec![Some(b.absorbing_mul(x[1], power)), Some(b.absorbing_mul(result, logarithm))]
        },
        fast = |m, x| approximate::pow(m, x[0], x[1])
    ),
    floats!(
        Sigmoid,
        "sigmoid",
        ["operand"],
        Reals,
        "1 / (1 + exp(-operand))",
        |x| if x[0] < 0.0 { x[0].exp() / (1.0 + x[0].exp()) } else { 1.0 / (1.0 + (-x[0]).exp()) },
        |m, x| elementary::sigmoid(m, x[0]),
        |b, x, result| {
            // sigmoid(-x) instead of 1 - sigmoid(x), which cancels for large x.
            let mirrored = b.neg(x[0]);
            let complement = b.sigmoid(mirrored);
            vec![Some(b.mul(result, complement))]
        },
        fast = |m, x| approximate::sigmoid(m, x[0])
    ),
    floats!(
        Softplus,
        "softplus",
        ["operand"],
        Reals,
        "log(1 + exp(operand))",
        |x| x[0].max(0.0) + if x[0].is_nan() { x[0] } else { (-x[0].abs()).exp().ln_1p() },
        |m, x| elementary::softplus(m, x[0]),
        |b, x, _| vec![Some(b.sigmoid(x[0]))],
        fast = |m, x| approximate::softplus(m, x[0])
    ),
];
