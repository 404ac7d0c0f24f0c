//! The choices of an extraction: for each class the nodes that it may take.

use std::collections::HashMap;

use egg::{Id, Language as _, RecExpr};
use lossc_dialect::Level;

use super::kernels::Kernels;
use super::needs::Needs;
use super::{Facts, LossGraph, LossNode, OpCost, depth, node_cost, steps};
use crate::egraph::FactsAnalysis;

/// An operand of a candidate, and the kernels in which it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) class: usize,
    pub(super) kernels: Kernels,
}

/// A node that a class may take.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) node: LossNode,
    pub(super) cost: u64,
    pub(super) operands: Vec<Operand>,
}

/// The classes below a root, each with its candidates. In an e-graph's choices the first class
/// is the root; an expression's classes are numbered as its nodes.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) root: usize,
    pub(super) classes: Vec<Vec<Candidate>>,
    depth: usize,
}

/// The properties of a class that do not depend on its choice.
#[derive(Clone, Copy)]
struct Place {
    level: Option<Level>,
    depth: usize,
}

impl Candidate {
    fn new(node: &LossNode, own: Place, operands: &[(usize, Place)], cost: &OpCost) -> Self {
        let operand = |&(class, place): &(usize, Place)| Operand {
            class,
            kernels: Kernels::of_operand(node.op, own.depth, (place.level, place.depth)),
        };
        Self {
            node: node.clone(),
            cost: node_cost(node, own.level, cost),
            operands: operands.iter().map(operand).collect(),
        }
    }
}

impl Choices {
    /// The choices of `root` and of all classes it may need, where no node is deeper in
    /// reductions than its class in `depths`.
    pub(super) fn of_graph(egraph: &LossGraph, root: Id, depths: &HashMap<Id, usize>, cost: &OpCost) -> Self {
        let root = egraph.find(root);
        let place = |class: Id| Place { level: egraph[class].data.level, depth: depths[&class] };
        let mut numbers = HashMap::from([(root, 0)]);
        let mut found = vec![root];
        let mut classes = vec![];
        while let Some(&class) = found.get(classes.len()) {
            let own = place(class);
            let mut nodes: Vec<_> = egraph[class].iter().collect();
            nodes.retain(|node| depth(egraph, node, depths) == Some(own.depth));
            nodes.sort_unstable();
            let mut number = |child: Id| {
                let child = egraph.find(child);
                *numbers.entry(child).or_insert_with(|| {
                    found.push(child);
                    found.len() - 1
                })
            };
            let candidate = |node: &LossNode| {
                let operands =
                    node.children().iter().map(|&child| (number(child), place(egraph.find(child))));
                Candidate::new(node, own, &operands.collect::<Vec<_>>(), cost)
            };
            classes.push(nodes.into_iter().map(candidate).collect());
        }
        Self { root: 0, classes, depth: depths[&root] }
    }

    /// The choices of a program, one per class.
    pub(super) fn of_expression(
        expression: &RecExpr<LossNode>,
        analysis: &FactsAnalysis,
        cost: &OpCost,
    ) -> Self {
        let (mut facts, mut places): (Vec<Facts>, Vec<Place>) = (vec![], vec![]);
        let mut classes = vec![];
        for node in expression {
            let children: Vec<_> = node.children().iter().map(|&child| usize::from(child)).collect();
            let own =
                analysis.facts(node.op, &children.iter().map(|&child| facts[child]).collect::<Vec<_>>());
            let below = children.iter().map(|&child| places[child].depth).max().unwrap_or(0);
            let place = Place { level: own.level, depth: below + steps(node) };
            let operands: Vec<_> = children.iter().map(|&child| (child, places[child])).collect();
            classes.push(vec![Candidate::new(node, place, &operands, cost)]);
            facts.push(own);
            places.push(place);
        }
        Self { root: classes.len() - 1, classes, depth: places.last().map_or(0, |place| place.depth) }
    }

    /// The number of passes over the data that its programs need before the last.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The cost of the program in which each class takes the candidate `chosen`.
    pub(super) fn cost(&self, chosen: &[usize]) -> u64 {
        let mut demands = vec![Kernels::NONE; self.classes.len()];
        let mut open = vec![Operand { class: self.root, kernels: Kernels::ONCE }];
        while let Some(Operand { class, kernels }) = open.pop() {
            if demands[class].contains(kernels) {
                continue;
            }
            demands[class] = demands[class].union(kernels);
            let operands = &self.classes[class][chosen[class]].operands;
            open.extend(operands.iter().map(|it| Operand { kernels: it.kernels.for_user(kernels), ..*it }));
        }
        let classes = self.classes.iter().zip(chosen).zip(demands).filter(|(_, demand)| !demand.is_empty());
        classes.map(|((class, &chosen), demand)| class[chosen].cost * demand.runs()).sum()
    }

    /// The program in which each class takes the candidate `chosen`.
    pub(super) fn expression(&self, chosen: &[usize]) -> RecExpr<LossNode> {
        let mut expression = RecExpr::default();
        let mut placed = vec![None; self.classes.len()];
        self.place(self.root, chosen, &mut placed, &mut expression);
        expression
    }

    fn place(
        &self,
        class: usize,
        chosen: &[usize],
        placed: &mut [Option<Id>],
        expression: &mut RecExpr<LossNode>,
    ) -> Id {
        if let Some(id) = placed[class] {
            return id;
        }
        let candidate = &self.classes[class][chosen[class]];
        let children = candidate.operands.iter().map(|it| self.place(it.class, chosen, placed, expression));
        let node = LossNode { op: candidate.node.op, children: children.collect() };
        let id = expression.add(node);
        placed[class] = Some(id);
        id
    }

    /// The classes that a program may have, operands first where that is possible.
    pub(super) fn operands_first(&self) -> Vec<usize> {
        let mut order = vec![];
        let mut seen = vec![false; self.classes.len()];
        let mut open = vec![(self.root, false)];
        while let Some((class, visited)) = open.pop() {
            if visited {
                order.push(class);
            } else if !std::mem::replace(&mut seen[class], true) {
                open.push((class, true));
                let operands = self.classes[class].iter().flat_map(|candidate| &candidate.operands);
                open.extend(operands.map(|operand| (operand.class, false)));
            }
        }
        order
    }

    /// Drops candidates as long as that is safe: some cheapest program always remains. Returns
    /// the needs of each class.
    pub(super) fn reduce(&mut self) -> Needs {
        loop {
            let needs = Needs::of(self);
            let before: usize = self.classes.iter().map(Vec::len).sum();
            for class in self.operands_first() {
                self.drop_cyclic(class, &needs);
                self.drop_dominated(class, &needs);
            }
            if self.classes.iter().map(Vec::len).sum::<usize>() == before {
                return needs;
            }
        }
    }

    /// Drops the candidates of `class` that need the class itself.
    fn drop_cyclic(&mut self, class: usize, needs: &Needs) {
        let needs_itself = |it: &Operand| !needs.of_class(it.class)[class].is_empty();
        self.classes[class].retain(|candidate| !candidate.operands.iter().any(needs_itself));
    }

    /// Drops the candidates of `class` that another can replace at no higher cost, since they
    /// need everything that it needs.
    fn drop_dominated(&mut self, class: usize, needs: &Needs) {
        for index in (0..self.classes[class].len()).rev() {
            let candidates = &self.classes[class];
            let row = needs.of_candidate(&candidates[index]);
            let dominates = |(other, it): (usize, &Candidate)| {
                other != index
                    && it.cost <= candidates[index].cost
                    && it.operands.iter().all(|operand| row[operand.class].contains(operand.kernels))
            };
            if candidates.iter().enumerate().any(dominates) {
                self.classes[class].remove(index);
            }
        }
    }
}
