//! Checking a proof, without an e-graph.

use std::collections::HashMap;

use egg::Id;
use lossc_dialect::Program;

use super::equalities::Equalities;
use super::{Direction, Place, Proof, ProofError, Step};
use crate::egraph::sides::Sides;
use crate::egraph::terms::Terms;
use crate::egraph::{Condition, FactsAnalysis, Rule, from_expression, to_expression};

/// See [`Proof::check`].
pub(super) fn check(proof: &Proof, source: &Program, rules: &[Rule]) -> Result<Program, ProofError> {
    let mut terms = Terms::read(&proof.nodes, source.arguments().len())?;
    let end = |terms: &Terms, index, place| terms.id(index).ok_or(ProofError::Missing { place });
    let first = end(&terms, proof.source, Place::Source)?;
    let last = end(&terms, proof.result, Place::Result)?;
    if terms.add_expression(&to_expression(source)) != Some(first) {
        return Err(ProofError::Source);
    }
    let checker =
        Checker { terms: &terms, rules: rules.iter().map(|rule| (rule.name, Sides::of(rule))).collect() };
    let steps = proof.steps.iter().enumerate().map(|(index, step)| checker.step(index + 1, step));
    let claims = steps.collect::<Result<_, _>>()?;
    if !accept(claims, &terms, FactsAnalysis::of(source))?.are_equal(first, last) {
        return Err(ProofError::Apart);
    }
    Ok(from_expression(&terms.expression(last), source)?)
}

/// A step that is an instance of its rule, if its conditions hold.
struct Claim<'a> {
    number: usize,
    step: &'a Step,
    /// The conditions, each with its node.
    side_conditions: Vec<(Condition, Id)>,
    from: Id,
    to: Id,
}

struct Checker<'a> {
    terms: &'a Terms,
    rules: HashMap<&'static str, Sides>,
}

impl Checker<'_> {
    /// Checks a step except for its conditions.
    fn step<'s>(&self, number: usize, step: &'s Step) -> Result<Claim<'s>, ProofError> {
        let id = |index| self.terms.id(index).ok_or(ProofError::Missing { place: Place::Step(number) });
        let (from, to) = (id(step.from)?, id(step.to)?);
        let rule = || step.rule.clone();
        let unknown = || ProofError::UnknownRule { step: number, rule: rule() };
        let sides = self.rules.get(step.rule.as_str()).ok_or_else(unknown)?;
        let (left, right) = match step.direction {
            Direction::Forward => (from, to),
            Direction::Backward => (to, from),
        };
        let side_conditions = sides.instance(self.terms, left, right);
        let side_conditions =
            side_conditions.ok_or_else(|| ProofError::Instance { step: number, rule: rule() })?;
        Ok(Claim { number, step, side_conditions, from, to })
    }
}

/// Checks the conditions of all steps, and returns the equalities that follow.
///
/// The e-graph met a condition by the facts of a value in all its forms. So here too, a step
/// that shows two forms equal makes the facts of each known of both. A step adds facts only once
/// its own conditions follow from steps that were accepted before, in whatever order; so no step
/// justifies itself.
fn accept<'a>(
    mut open: Vec<Claim<'_>>,
    terms: &'a Terms,
    analysis: FactsAnalysis,
) -> Result<Equalities<'a>, ProofError> {
    let mut known = Equalities::new(terms, analysis);
    while !open.is_empty() {
        let (accepted, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|claim| {
            claim.side_conditions.iter().all(|&(condition, id)| known.shows(condition, id))
        });
        if accepted.is_empty() {
            return Err(unmet(&rest, &known));
        }
        for claim in &accepted {
            known.equate(claim.from, claim.to);
        }
        known.learn();
        open = rest;
    }
    Ok(known)
}

fn unmet(open: &[Claim<'_>], known: &Equalities<'_>) -> ProofError {
    let claim = &open[0];
    let unmet = claim.side_conditions.iter().find(|&&(condition, id)| !known.shows(condition, id));
    let condition = unmet.map(|(condition, _)| condition.to_string()).unwrap_or_default();
    ProofError::Condition { step: claim.number, rule: claim.step.rule.clone(), condition }
}
