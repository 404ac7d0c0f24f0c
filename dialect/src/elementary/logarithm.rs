//! `log` and `log1p`.
//!
//! x = 2ᵉ·(1 + f) with -1/4 ≤ f < 1/2, so log x = e·ln 2 + log(1 + f).

use super::horner;
use crate::machine::{Machine, Word};

/// q of log(1 + f) ≈ f + f²·q(f), highest power first.
///
/// Remez exchange on -1/4 ≤ f ≤ 1/2, weighted by f² / log(1 + f); then each
/// coefficient from the lowest power on was rounded to f32 and the rest fitted
/// again. As real numbers the sides differ by at most 3.6e-8 of log(1 + f).
const LOG: [f32; 8] = [
    0.054_150_41,
    -0.120_723_52,
    0.149_848_12,
    -0.168_219_58,
    0.199_770_05,
    -0.249_934_96,
    0.333_335_5,
    -0.500_000_6,
];

/// The bits of a float's exponent, and of 0.75, where the mantissas start.
const EXPONENT_BITS: i32 = 0xff80_0000_u32.cast_signed();
const MANTISSA_BITS: i32 = 0x007f_ffff;
const THREE_QUARTERS: i32 = 0x3f40_0000;

/// One in a float's exponent.
const EXPONENT_ONE: i32 = 1 << 23;

/// ln 2 for an exponent left at its position in the bits.
const LN_2_OF_EXPONENT: f32 = std::f32::consts::LN_2 / EXPONENT_ONE as f32;

/// log(1 + f) for -1/4 ≤ f ≤ 1/2. 9 operations.
fn log1p_of_rest(m: &mut dyn Machine, f: Word) -> Word {
    let q = horner(m, f, &LOG);
    let square = m.mul(f, f);
    m.fma(square, q, f)
}

/// A positive finite float as mantissa·2ᵉ, 3/4 ≤ mantissa < 3/2.
pub(super) struct Parts {
    pub(super) mantissa: Word,
    /// e·2²³, a float.
    pub(super) exponent: Word,
}

/// The parts of a positive finite `x`; for any other `x`, unspecified numbers.
pub(super) fn parts(m: &mut dyn Machine, x: Word) -> Parts {
    let smallest_normal = m.float(f32::MIN_POSITIVE);
    let normalise = m.float(EXPONENT_ONE as f32);
    let (exponent_bits, mantissa_bits) = (m.integer(EXPONENT_BITS), m.integer(MANTISSA_BITS));
    let origin = m.integer(THREE_QUARTERS);
    let origin_of_denormal = m.integer(THREE_QUARTERS + 23 * EXPONENT_ONE);
    let is_denormal = m.less(x, smallest_normal);
    let scaled = m.mul(x, normalise);
    let normal = m.select(is_denormal, scaled, x);
    let one = m.select(is_denormal, origin_of_denormal, origin);
    let bits = m.bits_of_float(normal);
    let above = m.integer_sub(bits, one);
    let exponent = m.integer_and(above, exponent_bits);
    let exponent = m.integer_to_float(exponent);
    let mantissa = m.integer_and(above, mantissa_bits);
    let mantissa = m.integer_add(mantissa, origin);
    let mantissa = m.float_of_bits(mantissa);
    Parts { mantissa, exponent }
}

/// `value`, the logarithm of `x`, where `x` is positive and finite, and the
/// right special value elsewhere.
pub(super) fn with_edges(m: &mut dyn Machine, x: Word, value: Word) -> Word {
    let zero = m.float(0.0);
    let (infinity, minus_infinity) = (m.float(f32::INFINITY), m.float(f32::NEG_INFINITY));
    let nan = m.float(f32::NAN);
    let is_finite = m.less(x, infinity);
    let value = m.select(is_finite, value, x);
    let is_negative = m.less(x, zero);
    let edge = m.select(is_negative, nan, minus_infinity);
    let is_edge = m.less_equal(x, zero);
    m.select(is_edge, edge, value)
}

/// The natural logarithm of x. 26 operations.
pub fn log(m: &mut dyn Machine, x: Word) -> Word {
    let one = m.float(1.0);
    let ln_2 = m.float(LN_2_OF_EXPONENT);
    let Parts { mantissa, exponent } = parts(m, x);
    let rest = m.sub(mantissa, one);
    let value = log1p_of_rest(m, rest);
    let value = m.fma(exponent, ln_2, value);
    with_edges(m, x, value)
}

/// log(1 + x). 24 operations.
pub fn log1p(m: &mut dyn Machine, x: Word) -> Word {
    // The exponent is that of the rounded 1 + x, but x and 1 are each scaled on their own: no
    // bit of x is lost. Scaling x in its bits reaches 2⁻¹²⁸.
    let one = m.float(1.0);
    let (below_origin, exponent_bits) = (m.integer(THREE_QUARTERS + MANTISSA_BITS), m.integer(EXPONENT_BITS));
    let sum = m.add(x, one);
    let bits = m.bits_of_float(sum);
    let below = m.integer_sub(below_origin, bits);
    let minus_exponent = m.integer_and(below, exponent_bits);
    let rest = scaled_rest(m, x, minus_exponent);
    let value = log1p_of_rest(m, rest);
    // The exponent is negated because a zero times -ln 2 is then -0, which keeps
    // the sign of a zero result.
    let minus_ln_2 = m.float(-LN_2_OF_EXPONENT);
    let minus_exponent = m.integer_to_float(minus_exponent);
    let value = m.fma(minus_exponent, minus_ln_2, value);
    with_edges(m, sum, value)
}

/// x·2⁻ᵉ + (2⁻ᵉ - 1), given the bits of -e.
fn scaled_rest(m: &mut dyn Machine, x: Word, minus_exponent: Word) -> Word {
    let one = m.float(1.0);
    let minus_quarter = m.float(-0.25);
    // 2⁻¹²⁸ is not a normal float, hence four times as much.
    let four = m.integer(4.0_f32.to_bits().cast_signed());
    let four = m.integer_add(four, minus_exponent);
    let four = m.float_of_bits(four);
    let x = m.bits_of_float(x);
    let x = m.integer_add(x, minus_exponent);
    let x = m.float_of_bits(x);
    let missing = m.fma(four, minus_quarter, one);
    m.sub(x, missing)
}

/// log(1 + x) for 0 ≤ x ≤ 1 or NaN, with the bits of [`log1p`]. 14 operations.
pub fn log1p_unit(m: &mut dyn Machine, x: Word) -> Word {
    // The two floats just below 1/2 belong to the upper half: 1 + x rounds to 3/2 for them.
    let threshold = m.float(f32::from_bits(0.5_f32.to_bits() - 2));
    let (half, minus_half) = (m.float(0.5), m.float(-0.5));
    let (ln_2, minus_zero) = (m.float(std::f32::consts::LN_2), m.float(-0.0));
    let is_upper = m.less_equal(threshold, x);
    let halved = m.fma(x, half, minus_half);
    let rest = m.select(is_upper, halved, x);
    let exponent = m.select(is_upper, ln_2, minus_zero);
    let value = log1p_of_rest(m, rest);
    m.add(value, exponent)
}
