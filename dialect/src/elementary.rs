//! The elementary functions, as fixed sequences of IEEE 754 operations.
//!
//! DOCS
mod exponential;
mod extrema;
mod logarithm;
mod power;
mod sigmoid;

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
