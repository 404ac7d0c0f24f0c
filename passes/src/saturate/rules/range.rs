//! Shorter functions with the same bits, where the operand's range allows them.

use crate::egraph::Condition::{NonPositive, OneToTwo, Unit};
use crate::egraph::{Rule, exact};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    exact("exp-nonpositive",       "(exp ?x)",     "(exp_nonpositive ?x)").when(&[NonPositive("?x")]),
    exact("log1p-unit",            "(log1p ?x)",   "(log1p_unit ?x)").when(&[Unit("?x")]),
    exact("reciprocal-one-to-two", "(div 1.0 ?x)", "(reciprocal_one_to_two ?x)").when(&[OneToTwo("?x")]),
    exact("max-zero",              "(max ?x 0.0)", "(positive_part ?x)"),
    exact("zero-max",              "(max 0.0 ?x)", "(positive_part ?x)"),
];
