//! Tests of a uniform number against a probability, without a division.

use crate::egraph::{Rule, real};

/// The rules. With `e = exp(-|x|)`, `sigmoid(x)` is `e / (1 + e)` below 0 and
/// `1 / (1 + e)` above, and `1 + e` is positive. A NaN logit makes both sides
/// false.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    real("less-sigmoid",          "(less ?u (sigmoid ?x))",
         "(less (mul ?u (add 1.0 (exp_nonpositive (neg (abs ?x))))) (select (less ?x 0.0) (exp_nonpositive (neg (abs ?x))) 1.0))"),
    // Squared: sigmoid(x)^2.
    real("less-sigmoid-squared",  "(less ?u (mul (sigmoid ?x) (sigmoid ?x)))",
         "(less (mul ?u (mul (add 1.0 (exp_nonpositive (neg (abs ?x)))) (add 1.0 (exp_nonpositive (neg (abs ?x))))))
                (mul (select (less ?x 0.0) (exp_nonpositive (neg (abs ?x))) 1.0) (select (less ?x 0.0) (exp_nonpositive (neg (abs ?x))) 1.0)))"),
];
