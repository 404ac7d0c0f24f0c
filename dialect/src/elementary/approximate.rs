//! The elementary functions by approximate operations: the fast meanings of ops.
//!
//! Each is a few instructions around an approximate one. The table has the largest error
//! against the same function in f64, with every approximate operation as wrong as
//! [`ApproximateMachine`] allows: relative, in units of 2⁻²³ = 1.2e-7. A result below 2⁻¹²⁶ may
//! be 0.
//!
//! | function | error | operations | exact meaning |
//! |---|---|---|---|
//! | [`exp`], also of numbers up to 0 | 3 + 0.62·abs(x) | 2 | 20, 15 |
//! | [`expm1`] | 11 + 0.62·abs(x) | 10 | 21 |
//! | [`log`] | 3; from 1/2 to 2 absolute: 2 | 2 | 26 |
//! | [`log1p`] | 11.1 | 11 | 24 |
//! | [`log1p_unit`] | 2.5 | 8 | 14 |
//! | [`sigmoid`] | 3.6 + 0.62·abs(x) | 4 | 23 |
//! | [`softplus`] | 4.3 + 0.62·abs(x) | 13 | 32 |
//! | [`pow`] | 3 + 1.9·abs(y)·max(1, abs(log₂ x)) | 7 | 69 |
//! | [`quotient`] | 2 | 2 | 1, of many instructions |
//!
//! The part that grows with |x| is the rounding of x·log₂ e. It is large where the exponential
//! is small: for |x| up to 20, where nearly all logits are, sigmoid and softplus are within
//! 2.0e-6, and the absolute error of an exponential of a negative number is at most 3.6e-7. The
//! tests compute all of this. Ops that are not here are exact under either numerics.

use super::{horner, positive_part};
use crate::machine::{ApproximateMachine, Word};

/// P of log(1 + x) ≈ x·P(x) for 0 ≤ x ≤ 1, highest power first.
///
/// Remez exchange weighted by x / log(1 + x); then each coefficient from the lowest power on
/// was rounded to f32 and the rest fitted again. As real numbers the two sides differ by at
/// most 2.0e-7 of log(1 + x). A logarithm of 1 + x has only an absolute bound, and mending that
/// for small x would take as many operations.
const LOG1P_UNIT: [f32; 8] = [
    -0.008_556_101_5,
    0.044_153_14,
    -0.107_777_22,
    0.177_525_57,
    -0.244_984_63,
    0.332_761_1,
    -0.499_974_64,
    0.999_999_8,
];

/// The same for |x| ≤ [`SMALL`], where they differ by at most 1.2e-6.
const LOG1P_SMALL: [f32; 6] =
    [-0.180_932_63, 0.214_199_24, -0.249_559_76, 0.332_993_95, -0.500_003_3, 1.000_001_2];

/// P of e^x - 1 ≈ x·P(x) for |x| ≤ [`SMALL`], fitted in the same way: they differ by at
/// most 8.8e-8 of e^x - 1.
const EXPM1_SMALL: [f32; 5] = [0.008_335_615, 0.041_774_17, 0.166_667_12, 0.499_998_36, 1.0];

/// Bound of |x| below which a function that is 0 at 0 is a polynomial: the error of its
/// exponential or logarithm is relative to 1, not to the small result.
const SMALL: f32 = 0.25;

/// e^x = 2^(x·log₂ e). 2 operations.
pub fn exp(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let log2_e = m.float(std::f32::consts::LOG2_E);
    let exponent = m.mul(x, log2_e);
    m.exp2(exponent)
}

/// e^x - 1. 10 operations.
pub fn expm1(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let one = m.float(1.0);
    let power = exp(m, x);
    let large = m.sub(power, one);
    near_zero(m, x, &EXPM1_SMALL, large)
}

/// The natural logarithm of x. 2 operations.
pub fn log(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let ln_2 = m.float(std::f32::consts::LN_2);
    let log = m.log2(x);
    m.mul(log, ln_2)
}

/// log(1 + x). 11 operations.
pub fn log1p(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let one = m.float(1.0);
    let sum = m.add(one, x);
    let large = log(m, sum);
    near_zero(m, x, &LOG1P_SMALL, large)
}

/// log(1 + x) for 0 ≤ x ≤ 1 or NaN. 8 operations, none of them approximate.
pub fn log1p_unit(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let slope = horner(m, x, &LOG1P_UNIT);
    m.mul(x, slope)
}

/// x times the polynomial where |x| is small, else `large`.
fn near_zero<const N: usize>(
    m: &mut dyn ApproximateMachine,
    x: Word,
    coefficients: &[f32; N],
    large: Word,
) -> Word {
    let bound = m.float(SMALL);
    let slope = horner(m, x, coefficients);
    let small = m.mul(x, slope);
    let size = m.abs(x);
    let is_small = m.less(size, bound);
    m.select(is_small, small, large)
}

/// 1 / (1 + e^-x). 4 operations.
pub fn sigmoid(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let one = m.float(1.0);
    let minus_x = m.neg(x);
    let power = exp(m, minus_x);
    let denominator = m.add(one, power);
    m.reciprocal(denominator)
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|). 13 operations.
pub fn softplus(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let size = m.abs(x);
    let exponent = m.neg(size);
    let power = exp(m, exponent);
    let log = log1p_unit(m, power);
    let positive = positive_part(m, x);
    m.add(positive, log)
}

/// x^y = 2^(y·log₂ x); NaN for x < 0, and -0 counts as +0. 1 for y = 0 or x = 1, even if
/// the other is NaN. 7 operations.
pub fn pow(m: &mut dyn ApproximateMachine, x: Word, y: Word) -> Word {
    let (zero, one) = (m.float(0.0), m.float(1.0));
    let log = m.log2(x);
    let exponent = m.mul(y, log);
    let power = m.exp2(exponent);
    let is_first = m.equal(y, zero);
    let is_second = m.equal(x, one);
    let is_one = m.or(is_first, is_second);
    m.select(is_one, one, power)
}

/// 1 / x for x from 1 to 2 or NaN, rounded to nearest: no approximation is left in it. 7
/// operations.
///
/// P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor",
/// IBM J. Res. Dev. 34 (1990): an fma with the remainder of a reciprocal that is within a unit
/// in the last place yields the rounded one, except for the largest mantissa. The tests try
/// every x with every such reciprocal.
pub fn rounded_reciprocal(m: &mut dyn ApproximateMachine, x: Word) -> Word {
    let one = m.float(1.0);
    let (last, of_last) = (m.float(f32::from_bits(0x3fff_ffff)), m.float(f32::from_bits(0x3f00_0001)));
    let near = m.reciprocal(x);
    let minus_x = m.neg(x);
    let step = |m: &mut dyn ApproximateMachine, near: Word| {
        let remainder = m.fma(minus_x, near, one);
        m.fma(near, remainder, near)
    };
    // The first brings it within a unit, even where it was one unit from the rounded one.
    let nearer = step(m, near);
    let rounded = step(m, nearer);
    let is_last = m.equal(x, last);
    m.select(is_last, of_last, rounded)
}

/// a / b for b from 2⁻¹²⁶ to 2¹²⁶ in size. For a larger b it is 0; for a smaller one it is ∞,
/// or NaN if a is 0. 2 operations.
pub fn quotient(m: &mut dyn ApproximateMachine, a: Word, b: Word) -> Word {
    let reciprocal = m.reciprocal(b);
    m.mul(a, reciprocal)
}

#[cfg(test)]
mod tests;
