//! Selects and masks.

use crate::egraph::{Rule, but_zero, exact};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    exact("select-same", "(select ?m ?a ?a)",       "?a"),
    exact("select-not",  "(select (not ?m) ?a ?b)", "(select ?m ?b ?a)"),
    // In the other branch the mask is false.
    exact("select-known-not",     "(select ?m ?a (select ?m ?b ?c))",   "(select ?m ?a ?c)"),
    exact("select-never",         "(select (and ?m (not ?m)) ?a ?b)",   "?b"),
    exact("select-never-swapped", "(select (and (not ?m) ?m) ?a ?b)",   "?b"),
    exact("not-not",              "(not (not ?m))",                     "?m"),
    exact("and-same",             "(and ?m ?m)",                        "?m"),
    exact("and-absorb",           "(and ?m (and ?m ?k))",               "(and ?m ?k)"),
    exact("and-absorb-right",     "(and (and ?m ?k) ?m)",               "(and ?m ?k)"),
    exact("and-absorb-inner",     "(and (and ?m ?k) ?k)",               "(and ?m ?k)"),
    exact("and-absorb-outer",     "(and ?m (and ?k ?m))",               "(and ?k ?m)"),
    exact("select-and",           "(select ?m (select ?k ?a 0.0) 0.0)", "(select (and ?m ?k) ?a 0.0)"),
    exact("select-else-select",   "(select ?m 0.0 (select ?k ?a 0.0))", "(select (and (not ?m) ?k) ?a 0.0)"),
    but_zero("neg-select-zero",   "(select ?m (neg ?a) 0.0)",           "(neg (select ?m ?a 0.0))"),
    exact("neg-select",           "(select ?m (neg ?a) (neg ?b))",      "(neg (select ?m ?a ?b))"),
    // Gradient terms of two disjoint masks become one chain of selects.
    but_zero("add-disjoint",         "(add (select ?m ?a 0.0) (select (and (not ?m) ?k) ?b 0.0))",
                                  "(select ?m ?a (select ?k ?b 0.0))"),
    but_zero("add-disjoint-swapped", "(add (select (and (not ?m) ?k) ?b 0.0) (select ?m ?a 0.0))",
                                  "(select ?m ?a (select ?k ?b 0.0))"),
    but_zero("add-complement",        "(add (select ?m ?a 0.0) (select (not ?m) ?b 0.0))", "(select ?m ?a ?b)"),
    but_zero("add-otherwise",         "(add (select ?m ?a 0.0) (select ?m 0.0 ?b))",       "(select ?m ?a ?b)"),
    but_zero("sub-otherwise",         "(sub (select ?m ?a 0.0) (select ?m 0.0 ?b))",       "(select ?m ?a (neg ?b))"),
    but_zero("sub-otherwise-swapped", "(sub (select ?m 0.0 ?b) (select ?m ?a 0.0))",       "(select ?m (neg ?a) ?b)"),
    but_zero("add-otherwise-swapped", "(add (select ?m 0.0 ?b) (select ?m ?a 0.0))",       "(select ?m ?a ?b)"),
    but_zero("sub-disjoint",         "(sub (select ?m ?a 0.0) (select (and (not ?m) ?k) ?b 0.0))",
                                  "(select ?m ?a (select ?k (neg ?b) 0.0))"),
    but_zero("sub-disjoint-swapped", "(sub (select (and (not ?m) ?k) ?b 0.0) (select ?m ?a 0.0))",
                                  "(select ?m (neg ?a) (select ?k ?b 0.0))"),
    // A sum of guarded terms need not be guarded as well.
    exact("select-or-add",        "(select (or ?m ?k) (add (select ?m ?a 0.0) (select ?k ?b 0.0)) 0.0)",
                                  "(add (select ?m ?a 0.0) (select ?k ?b 0.0))"),
    exact("select-or-add-swapped","(select (or ?k ?m) (add (select ?m ?a 0.0) (select ?k ?b 0.0)) 0.0)",
                                  "(add (select ?m ?a 0.0) (select ?k ?b 0.0))"),
];
