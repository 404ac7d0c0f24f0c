//! The rules, by theme. See the README.md next to this file for the policy.

pub mod arithmetic;
pub mod fast;
pub mod random;
pub mod range;
pub mod reduction;
pub mod select;
pub mod sigmoid;

use lossc_dialect::ops::Numerics;

use crate::egraph::Rule;

/// Every rule of the phase.
pub fn all() -> Vec<Rule> {
    of(Numerics::Fast)
}

/// The rules by which a program of these numerics may be rewritten.
pub fn of(numerics: Numerics) -> Vec<Rule> {
    let common =
        [arithmetic::RULES, range::RULES, sigmoid::RULES, select::RULES, reduction::RULES, random::RULES];
    let further = match numerics {
        Numerics::Reproducible => &[],
        Numerics::Fast => fast::RULES,
    };
    [&common.concat(), further].concat()
}
