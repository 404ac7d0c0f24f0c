//! `sigmoid` and `softplus`, composed of the other functions.

use super::{exp_nonpositive, log1p_unit, positive_part};
use crate::machine::{Machine, Word};

/// 1 / (1 + e^-x). 23 operations.
///
/// With e = e^-|x| this is q = 1 / (1 + e) where x is not below 0, and e / (1 + e) elsewhere.
/// The latter comes from the same quotient, as p = e·q and the correction that p needs.
pub fn sigmoid(m: &mut dyn Machine, x: Word) -> Word {
    let (zero, one) = (m.float(0.0), m.float(1.0));
    let e = exp_of_minus_size(m, x);
    let denominator = m.add(one, e);
    let quotient = m.reciprocal_one_to_two(denominator);
    let complement = complement(m, e, quotient);
    let is_negative = m.less(x, zero);
    m.select(is_negative, complement, quotient)
}

/// e / (1 + e), given q near 1 / (1 + e).
fn complement(m: &mut dyn Machine, e: Word, quotient: Word) -> Word {
    let product = m.mul(e, quotient);
    // e - p - p·e, without the rounding error of 1 + e. The difference is exact,
    // since p lies between e / 2 and e.
    let difference = m.sub(e, product);
    let minus_product = m.neg(product);
    let rest = m.fma(minus_product, e, difference);
    m.fma(rest, quotient, product)
}

/// log(1 + e^x). 32 operations.
///
/// These are the bits of max(x, 0) + log1p(e^-|x|).
pub fn softplus(m: &mut dyn Machine, x: Word) -> Word {
    let e = exp_of_minus_size(m, x);
    let log = log1p_unit(m, e);
    let positive = positive_part(m, x);
    m.add(positive, log)
}

/// e^-|x|
fn exp_of_minus_size(m: &mut dyn Machine, x: Word) -> Word {
    let size = m.abs(x);
    let exponent = m.neg(size);
    exp_nonpositive(m, exponent)
}
