//! Terms as one table of distinct nodes, children first. Terms share common parts, so a proof of
//! hundreds of terms stays small.

use std::collections::HashMap;

use egg::{FromOp as _, Id, Language as _, RecExpr};
use lossc_dialect::{Op, SourceLocation};

use super::{LossNode, NodeOp, ProofError};

/// The table of terms.
#[derive(Default)]
pub(super) struct Terms {
    nodes: Vec<LossNode>,
    known: HashMap<LossNode, Id>,
}

impl Terms {
    /// Reads the table from `lines`, for a program of `arguments` arguments.
    pub(super) fn read(lines: &[String], arguments: usize) -> Result<Self, ProofError> {
        let mut terms = Self::default();
        for (index, text) in lines.iter().enumerate() {
            let wrong = || ProofError::Node { index, text: text.clone() };
            let node = terms.parse(text).filter(|node| is_known(node, arguments)).ok_or_else(wrong)?;
            if terms.add(node) != Id::from(index) {
                return Err(wrong());
            }
        }
        Ok(terms)
    }

    /// The node that `text` denotes: its op, then the indices of its children.
    fn parse(&self, text: &str) -> Option<LossNode> {
        let mut words = text.split_whitespace();
        let op = words.next()?;
        let child = |word: &str| {
            let index = word.parse::<usize>().ok()?;
            let node = self.nodes.get(index)?;
            (node.op != NodeOp::Roots).then_some(Id::from(index))
        };
        LossNode::from_op(op, words.map(child).collect::<Option<_>>()?).ok()
    }

    /// The table as lines of text.
    pub(super) fn write(&self) -> Vec<String> {
        let line = |node: &LossNode| node.fold(node.to_string(), |text, child| format!("{text} {child}"));
        self.nodes.iter().map(line).collect()
    }

    /// The index of `node`, new or known.
    pub(super) fn add(&mut self, node: LossNode) -> Id {
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let id = Id::from(self.nodes.len());
        self.nodes.push(node.clone());
        self.known.insert(node, id);
        id
    }

    /// The index of the root of `expression`, new or known.
    pub(super) fn add_expression(&mut self, expression: &RecExpr<LossNode>) -> Option<Id> {
        let mut ids: Vec<Id> = vec![];
        for node in expression {
            let id = self.add(node.clone().map_children(|child| ids[usize::from(child)]));
            ids.push(id);
        }
        ids.last().copied()
    }

    /// The term at `root`, with no other nodes.
    pub(super) fn expression(&self, root: Id) -> RecExpr<LossNode> {
        self.located_expression(root, &vec![None; self.len()]).0
    }

    /// The same, with the entries of `locations` for its nodes, where `locations` has one for each
    /// node of the table.
    pub(super) fn located_expression(
        &self,
        root: Id,
        locations: &[Option<SourceLocation>],
    ) -> (RecExpr<LossNode>, Vec<Option<SourceLocation>>) {
        let needed = self.needed(root);
        let (mut expression, mut kept) = (RecExpr::default(), vec![]);
        let mut ids = vec![Id::from(0); self.len()];
        for (id, node) in self.iter().filter(|(id, _)| needed[usize::from(*id)]) {
            let node = node.clone().map_children(|child| ids[usize::from(child)]);
            ids[usize::from(id)] = expression.add(node);
            kept.push(locations[usize::from(id)]);
        }
        (expression, kept)
    }

    /// Marks the nodes that `root` needs, including itself.
    fn needed(&self, root: Id) -> Vec<bool> {
        let mut needed = vec![false; usize::from(root) + 1];
        needed[usize::from(root)] = true;
        for index in (0..needed.len()).rev() {
            if needed[index] {
                self.nodes[index].children.iter().for_each(|&child| needed[usize::from(child)] = true);
            }
        }
        needed.resize(self.len(), false);
        needed
    }

    /// The node at `id`.
    pub(super) fn node(&self, id: Id) -> &LossNode {
        &self.nodes[usize::from(id)]
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The index `index`, if the table has it.
    pub(super) fn id(&self, index: usize) -> Option<Id> {
        (index < self.nodes.len()).then(|| Id::from(index))
    }

    /// All nodes with their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &LossNode)> {
        self.nodes.iter().enumerate().map(|(index, node)| (Id::from(index), node))
    }
}

fn is_known(node: &LossNode, arguments: usize) -> bool {
    !matches!(node.op, NodeOp::Op(Op::Argument(index)) if index as usize >= arguments)
}
