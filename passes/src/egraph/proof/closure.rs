//! Equal nodes, and the nodes that are equal because their operands are.

use std::collections::HashMap;

use egg::Id;

use crate::egraph::LossNode;
use crate::egraph::terms::Terms;

/// Classes of equal nodes, closed under congruence.
pub(super) struct Closure<'a> {
    terms: &'a Terms,
    /// For each node an equal one; itself, if it is the leader of its class.
    leaders: Vec<Id>,
    /// By leader of a class, the nodes with an operand in the class.
    users: Vec<Vec<Id>>,
    /// Nodes by their form: their op and the leaders of their operands.
    forms: HashMap<LossNode, Id>,
}

impl<'a> Closure<'a> {
    /// The closure in which no nodes are equal yet.
    pub(super) fn new(terms: &'a Terms) -> Self {
        let mut users = vec![vec![]; terms.len()];
        for (id, node) in terms.iter() {
            node.children.iter().for_each(|&child| users[usize::from(child)].push(id));
        }
        let forms = terms.iter().map(|(id, node)| (node.clone(), id)).collect();
        Self { terms, leaders: terms.iter().map(|(id, _)| id).collect(), users, forms }
    }

    /// The leader of the class of `id`.
    pub(super) fn find(&self, mut id: Id) -> Id {
        while self.leaders[usize::from(id)] != id {
            id = self.leaders[usize::from(id)];
        }
        id
    }

    /// Makes two nodes equal, and with them the nodes that use them. Returns for each class that
    /// is merged into another its leader and the other's.
    pub(super) fn equate(&mut self, one: Id, other: Id) -> Vec<(Id, Id)> {
        let (mut open, mut merged) = (vec![(one, other)], vec![]);
        while let Some((one, other)) = open.pop() {
            let (one, other) = (self.find(one), self.find(other));
            if one != other {
                let users = |id: Id| self.users[usize::from(id)].len();
                let (gone, stays) = if users(one) > users(other) { (other, one) } else { (one, other) };
                self.leaders[usize::from(gone)] = stays;
                merged.push((gone, stays));
                open.extend(self.congruent(gone, stays));
            }
        }
        merged
    }

    /// Moves the users of one class to another; returns those that are now the same as a known
    /// node, each with that node.
    fn congruent(&mut self, gone: Id, stays: Id) -> Vec<(Id, Id)> {
        let users = std::mem::take(&mut self.users[usize::from(gone)]);
        let mut equal = vec![];
        for &user in &users {
            let known = *self.forms.entry(self.form(user)).or_insert(user);
            if known != user {
                equal.push((known, user));
            }
        }
        self.users[usize::from(stays)].extend(users);
        equal
    }

    fn form(&self, id: Id) -> LossNode {
        let node = self.terms.node(id);
        LossNode { op: node.op, children: node.children.iter().map(|&child| self.find(child)).collect() }
    }
}
