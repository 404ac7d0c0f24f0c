//! Equal nodes, and what is equal because its operands are.

use std::collections::HashMap;

use egg::Id;

use crate::egraph::LossNode;
use crate::egraph::terms::Terms;

/// Classes of equal nodes, closed under congruence.
pub(super) struct Closure<'a> {
    terms: &'a Terms,
    /// For each node one that it is equal to; itself, if it stands for its class.
    leaders: Vec<Id>,
    /// By the node that stands for a class, the nodes with an operand in it.
    users: Vec<Vec<Id>>,
    /// Nodes by what they are on classes.
    forms: HashMap<LossNode, Id>,
}

impl<'a> Closure<'a> {
    /// No node is equal to another yet.
    pub(super) fn new(terms: &'a Terms) -> Self {
        let mut users = vec![vec![]; terms.len()];
        for (id, node) in terms.iter() {
            node.children.iter().for_each(|&child| users[usize::from(child)].push(id));
        }
        let forms = terms.iter().map(|(id, node)| (node.clone(), id)).collect();
        Self { terms, leaders: terms.iter().map(|(id, _)| id).collect(), users, forms }
    }

    /// The node that stands for the class of `id`.
    pub(super) fn find(&self, mut id: Id) -> Id {
        while self.leaders[usize::from(id)] != id {
            id = self.leaders[usize::from(id)];
        }
        id
    }

    /// Makes two nodes equal, and with them what is made of them. Gives for each class
    /// that is no more the node that stood for it and the one that does now.
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

    /// Hands the users of one class to another; gives which of them have thereby become
    /// the same as nodes known before.
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
