//! The rules, by theme. See README.md beside this file for the policy.

pub mod arithmetic;
pub mod random;
pub mod range;
pub mod reduction;
pub mod select;
pub mod sigmoid;

use crate::egraph::Rule;

/// Every rule of the phase.
pub fn all() -> Vec<Rule> {
    [arithmetic::RULES, range::RULES, sigmoid::RULES, select::RULES, reduction::RULES, random::RULES].concat()
}
