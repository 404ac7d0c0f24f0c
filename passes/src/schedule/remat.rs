//! Keeping or computing again.
//!
//! A pass may read a pixel value that an earlier pass kept, or compute it again
//! from values that it then needs in turn. The cheapest choice is a minimum cut:
//! each value has a node *needed* and a node *computed*; the edge between them is
//! what keeping costs, the edge from *computed* to the sink what computing costs,
//! and an uncuttable edge leads from *computed* to each operand's *needed*. What
//! stays on the side of the source is computed (J. M. W. Rhys: "A selection problem
//! of shared fixed costs and network flows", Management Science 17, 1970).

use std::collections::{HashMap, HashSet};

use lossc_dialect::{Element, Level, Node, Op, ValueId};
use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Kernel, Schedule};
use crate::saturate::costs::{CompactionCost, CostModel};

/// More than all costs of a program together.
const UNCUTTABLE: u64 = 1 << 40;

/// Lets the later ones of `kernels` read what earlier ones keep, where that is
/// cheaper than to compute it again.
pub(super) fn store(schedule: &mut Schedule, kernels: &mut [Kernel], place: Home, list: CostModel) {
    for later in 1..kernels.len() {
        if let Some(active) = kernels[later].compaction {
            keep(schedule, kernels, [0, later], active);
        }
        let earlier: Vec<_> = kernels[..later]
            .iter()
            .map(|kernel| schedule.pixel_values(&computing_part(schedule, kernel)))
            .collect();
        let part = computing_part(schedule, &kernels[later]);
        let of_active = kernels[later].compaction.and(list.compaction_cost()).map(Home::Active);
        let costs = Costs { list, place: of_active.unwrap_or(place) };
        for value in cheaper_kept(schedule, &part, &earlier.concat(), costs) {
            let keeper = earlier.iter().position(|values| values.contains(&value));
            keep(schedule, kernels, [keeper.expect("an earlier kernel has it"), later], value);
        }
    }
}

/// Lets one kernel keep `value` for another.
fn keep(schedule: &mut Schedule, kernels: &mut [Kernel], [keeper, reader]: [usize; 2], value: ValueId) {
    let saved = schedule.save(value);
    if !kernels[keeper].saves.contains(&saved) {
        kernels[keeper].saves.push(saved);
    }
    kernels[reader].loads.push(saved);
}

/// The part of a kernel that is worth keeping something of or for.
fn computing_part(schedule: &Schedule, kernel: &Kernel) -> Kernel {
    schedule.parts(kernel).map_or_else(|| kernel.clone(), |[_, of_active]| of_active)
}

/// Which values of `earlier` kernels are read by `kernel` if all is as cheap as can
/// be.
fn cheaper_kept(schedule: &Schedule, kernel: &Kernel, earlier: &[ValueId], costs: Costs) -> Vec<ValueId> {
    let program = &schedule.program;
    let values = schedule.pixel_values(kernel);
    let mut graph = DiGraph::<(), u64>::new();
    let [source, sink] = [0; 2].map(|_| graph.add_node(()));
    let nodes: Vec<_> = values.iter().map(|_| [0; 2].map(|_| graph.add_node(()))).collect();
    let places: HashMap<_, _> = values.iter().enumerate().map(|(place, &value)| (value, place)).collect();
    let place = |value: ValueId| places.get(&value).copied();
    let earlier: HashSet<_> = earlier.iter().collect();
    for (&value, &[needed, computed]) in values.iter().zip(&nodes) {
        let node = program.node(value);
        let keeping = if earlier.contains(&value) { costs.keeping(node) } else { None };
        graph.add_edge(needed, computed, keeping.unwrap_or(UNCUTTABLE));
        graph.add_edge(computed, sink, costs.computing(node));
        for operand in node.operands.iter().filter_map(|&operand| place(operand)) {
            graph.add_edge(computed, nodes[operand][0], UNCUTTABLE);
        }
    }
    for root in schedule.targets(kernel).filter_map(place) {
        graph.add_edge(source, nodes[root][0], UNCUTTABLE);
    }
    let (_, flows) = dinics(&graph, source, sink);
    let reached = reached(&graph, source, &flows);
    let is_kept = |(_, [needed, computed]): &(&ValueId, &[NodeIndex; 2])| {
        reached[needed.index()] && !reached[computed.index()]
    };
    values.iter().zip(&nodes).filter(is_kept).map(|(&value, _)| value).collect()
}

/// Where values are kept.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// In memory, of all pixels.
    Memory,
    /// In memory, of active pixels alone, which are all that the kernel computes.
    Active(CompactionCost),
    /// In a GPU's shared memory.
    SharedMemory,
}

/// What a kernel's values cost.
#[derive(Clone, Copy)]
struct Costs {
    list: CostModel,
    place: Home,
}

impl Costs {
    /// What keeping a value costs; none if it cannot be kept or is nothing to compute.
    fn keeping(self, node: &Node) -> Option<u64> {
        let is_leaf = match node.op {
            Op::Argument(_) => matches!(self.place, Home::Memory),
            op => matches!(op, Op::Constant(_) | Op::Broadcast),
        };
        match node.ty.element {
            Element::F32 if !is_leaf => Some(self.list.keeping_float()),
            Element::Mask if !is_leaf => Some(self.list.keeping_mask()),
            _ => None,
        }
    }

    /// What it costs to have a value from its operands. To read an input for active pixels
    /// alone is dear.
    fn computing(self, node: &Node) -> u64 {
        match (node.op, self.place) {
            (Op::Argument(_), Home::Active(compaction_cost)) => compaction_cost.input,
            (Op::Argument(_), Home::SharedMemory) => self.list.reading(node.ty.element),
            (op, _) => self.list.cost(op, Level::Pixel),
        }
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
