//! Sigmoid and softplus from one exponential, `e = exp(-|x|)`.

use crate::egraph::Condition::PerPixel;
use crate::egraph::{Rule, exact};

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // The op table's definitions, with the same operations. They are for pixels alone, because
    // values of groups would be f64. With q = 1 / (1 + e) and p = e q, the other branch is p
    // plus its remainder.
    exact("sigmoid-by-exp",       "(sigmoid ?x)",
          "(select (less ?x 0.0)
             (fma (fma (neg (mul (exp_nonpositive (neg (abs ?x))) (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x)))))))
                       (exp_nonpositive (neg (abs ?x)))
                       (sub (exp_nonpositive (neg (abs ?x)))
                            (mul (exp_nonpositive (neg (abs ?x))) (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))))
                  (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x)))))
                  (mul (exp_nonpositive (neg (abs ?x))) (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x)))))))
             (div 1.0 (add 1.0 (exp_nonpositive (neg (abs ?x))))))").when(&[PerPixel("?x")]),
    exact("softplus-by-exp",      "(softplus ?x)",
          "(add (positive_part ?x) (log1p_unit (exp_nonpositive (neg (abs ?x)))))").when(&[PerPixel("?x")]),
    // The first term need not pass on a NaN: the second does.
    exact("softplus-relu",        "(add (positive_part ?x) (log1p_unit (exp_nonpositive (neg (abs ?x)))))",
          "(add (select (less 0.0 ?x) ?x 0.0) (log1p_unit (exp_nonpositive (neg (abs ?x)))))"),
];
