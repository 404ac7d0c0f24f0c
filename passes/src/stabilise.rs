//! Phase 1: from the formula in the paper to one that survives large logits.
//!
//! A loss may be written with naive logarithms of sigmoids. Here they become
//! softplus, before differentiation, so that the gradient is that of the stable
//! form.

use lossc_dialect::program::BuildError;
use lossc_dialect::{Level, Op, Program};
use lossc_faults::{Fault, is_seeded};

use crate::egraph::{Limits, Rewriting, Rule, exact, real, rewrite};

/// The rules. Right sides are at least as accurate and never less defined.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    real("sigmoid-by-exp",        "(div 1.0 (add 1.0 (exp (neg ?x))))", "(sigmoid ?x)"),
    real("sigmoid-by-exp-swap",   "(div 1.0 (add (exp (neg ?x)) 1.0))", "(sigmoid ?x)"),
    real("one-minus-sigmoid",     "(sub 1.0 (sigmoid ?x))",             "(sigmoid (neg ?x))"),
    real("log-sigmoid",           "(log (sigmoid ?x))",                 "(neg (softplus (neg ?x)))"),
    real("log1p-neg-sigmoid",     "(log1p (neg (sigmoid ?x)))",         "(neg (softplus ?x))"),
    real("log1p-exp",             "(log1p (exp ?x))",                   "(softplus ?x)"),
    real("log-one-plus",          "(log (add 1.0 ?x))",                 "(log1p ?x)"),
    real("log-plus-one",          "(log (add ?x 1.0))",                 "(log1p ?x)"),
    real("exp-minus-one",         "(sub (exp ?x) 1.0)",                 "(expm1 ?x)"),
    exact("neg-neg",              "(neg (neg ?x))",                     "?x"),
    exact("sub-neg",              "(sub ?a (neg ?b))",                  "(add ?a ?b)"),
    exact("add-neg",              "(add ?a (neg ?b))",                  "(sub ?a ?b)"),
    exact("neg-mul-left",         "(mul (neg ?a) ?b)",                  "(neg (mul ?a ?b))"),
    exact("neg-mul-right",        "(mul ?a (neg ?b))",                  "(neg (mul ?a ?b))"),
];

/// How much an op is to be avoided: logarithms lose what sigmoid has rounded away.
fn price(op: Op, _: Level) -> u64 {
    match op {
        Op::Log => 1000,
        Op::Exp | Op::Div => 200,
        Op::Log1p | Op::Expm1 => 100,
        Op::Sigmoid | Op::Softplus => 20,
        Op::Neg => 2,
        Op::Constant(_) => 1,
        _ => 4,
    }
}

/// The stable form of `program`.
pub fn stabilise(program: &Program, explain: bool) -> Result<Rewriting, BuildError> {
    let rules = if is_seeded(Fault::StabilisingGivesUp) { &[] } else { RULES };
    rewrite(program, rules, Limits::default(), &price, explain)
}
