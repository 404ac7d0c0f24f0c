//! Rules that pay only with the ops' fast meanings. They are left out elsewhere: if a real rule
//! pays on one target and not on another, the targets' results have different bits.

use crate::egraph::{Rule, real};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // Without the correction of the rounding of 1 + e and of the quotient: 1 / (1 + e) is
    // approximate anyway.
    real("sigmoid-by-quotient", "(sigmoid ?x)",
         "(select (less ?x 0.0)
            (mul (exp_nonpositive (neg (abs ?x))) (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))
            (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))"),
];
