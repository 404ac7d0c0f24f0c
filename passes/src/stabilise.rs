//! Phase 1: from the formula in the paper to one that survives large logits.
//!
//! A loss may be written with naive logarithms of sigmoids. Here they become softplus, before
//! differentiation, so that the gradient is that of the stable form. The rules are directed:
//! each is applied wherever it matches until none does, in a loss of any size, so stability
//! never depends on a limit or a cost. [`unstable`] names the operations that stay unstable all
//! the same.

mod unstable;

pub use unstable::{Unstable, unstable};

use lossc_dialect::Program;
use lossc_dialect::program::BuildError;
use lossc_faults::{Fault, is_seeded};

use crate::egraph::{Rewriting, Rule, direct, exact, real};

/// The rules. Right sides are at least as accurate and never less defined. `add` and `mul` match
/// their operands in either order. A new rule must reduce the measure of `stabilise/tests.rs`,
/// so that the phase terminates.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    real("sigmoid-by-exp",    "(div 1.0 (add 1.0 (exp ?x)))", "(sigmoid (neg ?x))"),
    real("one-minus-sigmoid", "(sub 1.0 (sigmoid ?x))",       "(sigmoid (neg ?x))"),
    real("log-sigmoid",       "(log (sigmoid ?x))",           "(neg (softplus (neg ?x)))"),
    real("log1p-neg-sigmoid", "(log1p (neg (sigmoid ?x)))",   "(neg (softplus ?x))"),
    real("log1p-exp",         "(log1p (exp ?x))",             "(softplus ?x)"),
    real("log-one-plus",      "(log (add 1.0 ?x))",           "(log1p ?x)"),
    real("exp-minus-one",     "(sub (exp ?x) 1.0)",           "(expm1 ?x)"),
    exact("mul-minus-one",    "(mul -1.0 ?x)",                "(neg ?x)"),
    exact("neg-neg",          "(neg (neg ?x))",               "?x"),
    exact("sub-neg",          "(sub ?a (neg ?b))",            "(add ?a ?b)"),
    exact("add-neg",          "(add ?a (neg ?b))",            "(sub ?a ?b)"),
    exact("neg-mul",          "(mul (neg ?a) ?b)",            "(neg (mul ?a ?b))"),
];

/// The stable form of `program`, with its proof if `explain` is set.
pub fn stabilise(program: &Program, explain: bool) -> Result<Rewriting, BuildError> {
    let rules = if is_seeded(Fault::StabilisingGivesUp) { &[] } else { RULES };
    direct(program, rules, explain)
}

#[cfg(test)]
mod tests;
