//! Every rule of every table has evidence; wrong rules are caught.

use super::check;
use crate::egraph::rule::Condition::{Finite, PerGroup};
use crate::egraph::rule::{Rule, exact, real};
use crate::{saturate, stabilise};

#[test]
fn every_rule_has_evidence() {
    let mut failures = vec![];
    for rule in stabilise::RULES.iter().copied().chain(saturate::rules::all()) {
        failures.extend(check(&rule).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn names_are_unique_in_each_phase() {
    for rules in [stabilise::RULES.to_vec(), saturate::rules::all()] {
        let mut names: Vec<_> = rules.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules.len());
    }
}

/// Wrong rules that look right, each with its error.
#[rustfmt::skip]
pub(crate) const WRONG: &[Rule] = &[
    // A product of sums is not a sum of products.
    real("sum-of-products", "(mul (sum ?a) (sum ?b))", "(sum (mul ?a ?b))"),
    // 0 times infinity.
    exact("zero-mul", "(mul 0.0 ?x)", "(sub 0.0 0.0)"),
    // An infinite weight of an empty class.
    real("unguarded-scale", "(sum (select ?m (mul (broadcast ?w) ?f) 0.0))", "(mul ?w (sum (select ?m ?f 0.0)))"),
    // Infinite terms of both signs under a weight of 0.
    real("unsigned-absorbing-mul", "(sum (select ?m (absorbing_mul (broadcast ?w) ?f) 0.0))", "(absorbing_mul ?w (sum (select ?m ?f 0.0)))")
        .when(&[Finite("?w"), PerGroup("?w")]),
    // A mask as a factor.
    exact("select-by-product", "(select ?m ?a 0.0)", "(mul ?a (select ?m 1.0 0.0))"),
    // A NaN compares false both ways.
    exact("not-less", "(not (less ?a ?b))", "(less_equal ?b ?a)"),
    // Overflows.
    real("softplus-naive", "(softplus ?x)", "(log (add 1.0 (exp ?x)))"),
    // Only for one sign.
    real("exp-abs", "(exp (neg (abs ?x)))", "(exp (neg ?x))"),
    // Adds up ignored pixels.
    real("split-all",            "(sum (select ?v (select ?m ?a ?b) 0.0))",
         "(add (sum (select (and ?v ?m) ?a 0.0)) (sum (select (not ?m) ?b 0.0)))"),
    // Out of the shorter functions' range.
    exact("exp-anywhere",   "(exp ?x)",   "(exp_nonpositive ?x)"),
    exact("log1p-anywhere", "(log1p ?x)", "(log1p_unit ?x)"),
    // Drops a NaN.
    exact("max-by-select", "(max ?x 0.0)", "(select (less 0.0 ?x) ?x 0.0)"),
    // Cancels: not the same float.
    exact("sigmoid-complement", "(sigmoid (neg ?x))", "(sub 1.0 (sigmoid ?x))"),
    // Rounds once less: not the same float.
    exact("fma-exact", "(add (mul ?a ?b) ?c)", "(fma ?a ?b ?c)"),
    // Two negative factors.
    real("log-mul", "(log (mul ?a ?b))", "(add (log ?a) (log ?b))"),
    // Takes the wrong branch.
    exact("select-swap", "(select (not ?m) ?a ?b)", "(select ?m ?a ?b)"),
];

/// Rules that are wrong at edges which random programs seldom reach: where the sign of a zero is
/// observed, and where a chunk's sum overflows.
#[rustfmt::skip]
const WRONG_AT_EDGES: &[Rule] = &[
    exact("signed-add-zero",   "(add ?x 0.0)",                                      "?x"),
    exact("signed-sum-neg",    "(sum (neg ?f))",                                    "(neg (sum ?f))"),
    exact("signed-neg-sub",    "(neg (sub ?a ?b))",                                 "(sub ?b ?a)"),
    exact("signed-complement", "(add (select ?m ?a 0.0) (select (not ?m) ?b 0.0))", "(select ?m ?a ?b)"),
    real("unbounded-scale",    "(sum (mul (broadcast ?w) ?f))",                     "(mul ?w (sum ?f))").when(&[Finite("?w"), PerGroup("?w")]),
];

#[test]
fn wrong_rules_are_caught() {
    for rule in WRONG.iter().chain(WRONG_AT_EDGES) {
        let error = check(rule).expect_err(rule.name);
        assert!(error.starts_with(rule.name), "{error}");
    }
}
