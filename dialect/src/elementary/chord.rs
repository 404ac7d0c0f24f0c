//! An upper bound of `exp` at a third of its cost.
//!
//! With x = (n + f)·ln 2, n whole and 0 ≤ f < 1, e^x = 2ⁿ·2^f, and 2^f lies below its chord
//! 1 + f and above that chord divided by 1.0615. A fixed-point n + f has the bits of the float
//! 2ⁿ·(1 + f) in the same position (N. N. Schraudolph: "A fast, compact approximation of the
//! exponential function", Neural Computation 11, 1999).

use super::exponential::at_least;
use crate::machine::{Machine, Word};

/// The number of bits of the fraction f.
const FRACTION: u32 = 14;

/// One in fixed point.
const ONE: i32 = 1 << FRACTION;

/// From here up 2ⁿ is a normal float.
const LOWEST: f32 = -87.0;

/// Fixed-point steps in one unit of x.
const SCALE: f32 = std::f32::consts::LOG2_E * ONE as f32;

/// Adding this to t < 2²³ rounds t to an integer, the sum's mantissa.
const ROUND: i32 = 1 << 23;

/// The exponent of 1, and one step up, which is more than rounding takes away.
const BIAS: i32 = 127 * ONE + 1;

/// e^x or up to 6.2 % more, for x ≤ 0 or NaN; from -87 down it stays e^-87. 5 operations.
pub fn exp_upper(m: &mut dyn Machine, x: Word) -> Word {
    let x = at_least(m, LOWEST, x);
    let scale = m.float(SCALE);
    let magic = m.float((ROUND + BIAS) as f32);
    let fixed = m.fma(x, scale, magic);
    let bits = m.bits_of_float(fixed);
    let bits = m.shift_left(bits, 23 - FRACTION);
    let value = m.float_of_bits(bits);
    // The shift has lost a NaN, and this brings it back.
    let zero = m.float(0.0);
    m.fma(x, zero, value)
}

/// [`exp_upper`] of a real number.
pub fn exp_upper_in_f64(x: f64) -> f64 {
    let x = if x < f64::from(LOWEST) { f64::from(LOWEST) } else { x };
    let steps = (x * f64::from(SCALE)).round_ties_even() + f64::from(BIAS - 127 * ONE);
    let exponent = (steps / f64::from(ONE)).floor();
    exponent.exp2() * (1.0 + steps / f64::from(ONE) - exponent)
}
