//! Arithmetic: one IEEE operation each, and two guarded products and quotients.

use std::cmp::Ordering;

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};
use crate::elementary::{self, approximate};

/// The larger of `a` and `b`; NaN if either is, and +0 is greater than -0.
fn maximum(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        None => f64::NAN,
        Some(Ordering::Equal) if a.is_sign_negative() => b,
        Some(Ordering::Less) => b,
        Some(_) => a,
    }
}

pub(super) static OPS: [OpDefinition; 13] = [
    floats!(
        Add,
        "add",
        ["lhs", "rhs"],
        Reals,
        "lhs + rhs",
        |x| x[0] + x[1],
        |m, x| m.add(x[0], x[1]),
        |b, x, _| {
            let one = b.constant_like(1.0, x[0]);
            vec![Some(one), Some(one)]
        }
    ),
    floats!(
        Sub,
        "sub",
        ["lhs", "rhs"],
        Reals,
        "lhs - rhs",
        |x| x[0] - x[1],
        |m, x| m.sub(x[0], x[1]),
        |b, x, _| vec![Some(b.constant_like(1.0, x[0])), Some(b.constant_like(-1.0, x[0]))]
    ),
    floats!(
        Mul,
        "mul",
        ["lhs", "rhs"],
        Reals,
        "lhs * rhs",
        |x| x[0] * x[1],
        |m, x| m.mul(x[0], x[1]),
        |_, x, _| vec![Some(x[1]), Some(x[0])]
    ),
    floats!(
        Div,
        "div",
        ["lhs", "rhs"],
        Reals,
        "lhs / rhs",
        |x| x[0] / x[1],
        |m, x| m.div(x[0], x[1]),
        |b, x, result| {
            let one = b.constant_like(1.0, x[0]);
            let by_lhs = b.div(one, x[1]);
            let ratio = b.div(result, x[1]);
            vec![Some(by_lhs), Some(b.neg(ratio))]
        },
        fast = |m, x| approximate::quotient(m, x[0], x[1])
    ),
    floats!(
        Fma,
        "fma",
        ["a", "b", "c"],
        Reals,
        "a * b + c, rounded once",
        |x| x[0].mul_add(x[1], x[2]),
        |m, x| m.fma(x[0], x[1], x[2]),
        |b, x, _| vec![Some(x[1]), Some(x[0]), Some(b.constant_like(1.0, x[0]))]
    ),
    floats!(Neg, "neg", ["operand"], Reals, "-operand", |x| -x[0], |m, x| m.neg(x[0]), |b, x, _| vec![Some(
        b.constant_like(-1.0, x[0])
    )]),
    floats!(
        Abs,
        "abs",
        ["operand"],
        Reals,
        "|operand|, with derivative 0 at 0",
        |x| x[0].abs(),
        |m, x| m.abs(x[0]),
        |b, x, _| {
            let zero = b.constant_like(0.0, x[0]);
            let (plus, minus) = (b.constant_like(1.0, x[0]), b.constant_like(-1.0, x[0]));
            let negative = b.less(x[0], zero);
            let at_zero = b.equal(x[0], zero);
            let sign = b.select(negative, minus, plus);
            vec![Some(b.select(at_zero, zero, sign))]
        }
    ),
    floats!(
        Min,
        "min",
        ["lhs", "rhs"],
        Reals,
        "the lesser; NaN if either is; at a tie the adjoint goes left",
        |x| -maximum(-x[0], -x[1]),
        |m, x| elementary::minimum(m, x[0], x[1]),
        |b, x, _| {
            let (zero, one) = (b.constant_like(0.0, x[0]), b.constant_like(1.0, x[0]));
            let right = b.less(x[1], x[0]);
            vec![Some(b.select(right, zero, one)), Some(b.select(right, one, zero))]
        }
    ),
    floats!(
        Max,
        "max",
        ["lhs", "rhs"],
        Reals,
        "the greater; NaN if either is; at a tie the adjoint goes left",
        |x| maximum(x[0], x[1]),
        |m, x| elementary::maximum(m, x[0], x[1]),
        |b, x, _| {
            let (zero, one) = (b.constant_like(0.0, x[0]), b.constant_like(1.0, x[0]));
            let right = b.less(x[0], x[1]);
            vec![Some(b.select(right, zero, one)), Some(b.select(right, one, zero))]
        }
    ),
    floats!(
        PositivePart,
        "positive_part",
        ["operand"],
        Reals,
        "the greater of operand and 0; NaN if it is NaN, with derivative 1 at 0",
        |x| if x[0] <= 0.0 { 0.0 } else { x[0] },
        |m, x| elementary::positive_part(m, x[0]),
        |b, x, _| {
            let (zero, one) = (b.constant_like(0.0, x[0]), b.constant_like(1.0, x[0]));
            let negative = b.less(x[0], zero);
            vec![Some(b.select(negative, zero, one))]
        }
    ),
    floats!(
        AbsorbingMul,
        "absorbing_mul",
        ["weight", "value"],
        Reals,
        "weight * value, where a weight of 0 gives 0 also of an infinite value; NaN stays NaN",
        |x| x[0] * if x[0] == 0.0 && x[1].is_infinite() { 0.0 } else { x[1] },
        |m, x| {
            // An infinity under a zero weight is made finite; NaN compares false and stays.
            let (zero, infinity) = (m.float(0.0), m.float(f32::INFINITY));
            let weightless = m.equal(x[0], zero);
            let size = m.abs(x[1]);
            let infinite = m.equal(infinity, size);
            let guarded = m.and(weightless, infinite);
            let value = m.select(guarded, zero, x[1]);
            m.mul(x[0], value)
        },
        |_, x, _| vec![Some(x[1]), Some(x[0])]
    ),
    floats!(
        RatioOrZero,
        "ratio_or_zero",
        ["numerator", "denominator"],
        Reals,
        "numerator / denominator, and 0 where the denominator is 0",
        |x| if x[1] == 0.0 { 0.0 } else { x[0] / x[1] },
        |m, x| {
            let zero = m.float(0.0);
            let ratio = m.div(x[0], x[1]);
            let empty = m.equal(x[1], zero);
            m.select(empty, zero, ratio)
        },
        |b, x, result| {
            let one = b.constant_like(1.0, x[0]);
            let by_numerator = b.ratio_or_zero(one, x[1]);
            let ratio = b.ratio_or_zero(result, x[1]);
            vec![Some(by_numerator), Some(b.neg(ratio))]
        },
        fast = |m, x| {
            let zero = m.float(0.0);
            let ratio = approximate::quotient(m, x[0], x[1]);
            let empty = m.equal(x[1], zero);
            m.select(empty, zero, ratio)
        }
    ),
    floats!(
        ReciprocalOneToTwo,
        "reciprocal_one_to_two",
        ["operand"],
        OneToTwo,
        "1 / operand, for an operand from 1 to 2",
        |x| 1.0 / x[0],
        |m, x| m.reciprocal_one_to_two(x[0]),
        |b, _, result| {
            let square = b.mul(result, result);
            vec![Some(b.neg(square))]
        },
        fast = |m, x| m.reciprocal(x[0])
    ),
];
