//! Sigmoid and softplus from one exponential, `e = exp(-|x|)`.

use crate::egraph::{Rule, exact, ulps};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // The definitions by which the op table computes them: the same operations.
    exact("sigmoid-by-exp",       "(sigmoid ?x)",
          "(select (less ?x 0.0) (div (exp (neg (abs ?x))) (add 1.0 (exp (neg (abs ?x))))) (div 1.0 (add 1.0 (exp (neg (abs ?x))))))"),
    exact("softplus-by-exp",      "(softplus ?x)",
          "(add (max ?x 0.0) (log1p (exp (neg (abs ?x)))))"),
    // A NaN need not come through the first term: it comes through the second.
    exact("softplus-relu",        "(add (max ?x 0.0) (log1p (exp (neg (abs ?x)))))",
          "(add (select (less 0.0 ?x) ?x 0.0) (log1p (exp (neg (abs ?x)))))"),
    // One division for both branches.
    ulps(1, "div-by-reciprocal",  "(div (exp ?y) (add 1.0 (exp ?y)))", "(mul (exp ?y) (div 1.0 (add 1.0 (exp ?y))))"),
];
