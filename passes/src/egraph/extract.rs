//! The provably cheapest program of an e-graph.
//!
//! Passes over the data come first: each class keeps only the nodes of least depth in
//! reductions, since a pass costs more than any arithmetic. This fixes the pass in which each
//! reduction is computed, and a program's cost is that of the kernels of its schedule: a pixel's
//! value is paid for once in every kernel that needs it, however many values there share it
//! ([`kernels`]). The extraction does not foresee that the schedule may save a value for a later
//! kernel of the same call.
//!
//! An e-class takes one node in the whole program, so a mask has the same bits wherever it is
//! computed. Branch and bound ([`search`]) finds the nodes, after the nodes that no cheapest
//! program has were dropped ([`choices`]). Of programs of equal cost the first in a fixed order
//! is taken, and the search is bounded by a number of steps: the result is the same on every
//! machine.

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

/// The cost of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgramCost {
    /// The longest chain of reductions over pixels that wait for one another.
    pub depth: usize,
    /// The costs of the distinct values of each kernel, for one call of each
    /// entry point.
    pub arithmetic: u64,
}

/// The cheapest program of an e-graph.
pub struct Extraction {
    /// The program.
    pub expression: RecExpr<LossNode>,
    /// The program's cost.
    pub cost: ProgramCost,
    /// The limit that was hit, if the program may not be the cheapest.
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

/// The cost of `expression`, all of whose nodes are in `egraph`.
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

/// The number of passes over the data that end at this node: 0 or 1.
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
