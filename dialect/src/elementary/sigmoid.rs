//! `sigmoid` and `softplus`, composed of the other functions.

use super::{exp_nonpositive, log1p_unit, positive_part};
use crate::machine::{Machine, Word};

/// 1 / (1 + e^-x). 19 operations.
///
/// With e = e^-|x| these are the bits of e / (1 + e) where x < 0 and of
/// 1 / (1 + e) elsewhere, at one division. The largest error, just below a power
/// of two, comes from rounding 1 + e; a correctly rounded e leaves it as large.
pub fn sigmoid(m: &mut dyn Machine, x: Word) -> Word {
    let (zero, one) = (m.float(0.0), m.float(1.0));
    let e = exp_of_minus_size(m, x);
    let is_negative = m.less(x, zero);
    let numerator = m.select(is_negative, e, one);
    let denominator = m.add(one, e);
    m.div(numerator, denominator)
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
