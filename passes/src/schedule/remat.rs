//! Saving or rematerialising.
//!
//! A pass may read a pixel value that an earlier pass saved, or compute it again from values
//! that it then needs in turn. The cheapest choice is a minimum cut: each value has a node
//! *needed* and a node *computed*. The edge between them has the cost of saving, the edge from
//! *computed* to the sink the cost of computing, and an uncuttable edge leads from *computed* to
//! each operand's *needed*. The values on the side of the source are computed (J. M. W. Rhys: "A
//! selection problem of shared fixed costs and network flows", Management Science 17, 1970).

use std::collections::{HashMap, HashSet};

use lossc_dialect::{Element, Level, Node, Op, ValueId};
use petgraph::algo::dinics;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Kernel, Schedule};
use crate::saturate::costs::{CompactionCost, CostModel};

/// More than all costs of a program together.
const UNCUTTABLE: u64 = 1 << 40;

/// Lets the later ones of `kernels` read values that earlier ones save, where that is cheaper
/// than computing them again.
pub(super) fn save(schedule: &mut Schedule, kernels: &mut [Kernel], home: Home, model: CostModel) {
    for later in 1..kernels.len() {
        if let Some(active) = kernels[later].compaction {
            save_for(schedule, kernels, [0, later], active);
        }
        let earlier: Vec<_> = kernels[..later]
            .iter()
            .map(|kernel| schedule.pixel_values(&computing_part(schedule, kernel)))
            .collect();
        let part = computing_part(schedule, &kernels[later]);
        let of_active = kernels[later].compaction.and(model.compaction_cost()).map(Home::Active);
        let costs = Costs { model, home: of_active.unwrap_or(home) };
        for value in cheaper_saved(schedule, &part, &earlier.concat(), costs) {
            let saver = earlier.iter().position(|values| values.contains(&value));
            save_for(schedule, kernels, [saver.expect("an earlier kernel has it"), later], value);
        }
    }
}

/// Makes one kernel save `value` and another load it.
fn save_for(schedule: &mut Schedule, kernels: &mut [Kernel], [saver, reader]: [usize; 2], value: ValueId) {
    let saved = schedule.save(value);
    if !kernels[saver].saves.contains(&saved) {
        kernels[saver].saves.push(saved);
    }
    kernels[reader].loads.push(saved);
}

/// The part of a kernel whose values are worth saving or loading.
fn computing_part(schedule: &Schedule, kernel: &Kernel) -> Kernel {
    schedule.parts(kernel).map_or_else(|| kernel.clone(), |[_, of_active]| of_active)
}

/// The values of `earlier` kernels that `kernel` reads in the cheapest choice.
fn cheaper_saved(schedule: &Schedule, kernel: &Kernel, earlier: &[ValueId], costs: Costs) -> Vec<ValueId> {
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
        let saving = if earlier.contains(&value) { costs.saving(node) } else { None };
        graph.add_edge(needed, computed, saving.unwrap_or(UNCUTTABLE));
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
    let is_saved = |(_, [needed, computed]): &(&ValueId, &[NodeIndex; 2])| {
        reached[needed.index()] && !reached[computed.index()]
    };
    values.iter().zip(&nodes).filter(is_saved).map(|(&value, _)| value).collect()
}

/// The memory in which values are saved.
#[derive(Clone, Copy)]
pub(super) enum Home {
    /// Main memory, for all pixels.
    Memory,
    /// Main memory, for the active pixels alone, which are all that the kernel computes.
    Active(CompactionCost),
    /// A GPU's shared memory.
    SharedMemory,
}

/// The costs of a kernel's values.
#[derive(Clone, Copy)]
struct Costs {
    model: CostModel,
    home: Home,
}

impl Costs {
    /// The cost of saving a value; `None` if it cannot be saved or needs no computing.
    fn saving(self, node: &Node) -> Option<u64> {
        let is_leaf = match node.op {
            Op::Argument(_) => matches!(self.home, Home::Memory),
            op => matches!(op, Op::Constant(_) | Op::Broadcast),
        };
        match node.ty.element {
            Element::F32 if !is_leaf => Some(self.model.saving_float()),
            Element::Mask if !is_leaf => Some(self.model.saving_mask()),
            _ => None,
        }
    }

    /// The cost of a value given its operands. Reading an input for active pixels alone is
    /// costly.
    fn computing(self, node: &Node) -> u64 {
        match (node.op, self.home) {
            (Op::Argument(_), Home::Active(compaction_cost)) => compaction_cost.input,
            (Op::Argument(_), Home::SharedMemory) => self.model.reading(node.ty.element),
            (op, _) => self.model.cost(op, Level::Pixel),
        }
    }
}

/// The nodes that are reachable from `source` along edges with residual capacity.
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
