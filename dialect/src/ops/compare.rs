//! Comparisons and logic. A comparison with a NaN is false.

use super::{Derivative, Domain, Meaning, Op, OpDefinition, Signature};

/// An op whose result is a mask.
macro_rules! mask {
    ($op:ident, $mnemonic:literal, $operands:expr, $signature:ident, $summary:literal, $real:expr, $exact:expr) => {
        OpDefinition {
            op: Op::$op,
            mnemonic: $mnemonic,
            summary: $summary,
            operands: &$operands,
            signature: Signature::$signature,
            meaning: Meaning::Element { real: |x| f64::from(u8::from($real(x))), exact: $exact, fast: None },
            derivative: Derivative::Zero,
            domain: Domain::Reals,
        }
    };
}

pub(super) static OPS: [OpDefinition; 7] = [
    mask!(Less, "less", ["lhs", "rhs"], Compare, "lhs < rhs", |x: &[f64]| x[0] < x[1], |m, x| m
        .less(x[0], x[1])),
    mask!(
        LessEqual,
        "less_equal",
        ["lhs", "rhs"],
        Compare,
        "lhs <= rhs",
        |x: &[f64]| x[0] <= x[1],
        |m, x| m.less_equal(x[0], x[1])
    ),
    mask!(Equal, "equal", ["lhs", "rhs"], Compare, "lhs == rhs", |x: &[f64]| x[0] == x[1], |m, x| m
        .equal(x[0], x[1])),
    OpDefinition {
        op: Op::Is(0),
        mnemonic: "is",
        summary: "whether the stored integer is the attribute `value`, exactly",
        operands: &["operand"],
        signature: Signature::Integer,
        meaning: Meaning::Structural,
        derivative: Derivative::Zero,
        domain: Domain::Reals,
    },
    mask!(
        And,
        "and",
        ["lhs", "rhs"],
        Logic,
        "both masks hold",
        |x: &[f64]| x[0] != 0.0 && x[1] != 0.0,
        |m, x| m.and(x[0], x[1])
    ),
    mask!(
        Or,
        "or",
        ["lhs", "rhs"],
        Logic,
        "either mask holds",
        |x: &[f64]| x[0] != 0.0 || x[1] != 0.0,
        |m, x| m.or(x[0], x[1])
    ),
    mask!(Not, "not", ["operand"], Logic, "the mask does not hold", |x: &[f64]| x[0] == 0.0, |m, x| m
        .not(x[0])),
];
