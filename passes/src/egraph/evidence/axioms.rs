//! The rules follow from a short list of laws: each rule is an axiom by name, or saturation by
//! the axioms finds its two sides equal.
//!
//! The laws need not be directed, cheap or useful to the compiler; each has the same kind of
//! evidence as the rules, in the direction that is better defined.

mod derive;

use super::{EDGES, check_at};
use crate::egraph::rule::Condition::{Finite, NonNegative, PerCall, PerGroup};
use crate::egraph::rule::{Rule, real};
use crate::saturate;
use derive::follows;

/// The rules that are themselves axioms: definitions, and laws of which no other rule is an
/// instance.
const AXIOMS: &[&str] = &[
    "neg-neg",
    "abs-neg",
    "absorbing-mul-neg",
    "mul-one",
    "add-zero",
    "sigmoid-by-exp",
    "softplus-by-exp",
    "softplus-relu",
    "exp-nonpositive",
    "log1p-unit",
    "reciprocal-one-to-two",
    "max-zero",
    "less-sigmoid-squared",
    "select-same",
    "select-not",
    "not-not",
    "and-same",
    "sum-neg",
    "sum-groups-neg",
    "broadcast-neg",
    "broadcast-mul",
    "broadcast-absorbing-mul",
];

/// The laws from which the other rules follow.
#[rustfmt::skip]
const LAWS: &[Rule] = &[
    real("add-commutes",   "(add ?a ?b)",              "(add ?b ?a)"),
    real("mul-commutes",   "(mul ?a ?b)",              "(mul ?b ?a)"),
    real("max-commutes",   "(max ?a ?b)",              "(max ?b ?a)"),
    real("and-commutes",   "(and ?m ?k)",              "(and ?k ?m)"),
    real("and-associates", "(and ?m (and ?k ?n))",     "(and (and ?m ?k) ?n)"),
    real("sub-as-add",     "(sub ?a ?b)",              "(add ?a (neg ?b))"),
    real("neg-add",        "(neg (add ?a ?b))",        "(add (neg ?a) (neg ?b))"),
    real("mul-of-neg",     "(neg (mul ?a ?b))",        "(mul (neg ?a) ?b)"),
    real("fma-as-add",     "(fma ?a ?b ?c)",           "(add (mul ?a ?b) ?c)"),
    real("neg-zero",       "(neg 0.0)",                "0.0"),
    real("zero-as-neg",    "0.0",                      "(neg 0.0)"),
    real("less-neg",       "(less (neg ?a) (neg ?b))", "(less ?b ?a)"),
    // A function of a select is a select of the function.
    real("select-neg",           "(neg (select ?m ?a ?b))",              "(select ?m (neg ?a) (neg ?b))"),
    real("select-add",           "(add (select ?m ?a ?b) ?c)",           "(select ?m (add ?a ?c) (add ?b ?c))"),
    real("select-mul",           "(mul ?c (select ?m ?a ?b))",           "(select ?m (mul ?c ?a) (mul ?c ?b))"),
    real("select-absorbing-mul", "(absorbing_mul ?c (select ?m ?a ?b))", "(select ?m (absorbing_mul ?c ?a) (absorbing_mul ?c ?b))"),
    real("select-commutes",      "(select ?k (select ?m ?a ?b) ?c)",     "(select ?m (select ?k ?a ?c) (select ?k ?b ?c))"),
    // In a branch the mask is known.
    real("select-known",     "(select ?m (select ?m ?a ?b) ?c)", "(select ?m ?a ?c)"),
    real("select-known-not", "(select ?m ?a (select ?m ?b ?c))", "(select ?m ?a ?c)"),
    real("cases-and",        "(select (and ?m ?k) ?a ?b)",       "(select ?m (select ?k ?a ?b) ?b)"),
    real("cases-or",         "(select (or ?m ?k) ?a ?b)",        "(select ?m ?a (select ?k ?a ?b))"),
    // Sums are linear; 0 times a finite weight is 0.
    real("sum-add", "(add (sum ?a) (sum ?b))", "(sum (add ?a ?b))"),
    real("sum-mul", "(mul ?w (sum ?f))",       "(sum (mul (broadcast ?w) ?f))")
        .when(&[Finite("?w"), PerGroup("?w")]),
    real("sum-absorbing-muls", "(absorbing_mul ?w (sum ?f))", "(sum (absorbing_mul (broadcast ?w) ?f))")
        .when(&[Finite("?w"), NonNegative("?f"), PerGroup("?w")]),
    real("mul-zero",            "(mul ?w 0.0)",           "0.0").when(&[Finite("?w")]),
    real("absorbing-mul-zero",  "(absorbing_mul ?w 0.0)", "0.0").when(&[Finite("?w")]),
    real("broadcast-by-groups", "(broadcast ?s)",         "(broadcast (broadcast_groups ?s))").when(&[PerCall("?s")]),
    real("div-as-mul",          "(div ?a ?b)",            "(mul ?a (div 1.0 ?b))"),
    // Sigmoid is defined by a single quotient.
    real("sigmoid-quotient",     "(sigmoid ?x)",
                                 "(div (select (less ?x 0.0) (exp_nonpositive (neg (abs ?x))) 1.0) (add 1.0 (exp_nonpositive (neg (abs ?x)))))"),
    // A quotient with a positive denominator is compared without a division.
    real("less-quotient",        "(less ?u (div ?n (add 1.0 (exp_nonpositive (neg (abs ?x))))))",
                                 "(less (mul ?u (add 1.0 (exp_nonpositive (neg (abs ?x))))) ?n)"),
];

/// The phase's rules, divided into axioms and others.
fn classified() -> (Vec<Rule>, Vec<Rule>) {
    saturate::rules::all().into_iter().partition(|rule| AXIOMS.contains(&rule.name))
}

/// Laws are about real numbers: overflow is the concern of the rules.
#[test]
fn every_law_has_evidence() {
    let converse = |law: &Rule| check_at(&Rule { left: law.right, right: law.left, ..*law }, &EDGES);
    let failures: Vec<_> = LAWS
        .iter()
        .filter_map(|law| check_at(law, &EDGES).or_else(|error| converse(law).map_err(|_| error)).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_rule_is_an_axiom_or_follows_from_the_axioms() {
    let (axioms, composite) = classified();
    assert_eq!(axioms.len(), AXIOMS.len(), "an axiom that is no rule");
    let laws = [LAWS, &axioms].concat();
    let open: Vec<_> = composite.iter().filter(|rule| !follows(rule, &laws)).map(|rule| rule.name).collect();
    assert!(open.is_empty(), "neither axioms nor consequences of them: {}", open.join(", "));
}

/// If one did, the list would not be minimal.
#[test]
fn no_axiom_follows_from_the_others() {
    let (axioms, _) = classified();
    let is_redundant = |axiom: &&Rule| {
        let others: Vec<_> = axioms.iter().filter(|other| other.name != axiom.name).copied().collect();
        follows(axiom, &[LAWS, &others].concat())
    };
    let redundant: Vec<_> = axioms.iter().filter(is_redundant).map(|rule| rule.name).collect();
    assert!(redundant.is_empty(), "no axioms: {}", redundant.join(", "));
}

/// The test can fail.
#[test]
fn wrong_rules_do_not_follow() {
    let laws = [LAWS, &classified().0].concat();
    // It is true of real numbers, which are all that the axioms know; only its class is wrong.
    let wrong = super::tests::WRONG.iter().filter(|rule| rule.name != "fma-exact");
    let following: Vec<_> = wrong.filter(|rule| follows(rule, &laws)).map(|rule| rule.name).collect();
    assert!(following.is_empty(), "{} follow", following.join(", "));
}
