//! placeholder docs
mod exponential;
mod logarithm;

pub use exponential::{exp, exp_nonpositive, expm1};
pub use logarithm::{log, log1p, log1p_unit};

use crate::machine::{Machine, Word};

/// The polynomial with the given coefficients, highest power first.
fn horner(m: &mut dyn Machine, x: Word, coefficients: &[f32]) -> Word {
    let (first, rest) = coefficients.split_first().expect("a polynomial has a coefficient");
    let first = m.float(*first);
    rest.iter().fold(first, |sum, coefficient| {
        let coefficient = m.float(*coefficient);
        m.fma(sum, x, coefficient)
    })
}

/// The logistic function 1 / (1 + e^-x). 20 operations.
pub fn sigmoid(m: &mut dyn Machine, x: Word) -> Word {
    let (zero, one) = (m.float(0.0), m.float(1.0));
    let e = exp_of_minus_abs(m, x);
    let is_negative = m.less(x, zero);
    let numerator = m.select(is_negative, e, one);
    let denominator = m.add(one, e);
    m.div(numerator, denominator)
}

/// log(1 + e^x).
pub fn softplus(m: &mut dyn Machine, x: Word) -> Word {
    let e = exp_of_minus_abs(m, x);
    let log = log1p_unit(m, e);
    let positive = positive_part(m, x);
    m.add(positive, log)
}

fn exp_of_minus_abs(m: &mut dyn Machine, x: Word) -> Word {
    let size = m.abs(x);
    let exponent = m.neg(size);
    exp_nonpositive(m, exponent)
}

/// max(x, +0)
pub fn positive_part(m: &mut dyn Machine, x: Word) -> Word {
    let zero = m.float(0.0);
    let is_nonpositive = m.less_equal(x, zero);
    m.select(is_nonpositive, zero, x)
}
