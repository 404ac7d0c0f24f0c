//! Keeping or computing again.
//!
//! A pass may read a pixel value that an earlier pass kept, or compute it again
//! from values that it then needs in turn. The cheapest choice is a minimum cut:
//! each value has a node *needed* and a node *computed*; the edge between them is
//! what keeping costs, the edge from *computed* to the sink what computing costs,
//! and an uncuttable edge leads from *computed* to each operand's *needed*. What
//! stays on the side of the source is computed (J. M. W. Rhys: "A selection problem
//! of shared fixed costs and network flows", Management Science 17, 1970).

use lossc_dialect::{Element, Level, Op, ValueId};
use petgraph::algo::ford_fulkerson;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Kernel, Schedule};
use crate::saturate::prices::PriceList;

/// More than all prices of a program together.
const UNCUTTABLE: u64 = 1 << 40;

/// Lets the later ones of `kernels` read what earlier ones keep, where that is
/// cheaper than to compute it again.
pub(super) fn store(schedule: &mut Schedule, kernels: &mut [Kernel], prices: PriceList) {
    for later in 1..kernels.len() {
        let earlier: Vec<_> = kernels[..later].iter().map(|kernel| schedule.pixel_values(kernel)).collect();
        for value in cheaper_kept(schedule, &kernels[later], &earlier.concat(), prices) {
            let keeper = earlier.iter().position(|values| values.contains(&value));
            let stored = schedule.store(value);
            let keeper = &mut kernels[keeper.expect("an earlier kernel has it")];
            if !keeper.stores.contains(&stored) {
                keeper.stores.push(stored);
            }
            kernels[later].loads.push(stored);
        }
    }
}

/// Which values of `earlier` kernels are read by `kernel` if all is as cheap as can
/// be.
fn cheaper_kept(
    schedule: &Schedule,
    kernel: &Kernel,
    earlier: &[ValueId],
    prices: PriceList,
) -> Vec<ValueId> {
    let program = &schedule.program;
    let values = schedule.pixel_values(kernel);
    let mut graph = DiGraph::<(), u64>::new();
    let [source, sink] = [0; 2].map(|_| graph.add_node(()));
    let nodes: Vec<_> = values.iter().map(|_| [0; 2].map(|_| graph.add_node(()))).collect();
    let place = |value: ValueId| values.iter().position(|known| *known == value);
    for (&value, &[needed, computed]) in values.iter().zip(&nodes) {
        let node = program.node(value);
        let keeping = if earlier.contains(&value) { keeping(node.op, node.ty.element, prices) } else { None };
        graph.add_edge(needed, computed, keeping.unwrap_or(UNCUTTABLE));
        graph.add_edge(computed, sink, prices.price(node.op, Level::Pixel));
        for operand in node.operands.iter().filter_map(|&operand| place(operand)) {
            graph.add_edge(computed, nodes[operand][0], UNCUTTABLE);
        }
    }
    for root in schedule.targets(kernel).filter_map(place) {
        graph.add_edge(source, nodes[root][0], UNCUTTABLE);
    }
    let (_, flows) = ford_fulkerson(&graph, source, sink);
    let reached = reached(&graph, source, &flows);
    let is_kept = |(_, [needed, computed]): &(&ValueId, &[NodeIndex; 2])| {
        reached[needed.index()] && !reached[computed.index()]
    };
    values.iter().zip(&nodes).filter(is_kept).map(|(&value, _)| value).collect()
}

/// What keeping a value costs; none if it cannot be kept or is nothing to compute.
fn keeping(op: Op, element: Element, prices: PriceList) -> Option<u64> {
    if matches!(op, Op::Argument(_) | Op::Constant(_) | Op::Broadcast) {
        return None;
    }
    match element {
        Element::F32 => Some(prices.keeping_float()),
        Element::Mask => Some(prices.keeping_mask()),
        _ => None,
    }
}

/// The nodes that still have room on a way from `source`.
fn reached(graph: &DiGraph<(), u64>, source: NodeIndex, flows: &[u64]) -> Vec<bool> {
    let mut reached = vec![false; graph.node_count()];
    reached[source.index()] = true;
    let mut open = vec![source];
    while let Some(node) = open.pop() {
        let ahead = graph
            .edges(node)
            .filter(|edge| flows[edge.id().index()] < *edge.weight())
            .map(|edge| edge.target());
        let back = graph
            .edges_directed(node, petgraph::Direction::Incoming)
            .filter(|edge| flows[edge.id().index()] > 0)
            .map(|edge| edge.source());
        for next in ahead.chain(back) {
            if !std::mem::replace(&mut reached[next.index()], true) {
                open.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests;
