//! Moving factors that are constant over a group out of the group's sum. A weight that needs the
//! group's counts then no longer forces a second pass.

use crate::egraph::Condition::{Finite, NonNegative, NotZero, PerCall, PerGroup, Small, Summable};
use crate::egraph::{Rule, but_zero, exact, real};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // One sum per class of pixels.
    real("sum-select-split",      "(sum (select ?m ?a ?b))",
         "(add (sum (select ?m ?a 0.0)) (sum (select (not ?m) ?b 0.0)))").when(&[NotZero("?a"), NotZero("?b"), Summable("?a"), Summable("?b")]),
    // The same among the pixels that are not ignored.
    real("sum-valid-split",       "(sum (select ?v (select ?m ?a ?b) 0.0))",
         "(add (sum (select (and ?v ?m) ?a 0.0)) (sum (select (and ?v (not ?m)) ?b 0.0)))")
        .when(&[NotZero("?a"), NotZero("?b"), Summable("?a"), Summable("?b")]),
    // The guard: the weight must be finite even for an empty class. With terms of one sign the
    // sum is infinite only if a term is, or if a chunk adds up to more than the largest f32. In
    // that case a weight of 0 still yields 0, and one smaller than 1 yields infinity, although
    // the weighted terms may have had a finite sum.
    real("sum-absorbing-mul",            "(sum (select ?m (absorbing_mul (broadcast ?w) ?f) 0.0))",
         "(absorbing_mul ?w (sum (select ?m ?f 0.0)))").when(&[Finite("?w"), NonNegative("?f"), PerGroup("?w")]),
    real("sum-absorbing-mul-everywhere", "(sum (absorbing_mul (broadcast ?w) ?f))",
         "(absorbing_mul ?w (sum ?f))").when(&[Finite("?w"), NonNegative("?f"), PerGroup("?w")]),
    // Terms of either sign: a chunk that overflows would yield 0 times infinity, or be NaN
    // itself.
    real("sum-scale",             "(sum (select ?m (mul (broadcast ?w) ?f) 0.0))",
         "(mul ?w (sum (select ?m ?f 0.0)))").when(&[Finite("?w"), Small("?f"), PerGroup("?w")]),
    real("sum-scale-everywhere",  "(sum (mul (broadcast ?w) ?f))",
         "(mul ?w (sum ?f))").when(&[Finite("?w"), Small("?f"), PerGroup("?w")]),
    but_zero("sum-neg",        "(sum (neg ?f))",        "(neg (sum ?f))"),
    but_zero("sum-groups-neg", "(sum_groups (neg ?f))", "(neg (sum_groups ?f))"),
    // Arithmetic of a group is done once per group, in f64.
    exact("broadcast-groups",  "(broadcast (broadcast_groups ?s))",   "(broadcast ?s)"),
    exact("broadcast-neg",     "(neg (broadcast ?a))",                "(broadcast (neg ?a))"),
    exact("neg-mul-broadcast", "(neg (mul (broadcast ?w) ?f))",       "(mul (broadcast (neg ?w)) ?f)"),
    real("broadcast-mul",      "(mul (broadcast ?a) (broadcast ?b))", "(broadcast (mul ?a ?b))")
        .when(&[PerGroup("?a"), PerGroup("?b")]),
    real("broadcast-absorbing-mul", "(absorbing_mul (broadcast ?a) (broadcast ?b))", "(broadcast (absorbing_mul ?a ?b))")
        .when(&[PerGroup("?a"), PerGroup("?b")]),
    real("broadcast-mul-call", "(mul (broadcast ?a) (broadcast ?b))", "(broadcast (mul ?a (broadcast_groups ?b)))")
        .when(&[PerGroup("?a"), PerCall("?b")]),
    real("broadcast-call-mul", "(mul (broadcast ?a) (broadcast ?b))", "(broadcast (mul (broadcast_groups ?a) ?b))")
        .when(&[PerCall("?a"), PerGroup("?b")]),
    real("broadcast-absorbing-mul-call", "(absorbing_mul (broadcast ?a) (broadcast ?b))", "(broadcast (absorbing_mul ?a (broadcast_groups ?b)))")
        .when(&[PerGroup("?a"), PerCall("?b")]),
];
