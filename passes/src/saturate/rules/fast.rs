//! What is cheaper by the ops' fast meanings alone. Elsewhere these rules are left out: a
//! real rule that one target's costs like and another's do not would part their bits.

use crate::egraph::{Rule, real};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // Without what mends the rounding of 1 + e and of the quotient: 1 / (1 + e) is near anyway.
    real("sigmoid-by-quotient", "(sigmoid ?x)",
         "(select (less ?x 0.0)
            (mul (exp_nonpositive (neg (abs ?x))) (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))
            (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))"),
];
