//! Programs as e-graphs: what the two rewriting phases, stabilise and saturate,
//! have in common.

mod convert;
mod extract;
mod facts;
mod language;
mod proof;
mod rule;

pub use convert::{from_expression, to_expression};
pub use extract::{Cost, Extraction, Price, extract};
pub use facts::{Facts, FactsAnalysis, Range};
pub use language::{LossNode, NodeOp};
pub use proof::{Direction, Proof, ProofError, Step};
pub use rule::{Class, Condition, Rule, exact, real, ulps};

use std::time::Duration;

use egg::{BackoffScheduler, EGraph, Runner, StopReason};
use lossc_dialect::Program;
use lossc_dialect::program::BuildError;

/// The e-graph of a program.
pub type LossGraph = EGraph<LossNode, FactsAnalysis>;

/// How far a phase may go. There is no limit on time: the same program gives the
/// same result on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rounds of all rules.
    pub iterations: usize,
    /// Nodes in the e-graph; egg checks between rounds.
    pub nodes: usize,
    /// Matches of one rule in one round before it has to wait.
    pub matches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { iterations: 16, nodes: 20_000, matches: 2_000 }
    }
}

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
    /// The limit that was hit, if the rules did not come to an end.
    pub limit: Option<String>,
    /// Nodes in the e-graph at the end.
    pub nodes: usize,
    /// Rounds.
    pub iterations: usize,
    /// The price of the source and of the result.
    pub cost: (Cost, Cost),
}

/// Rewrites `program` by `rules` and takes the cheapest equal program by `price`.
/// The proof is made only if `explain` is set: it costs time.
pub fn rewrite(
    program: &Program,
    rules: &[Rule],
    limits: Limits,
    price: &Price,
    explain: bool,
) -> Result<Rewriting, BuildError> {
    let source = to_expression(program);
    let mut runner = runner(program, limits, explain).with_expr(&source);
    let egg_rules: Vec<_> = rules.iter().map(Rule::to_egg).collect();
    runner = runner.run(&egg_rules);
    let root = runner.roots[0];
    let Extraction { expression, limit: stopped, .. } = extract(&runner.egraph, root, price);
    let cost_of = |expression| extract::cost_of(expression, &runner.egraph, price);
    let (before, after) = (cost_of(&source), cost_of(&expression));
    // What is not cheaper stays as it was written.
    let (expression, cost) = if after < before { (expression, after) } else { (source.clone(), before) };
    let proof = explain.then(|| Proof::record(&runner.explain_equivalence(&source, &expression)));
    Ok(Rewriting {
        program: from_expression(&expression, program)?,
        rules: proof.as_ref().map_or(vec![], |proof| proof.rules(rules)),
        proof,
        limit: limit(runner.stop_reason.as_ref()).or(stopped),
        nodes: runner.egraph.total_size(),
        iterations: runner.iterations.len(),
        cost: (before, cost),
    })
}

fn runner(program: &Program, limits: Limits, explain: bool) -> Runner<LossNode, FactsAnalysis> {
    let scheduler = BackoffScheduler::default().with_initial_match_limit(limits.matches);
    let runner = Runner::new(FactsAnalysis::of(program))
        .with_iter_limit(limits.iterations)
        .with_node_limit(limits.nodes)
        .with_time_limit(Duration::MAX)
        .with_scheduler(scheduler);
    if explain { runner.with_explanations_enabled() } else { runner }
}

fn limit(reason: Option<&StopReason>) -> Option<String> {
    match reason? {
        StopReason::Saturated => None,
        StopReason::IterationLimit(count) => Some(format!("{count} rounds")),
        StopReason::NodeLimit(count) => Some(format!("{count} nodes")),
        other => Some(format!("{other:?}")),
    }
}

#[cfg(test)]
pub(crate) mod evidence;
