//! Phase 2: the cheapest program for a target, loss and gradient together.
//!
//! Rules are tables by theme in [`rules`]; costs are tables by target in
//! [`costs`].

pub mod costs;
pub mod rules;
mod zeros;

use lossc_dialect::Program;
use lossc_dialect::program::BuildError;

use crate::egraph::{Class, Limits, Rewriting, Rule, rewrite};
use costs::CostModel;

/// The cheapest form of `program` by the target's cost model and the rules for its numerics.
pub fn saturate(program: &Program, costs: CostModel, explain: bool) -> Result<Rewriting, BuildError> {
    saturate_by(&rules::of(costs.numerics()), program, costs, explain)
}

/// The cheapest form of `program` by the target's cost model and the given rules.
pub fn saturate_by(
    rules: &[Rule],
    program: &Program,
    costs: CostModel,
    explain: bool,
) -> Result<Rewriting, BuildError> {
    let cost = move |op, level| costs.cost(op, level);
    let sees_signs = zeros::sees_signs(program);
    let is_sound = |rule: &&Rule| rule.class != Class::ExactButZero || !sees_signs;
    let rules: Vec<_> = rules.iter().filter(is_sound).copied().collect();
    rewrite(program, &rules, Limits::default(), &cost, explain)
}
