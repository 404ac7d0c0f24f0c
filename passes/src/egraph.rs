//! Programs as e-graphs: what the two rewriting phases, stabilise and saturate,
//! have in common.

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

/// What a rewriting phase did.
#[derive(Clone, Debug)]
pub struct Rewriting {
    /// The result.
    pub program: Program,
    /// The rules on the way from source to result, in the order of the proof;
    /// empty unless asked for.
    pub rules: Vec<&'static str>,
    /// Every step on that way; none unless asked for.
    pub proof: Option<Proof>,
    /// The limit that was hit, if the rules or the extraction did not come to an end.
    /// The result is sound, but there may be a cheaper one.
    pub limit: Option<String>,
    /// Nodes in the e-graph at the end.
    pub nodes: usize,
    /// Rounds.
    pub iterations: usize,
    /// The cost of the source and of the result; nothing where a phase has no costs.
    pub cost: (ProgramCost, ProgramCost),
}

/// Rewrites `program` by `rules` and takes the cheapest equal program by `cost`.
/// The proof is made only if `explain` is set: it costs time.
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
    // What is not cheaper stays as it was written.
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
