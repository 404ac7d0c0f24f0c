//! Signs, units and fused multiply-adds.

use crate::egraph::{Rule, but_zero, exact, ulps};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    exact("neg-neg",              "(neg (neg ?x))",              "?x"),
    exact("abs-neg",              "(abs (neg ?x))",              "(abs ?x)"),
    exact("sub-neg",              "(sub ?a (neg ?b))",           "(add ?a ?b)"),
    exact("add-neg",              "(add ?a (neg ?b))",           "(sub ?a ?b)"),
    exact("neg-add",              "(add (neg ?a) ?b)",           "(sub ?b ?a)"),
    but_zero("neg-sub",           "(neg (sub ?a ?b))",           "(sub ?b ?a)"),
    exact("mul-neg",              "(mul ?a (neg ?b))",           "(neg (mul ?a ?b))"),
    exact("neg-mul",              "(mul (neg ?a) ?b)",           "(neg (mul ?a ?b))"),
    but_zero("absorbing-mul-neg", "(absorbing_mul ?w (neg ?f))", "(neg (absorbing_mul ?w ?f))"),
    exact("neg-less-zero",        "(less (neg ?x) 0.0)",         "(less 0.0 ?x)"),
    exact("zero-less-neg",        "(less 0.0 (neg ?x))",         "(less ?x 0.0)"),
    exact("mul-one",              "(mul ?x 1.0)",                "?x"),
    exact("one-mul",              "(mul 1.0 ?x)",                "?x"),
    but_zero("add-zero",          "(add ?x 0.0)",                "?x"),
    but_zero("zero-add",          "(add 0.0 ?x)",                "?x"),
    // One rounding fewer.
    ulps(1, "fma",                "(add (mul ?a ?b) ?c)",           "(fma ?a ?b ?c)"),
    ulps(1, "fma-swapped",        "(add ?c (mul ?a ?b))",           "(fma ?a ?b ?c)"),
    ulps(1, "fma-negated",        "(sub ?c (mul ?a ?b))",           "(fma (neg ?a) ?b ?c)"),
];
