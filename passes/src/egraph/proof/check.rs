//! Checks a proof, without an e-graph.

use std::collections::HashMap;

use egg::{ENodeOrVar, Id, PatternAst, Var};
use lossc_dialect::Program;

use super::equalities::Equalities;
use super::terms::Terms;
use super::{Direction, Place, Proof, ProofError, Step};
use crate::egraph::{Condition, FactsAnalysis, LossNode, Rule, from_expression, to_expression};

/// See [`Proof::check`].
pub(super) fn check(proof: &Proof, source: &Program, rules: &[Rule]) -> Result<Program, ProofError> {
    let mut terms = Terms::read(&proof.nodes, source.arguments().len())?;
    let mut here = terms.id(proof.source).ok_or(ProofError::Missing { place: Place::Source })?;
    if terms.add_expression(&to_expression(source)) != Some(here) {
        return Err(ProofError::Source);
    }
    let checker =
        Checker { terms: &terms, rules: rules.iter().map(|rule| (rule.name, Sides::of(rule))).collect() };
    let mut claims = vec![];
    for (index, step) in proof.steps.iter().enumerate() {
        let claim = checker.step(index + 1, step, here)?;
        here = claim.after;
        claims.push(claim);
    }
    conditions(claims, &terms, FactsAnalysis::of(source))?;
    Ok(from_expression(&terms.expression(here), source)?)
}

/// A rule's sides as patterns, and its conditions.
struct Sides {
    left: PatternAst<LossNode>,
    right: PatternAst<LossNode>,
    asks: Vec<(Condition, Var)>,
}

impl Sides {
    fn of(rule: &Rule) -> Self {
        let [left, right] = rule.sides();
        Self { left: left.ast, right: right.ast, asks: rule.asks() }
    }
}

/// A step that is an instance of its rule, if its conditions hold.
struct Claim<'a> {
    number: usize,
    step: &'a Step,
    /// What its conditions ask of which nodes.
    asks: Vec<(Condition, Id)>,
    from: Id,
    to: Id,
    before: Id,
    after: Id,
}

struct Checker<'a> {
    terms: &'a Terms,
    rules: HashMap<&'static str, Sides>,
}

impl Checker<'_> {
    /// Checks all of a step but its conditions.
    fn step<'s>(&self, number: usize, step: &'s Step, before: Id) -> Result<Claim<'s>, ProofError> {
        let id = |index| self.terms.id(index).ok_or(ProofError::Missing { place: Place::Step(number) });
        let (from, to, after) = (id(step.from)?, id(step.to)?, id(step.term)?);
        let rule = step.rule.clone();
        let unknown = || ProofError::UnknownRule { step: number, rule: rule.clone() };
        let sides = self.rules.get(step.rule.as_str()).ok_or_else(unknown)?;
        let Some(asks) = self.instance(sides, step.direction, from, to) else {
            return Err(ProofError::Instance { step: number, rule });
        };
        if !(Replacement { terms: self.terms, from, to, known: HashMap::new() }).leads(before, after) {
            return Err(ProofError::Elsewhere { step: number, rule });
        }
        Ok(Claim { number, step, asks, from, to, before, after })
    }

    /// What the rule asks for, if the nodes are an instance of its sides.
    fn instance(
        &self,
        sides: &Sides,
        direction: Direction,
        from: Id,
        to: Id,
    ) -> Option<Vec<(Condition, Id)>> {
        let (left, right) = match direction {
            Direction::Forward => (from, to),
            Direction::Backward => (to, from),
        };
        let mut variables = HashMap::new();
        let same = self.matches(&sides.left, root(&sides.left), left, &mut variables)
            && self.matches(&sides.right, root(&sides.right), right, &mut variables);
        let ask = |(condition, variable): &(Condition, Var)| Some((*condition, *variables.get(variable)?));
        if same { sides.asks.iter().map(ask).collect() } else { None }
    }

    /// Whether the node `id` is an instance of the part `at` of `pattern`.
    fn matches(
        &self,
        pattern: &PatternAst<LossNode>,
        at: Id,
        id: Id,
        variables: &mut HashMap<Var, Id>,
    ) -> bool {
        match &pattern[at] {
            ENodeOrVar::Var(variable) => *variables.entry(*variable).or_insert(id) == id,
            ENodeOrVar::ENode(expected) => {
                let found = self.terms.node(id);
                let mut children = expected.children.iter().zip(&found.children);
                (expected.op, expected.children.len()) == (found.op, found.children.len())
                    && children.all(|(&at, &child)| self.matches(pattern, at, child, variables))
            }
        }
    }
}

fn root(pattern: &PatternAst<LossNode>) -> Id {
    Id::from(pattern.len() - 1)
}

/// One node in place of another.
struct Replacement<'a> {
    terms: &'a Terms,
    from: Id,
    to: Id,
    known: HashMap<(Id, Id), bool>,
}

impl Replacement<'_> {
    /// Whether `before` becomes `after` by replacing nothing but `from`, at some of
    /// its places.
    fn leads(&mut self, before: Id, after: Id) -> bool {
        if before == after || (before, after) == (self.from, self.to) {
            return true;
        }
        if let Some(&known) = self.known.get(&(before, after)) {
            return known;
        }
        let (first, last) = (self.terms.node(before), self.terms.node(after));
        let mut children = first.children.iter().zip(&last.children);
        let leads = (first.op, first.children.len()) == (last.op, last.children.len())
            && children.all(|(&before, &after)| self.leads(before, after));
        self.known.insert((before, after), leads);
        leads
    }
}

/// Checks the conditions of all steps.
///
/// A condition was met by what the e-graph knew of a value in all its forms, so
/// here too: what a step shows to be equal is known under both forms. A step adds
/// to what is known only once its own conditions follow from steps that were
/// accepted before, in whatever order; so no step is its own reason.
fn conditions(mut open: Vec<Claim<'_>>, terms: &Terms, analysis: FactsAnalysis) -> Result<(), ProofError> {
    let mut known = Equalities::new(terms, analysis);
    while !open.is_empty() {
        let (accepted, rest): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|claim| claim.asks.iter().all(|&(condition, id)| known.shows(condition, id)));
        if accepted.is_empty() {
            return Err(unmet(&rest, &known));
        }
        for claim in &accepted {
            known.equate(claim.from, claim.to);
            known.equate(claim.before, claim.after);
        }
        known.learn();
        open = rest;
    }
    Ok(())
}

fn unmet(open: &[Claim<'_>], known: &Equalities<'_>) -> ProofError {
    let claim = &open[0];
    let unmet = claim.asks.iter().find(|&&(condition, id)| !known.shows(condition, id));
    let condition = unmet.map(|(condition, _)| condition.to_string()).unwrap_or_default();
    ProofError::Condition { step: claim.number, rule: claim.step.rule.clone(), condition }
}
