//! Phase 2: the cheapest program for a target, loss and gradient together.
//!
//! Rules are tables by theme in [`rules`]; prices are tables by target in
//! [`prices`].

pub mod prices;
pub mod rules;
mod zeros;

use lossc_dialect::Program;
use lossc_dialect::program::BuildError;

use crate::egraph::{Class, Limits, Rewriting, Rule, rewrite};
use prices::PriceList;

/// The cheapest form of `program` by the target's price list and the rules for its numerics.
pub fn saturate(program: &Program, prices: PriceList, explain: bool) -> Result<Rewriting, BuildError> {
    saturate_by(&rules::of(prices.numerics()), program, prices, explain)
}

/// The cheapest form of `program` by some rules and the target's price list.
pub fn saturate_by(
    rules: &[Rule],
    program: &Program,
    prices: PriceList,
    explain: bool,
) -> Result<Rewriting, BuildError> {
    let price = move |op, level| prices.price(op, level);
    let sees_signs = zeros::sees_signs(program);
    let is_sound = |rule: &&Rule| rule.class != Class::ExactButZero || !sees_signs;
    let rules: Vec<_> = rules.iter().filter(is_sound).copied().collect();
    rewrite(program, &rules, Limits::default(), &price, explain)
}
