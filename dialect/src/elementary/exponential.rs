//! `exp` and its kin.
//!
//! x = n·ln 2 + r with n an integer and |r| ≤ ln 2 / 2, so e^x = 2ⁿ·e^r.

use super::horner;
use crate::machine::{Machine, Word};

/// q of e^r ≈ 1 + r + r²·q(r), highest power first.
///
/// Remez exchange on |r| ≤ 0.3466, weighted by r² / (e^r - 1) so that `expm1`
/// has a small relative error at 0; then each coefficient from the lowest power
/// on was rounded to f32 and the rest fitted again. As real numbers the two
/// sides differ by at most 1.5e-8 of e^r - 1 and by 5.1e-9 of e^r.
const EXP: [f32; 5] = [0.001_383_558_3, 0.008_367_127, 0.041_667_756, 0.166_665_39, 0.499_999_97];

/// Adding this to |t| < 2²² rounds t to an integer n, which then stands in the
/// low bits of the sum. A multiple of 2⁹ plus a bias makes these bits an exponent.
const ROUND: f32 = 12_582_912.0;

/// Moves an integer in the low bits to where a float's exponent is.
const EXPONENT: u32 = 23;

/// ln 2 rounded down to f32, and the rest. Both are positive: an n of +0 then adds -0 and keeps
/// the sign of a zero.
const LN_2_HIGH: f32 = f32::from_bits(0x3f31_7217);
const LN_2_LOW: f32 = f32::from_bits(0x3377_d1cf);

/// e^x rounds to 0 from here down and to infinity from there up.
pub(super) const EXP_LOWEST: f32 = -104.0;
pub(super) const EXP_HIGHEST: f32 = 89.0;

/// x split into n·ln 2 + r.
struct Split {
    /// The low nine bits hold n plus the bias.
    biased: Word,
    /// |r| ≤ ln 2 / 2
    rest: Word,
}

/// Splits `x`, |x| ≤ 104 or NaN, with `magic` = [`ROUND`] + bias; adds
/// `correction`, if any, to the rest.
fn split(m: &mut dyn Machine, x: Word, magic: Word, correction: Option<Word>) -> Split {
    let log2_e = m.float(std::f32::consts::LOG2_E);
    let high = m.float(-LN_2_HIGH);
    let low = m.float(-LN_2_LOW);
    let rounded = m.fma(x, log2_e, magic);
    let n = m.sub(rounded, magic);
    // Exact: the difference is a multiple of 2⁻²⁴ below 1/2.
    let coarse = m.fma(n, high, x);
    let rest = match correction {
        None => m.fma(n, low, coarse),
        Some(correction) => {
            let fine = m.fma(n, low, correction);
            m.add(coarse, fine)
        }
    };
    let biased = m.bits_of_float(rounded);
    Split { biased, rest }
}

/// e^r for |r| ≤ ln 2 / 2
fn exp_of_rest(m: &mut dyn Machine, r: Word) -> Word {
    let one = m.float(1.0);
    let q = horner(m, r, &EXP);
    let slope = m.fma(q, r, one);
    m.fma(slope, r, one)
}

/// The power of two whose biased exponent is in the low bits of `biased`.
fn power_of_two(m: &mut dyn Machine, biased: Word) -> Word {
    let bits = m.shift_left(biased, EXPONENT);
    m.float_of_bits(bits)
}

pub(super) fn at_least(m: &mut dyn Machine, bound: f32, x: Word) -> Word {
    let bound = m.float(bound);
    let below = m.less(x, bound);
    m.select(below, bound, x)
}

fn at_most(m: &mut dyn Machine, bound: f32, x: Word) -> Word {
    let bound = m.float(bound);
    let above = m.less(bound, x);
    m.select(above, bound, x)
}

/// e^x. 20 operations.
pub fn exp(m: &mut dyn Machine, x: Word) -> Word {
    let x = at_least(m, EXP_LOWEST, x);
    let x = at_most(m, EXP_HIGHEST, x);
    exp_of_sum(m, x, None)
}

/// e^(x + correction) for -104 ≤ x ≤ 89 or NaN and a correction far below 1.
pub(super) fn exp_of_sum(m: &mut dyn Machine, x: Word, correction: Option<Word>) -> Word {
    // Neither 2¹²⁸ nor 2⁻¹⁵⁰ is a float, so 2ⁿ is two factors, n / 2 rounded down
    // and up. The bias of both together makes the exponents of each.
    let magic = m.float(ROUND + 254.0);
    let Split { biased, rest } = split(m, x, magic, correction);
    let lower_half = m.shift_right(biased, 1);
    let upper_half = m.integer_sub(biased, lower_half);
    let lower = power_of_two(m, lower_half);
    let upper = power_of_two(m, upper_half);
    let value = exp_of_rest(m, rest);
    let value = m.mul(value, lower);
    m.mul(value, upper)
}

/// e^x for x ≤ 0 or NaN, with the bits of [`exp`]. 15 operations.
pub fn exp_nonpositive(m: &mut dyn Machine, x: Word) -> Word {
    // 2ⁿ⁺⁶⁵ is a normal float for all n that occur; the factor 2⁻⁶⁵ then rounds
    // once, also into the denormals.
    let x = at_least(m, EXP_LOWEST, x);
    let magic = m.float(ROUND + 127.0 + 65.0);
    let undo = m.float(f32::from_bits((127 - 65) << EXPONENT));
    let Split { biased, rest } = split(m, x, magic, None);
    let scale = power_of_two(m, biased);
    let value = exp_of_rest(m, rest);
    let value = m.mul(value, scale);
    m.mul(value, undo)
}

/// e^x - 1. 21 operations.
pub fn expm1(m: &mut dyn Machine, x: Word) -> Word {
    // From -18 down the result is -1.
    let x = at_least(m, -18.0, x);
    let x = at_most(m, EXP_HIGHEST, x);
    // Near the top compute half the result, where 2ⁿ is still a float.
    let top = m.float(88.0);
    let is_top = m.less(top, x);
    let (one, two) = (m.float(1.0), m.float(2.0));
    let (full, half) = (m.float(ROUND + 127.0), m.float(ROUND + 126.0));
    let magic = m.select(is_top, half, full);
    let undo = m.select(is_top, two, one);
    let Split { biased, rest } = split(m, x, magic, None);
    let scale = power_of_two(m, biased);
    let value = scaled_expm1(m, rest, scale);
    m.mul(value, undo)
}

/// scale·e^r - 1 for |r| ≤ ln 2 / 2, with r's own sign of zero if scale is 1.
fn scaled_expm1(m: &mut dyn Machine, r: Word, scale: Word) -> Word {
    // The sum of opposite zeros is +0. With the terms negated these sums meet
    // only for equal signs: -(e^r - 1) = -r²·q - r, and -(1 - scale) is -0.
    let one = m.float(1.0);
    let square = m.mul(r, r);
    let q = horner(m, r, &EXP.map(std::ops::Neg::neg));
    let minus_r = m.neg(r);
    let negated = m.fma(square, q, minus_r);
    let value = m.neg(negated);
    let missing = m.sub(one, scale);
    let surplus = m.neg(missing);
    m.fma(value, scale, surplus)
}
