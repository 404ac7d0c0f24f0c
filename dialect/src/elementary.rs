//! The elementary functions, as fixed sequences of IEEE 754 operations.
//!
//! Nothing branches and nothing looks up a table, so a lowering may run them on
//! vectors. Denormals are kept, NaN propagates, and every polynomial was fitted
//! for this module (its table says how).
//!
//! The largest error over all 2³² floats, against the same function in f64, in
//! units of the f32 ulp at the result:
//!
//! | function | ulps | at | operations |
//! |---|---|---|---|
//! | [`exp`] | 0.92 | 26.719206 | 20 |
//! | [`exp_nonpositive`] | 0.92 | -5.847268 | 15 |
//! | [`exp_upper`] | an upper bound, see there | | 5 |
//! | [`expm1`] | 1.56 | 0.37963322 | 21 |
//! | [`log`] | 1.24 | 0.74076784 | 26 |
//! | [`log1p`] | 1.27 | 0.49999997 | 24 |
//! | [`log1p_unit`] | 1.27 | 0.49999997 | 14 |
//! | [`sigmoid`] | 1.50 | 7.859211 | 23 |
//! | [`softplus`] | 1.91 | -1.2641424 | 32 |
//! | [`maximum`], [`minimum`], [`positive_part`] | exact | | 7, 9, 2 |
//! | [`pow`] | 5, see there | | 69 |
//!
//! An operation is whatever takes an instruction of its own: constants, casts
//! between a float and its bits, and changes of a sign do not.

pub mod approximate;
mod chord;
mod exponential;
mod extrema;
mod logarithm;
mod power;
mod sigmoid;
#[cfg(test)]
mod tests;

pub use chord::{exp_upper, exp_upper_in_f64};
pub use exponential::{exp, exp_nonpositive, expm1};
pub use extrema::{maximum, minimum, positive_part};
pub use logarithm::{log, log1p, log1p_unit};
pub use power::pow;
pub use sigmoid::{sigmoid, softplus};

use crate::machine::{Machine, Word};

/// The polynomial in `x` with these coefficients, highest power first.
fn horner<const N: usize>(m: &mut dyn Machine, x: Word, coefficients: &[f32; N]) -> Word {
    let highest = m.float(coefficients[0]);
    coefficients[1..].iter().fold(highest, |sum, coefficient| {
        let coefficient = m.float(*coefficient);
        m.fma(sum, x, coefficient)
    })
}
