//! Programs as e-graphs: the common part of the two rewriting phases, stabilise and saturate.

mod convert;
mod directed;
mod extract;
mod facts;
mod language;
mod proof;
mod rule;
mod saturation;
mod sides;
mod terms;

pub use convert::{from_expression, to_expression};
pub use directed::direct;
pub use extract::{Extraction, OpCost, ProgramCost, extract};
pub use facts::{Facts, FactsAnalysis, Range, SMALL};
pub use language::{LossNode, NodeOp};
pub use proof::{Direction, Proof, ProofError, Step};
pub use rule::{Class, Condition, Rule, but_zero, exact, real, ulps};
pub use saturation::Limits;

/// Patterns, for the tests of rules.
#[cfg(test)]
pub(crate) use egg::{ENodeOrVar, Pattern, Var};

use egg::EGraph;
use lossc_dialect::Program;
use lossc_dialect::program::BuildError;

use crate::stack::deep;
use saturation::{End, saturate};

/// The e-graph of a program.
pub type LossGraph = EGraph<LossNode, FactsAnalysis>;

/// The outcome of a rewriting phase.
#[derive(Clone, Debug)]
pub struct Rewriting {
    /// The rewritten program.
    pub program: Program,
    /// The rules on the way from source to result, in the order of the proof; empty unless
    /// requested.
    pub rules: Vec<&'static str>,
    /// Every step on that way; `None` unless requested.
    pub proof: Option<Proof>,
    /// The limit that was hit, if the rules or the extraction did not finish. The result is
    /// sound, but there may be a cheaper one.
    pub limit: Option<String>,
    /// Nodes in the e-graph at the end.
    pub nodes: usize,
    /// Rounds of the rules.
    pub iterations: usize,
    /// The costs of the source and of the result; 0 if a phase has no costs.
    pub cost: (ProgramCost, ProgramCost),
}

/// Rewrites `program` by `rules` and extracts the cheapest equal program by `cost`. The proof is
/// made only if `explain` is set: it takes time.
pub fn rewrite(
    program: &Program,
    rules: &[Rule],
    limits: Limits,
    cost: &OpCost,
    explain: bool,
) -> Result<Rewriting, BuildError> {
    // egg explains by recursion.
    deep(|| search(program, rules, limits, cost, explain))
}

fn search(
    program: &Program,
    rules: &[Rule],
    limits: Limits,
    cost: &OpCost,
    explain: bool,
) -> Result<Rewriting, BuildError> {
    let source = to_expression(program);
    let mut egraph = graph(program, explain);
    let root = egraph.add_expr(&source);
    let End { rounds, limit } = saturate(&mut egraph, rules, limits);
    let Extraction { expression, limit: stopped, .. } = extract(&egraph, root, cost);
    let cost_of = |expression| extract::cost_of(expression, &egraph, cost);
    let (before, after) = (cost_of(&source), cost_of(&expression));
    // If nothing is cheaper, the source stays as written.
    let (expression, cost) = if after < before { (expression, after) } else { (source.clone(), before) };
    let proof = explain.then(|| Proof::record(&egraph.explain_equivalence(&source, &expression)));
    Ok(Rewriting {
        program: from_expression(&expression, program)?,
        rules: proof.as_ref().map_or(vec![], |proof| proof.rules(rules)),
        proof,
        limit: limit.map(|limit| limit.to_string()).or(stopped),
        nodes: egraph.total_size(),
        iterations: rounds,
        cost: (before, cost),
    })
}

/// An empty e-graph for `program`.
fn graph(program: &Program, explain: bool) -> LossGraph {
    let egraph = EGraph::new(FactsAnalysis::of(program));
    if explain { egraph.with_explanations_enabled() } else { egraph }
}

#[cfg(test)]
pub(crate) mod evidence;
