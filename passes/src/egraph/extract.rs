//! The cheapest program of an e-graph, proven so.
//!
//! Passes over the data come first: each class keeps only the nodes of least
//! depth in reductions, since a pass costs more than any arithmetic. So it is
//! fixed in which pass each reduction is computed, and a program's cost is that
//! of the kernels its schedule has: a pixel's value is paid in every kernel that
//! needs it, and once in each, however many values there share it ([`kernels`]).
//! That the schedule may then keep a value for a later kernel of the same call is
//! not foreseen here.
//!
//! An e-class keeps one node in the whole program, so that a mask has the same
//! bits wherever it is computed. Which one is found by branch and bound
//! ([`search`]), after dropping the nodes that no cheapest program has
//! ([`choices`]). Of programs of equal cost the first in a fixed order is taken,
//! and what bounds the search is a number of steps: the result is the same on
//! every machine.

mod choices;
mod fallback;
mod kernels;
mod needs;
mod search;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use egg::{Id, Language as _, RecExpr};
use lossc_dialect::{Level, Op};

use super::{Facts, LossGraph, LossNode, NodeOp};
use choices::Choices;

/// The cost of one op at a level, in units of the caller's choice.
pub type OpCost = dyn Fn(Op, Level) -> u64;

/// What a program costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgramCost {
    /// Reductions over pixels that wait for one another.
    pub depth: usize,
    /// The costs of the distinct values of each kernel, for one call of each
    /// entry point.
    pub arithmetic: u64,
}

/// The cheapest program of an e-graph.
pub struct Extraction {
    /// The program.
    pub expression: RecExpr<LossNode>,
    /// What it costs.
    pub cost: ProgramCost,
    /// The limit that was hit, if it may not be the cheapest.
    pub limit: Option<String>,
}

/// The cheapest expression of the class `root`.
pub fn extract(egraph: &LossGraph, root: Id, cost: &OpCost) -> Extraction {
    let depths = depths(egraph);
    let choices = Choices::of_graph(egraph, root, &depths, cost);
    let depth = choices.depth();
    let found = search::cheapest(choices, search::STEPS);
    let expression = found.choices.expression(&found.chosen);
    Extraction { expression, cost: ProgramCost { depth, arithmetic: found.cost }, limit: found.limit }
}

/// What `expression` costs, every node of it in `egraph`.
pub(super) fn cost_of(expression: &RecExpr<LossNode>, egraph: &LossGraph, cost: &OpCost) -> ProgramCost {
    let choices = Choices::of_expression(expression, &egraph.analysis, cost);
    ProgramCost { depth: choices.depth(), arithmetic: choices.cost(&vec![0; expression.len()]) }
}

fn node_cost(node: &LossNode, level: Option<Level>, cost: &OpCost) -> u64 {
    match node.op {
        NodeOp::Roots => 0,
        NodeOp::Op(op) => cost(op, level.unwrap_or(Level::Scalar)),
    }
}

/// How many passes over the data end at this node.
fn steps(node: &LossNode) -> usize {
    usize::from(matches!(node.op, NodeOp::Op(Op::Sum | Op::Count)))
}

/// The least depth of each class.
fn depths(egraph: &LossGraph) -> HashMap<Id, usize> {
    let mut depths: HashMap<Id, usize> = HashMap::new();
    loop {
        let mut changed = false;
        for class in egraph.classes() {
            let least = class.iter().filter_map(|node| depth(egraph, node, &depths)).min();
            if let Some(least) = least {
                changed |= depths.insert(class.id, least) != Some(least);
            }
        }
        if !changed {
            return depths;
        }
    }
}

fn depth(egraph: &LossGraph, node: &LossNode, depths: &HashMap<Id, usize>) -> Option<usize> {
    let mut deepest = 0;
    for &child in node.children() {
        deepest = deepest.max(*depths.get(&egraph.find(child))?);
    }
    Some(deepest + steps(node))
}
