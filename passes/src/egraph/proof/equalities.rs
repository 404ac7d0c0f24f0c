//! What is known of the nodes of a proof, of each in all its known forms.

use std::collections::HashMap;

use egg::{Analysis as _, Id};

use super::terms::Terms;
use crate::egraph::{Condition, Facts, FactsAnalysis, LossNode};

/// How often what is known of a value is carried on to what uses it. Nodes come
/// children first, so once would do but for what equal forms tell of each other.
const ROUNDS: usize = 3;

/// Which nodes are known to be equal, and the facts that follow.
pub(super) struct Equalities<'a> {
    terms: &'a Terms,
    analysis: FactsAnalysis,
    classes: Classes,
    /// The facts of each class, by the node that stands for it.
    facts: HashMap<Id, Facts>,
}

impl<'a> Equalities<'a> {
    /// No node is equal to another yet.
    pub(super) fn new(terms: &'a Terms, analysis: FactsAnalysis) -> Self {
        let classes = Classes(terms.iter().map(|(id, _)| id).collect());
        let mut new = Self { terms, analysis, classes, facts: HashMap::new() };
        new.learn();
        new
    }

    /// Both nodes are equal.
    pub(super) fn equate(&mut self, one: Id, other: Id) {
        self.classes.unite(one, other);
    }

    /// Whether `condition` follows for the node `id`. That a value is not the
    /// constant 0 is a rule's appetite, not its ground: the node itself is asked.
    pub(super) fn shows(&self, condition: Condition, id: Id) -> bool {
        match condition {
            Condition::NotZero(_) => condition.holds(&self.own(self.terms.node(id))),
            _ => condition.holds(&self.facts[&self.classes.find(id)]),
        }
    }

    /// Draws the conclusions from new equalities: operations on equal nodes are
    /// equal, and what is known of one form is known of the other.
    pub(super) fn learn(&mut self) {
        self.close();
        for _ in 0..ROUNDS {
            for (id, node) in self.terms.iter() {
                let (class, own) = (self.classes.find(id), self.own(node));
                self.analysis.merge(self.facts.entry(class).or_insert(own), own);
            }
        }
    }

    fn close(&mut self) {
        loop {
            let mut forms: HashMap<LossNode, Id> = HashMap::new();
            let mut equal = vec![];
            for (id, node) in self.terms.iter() {
                let form = canonical(&self.classes, node);
                let first = *forms.entry(form).or_insert(id);
                if self.classes.find(first) != self.classes.find(id) {
                    equal.push((first, id));
                }
            }
            if equal.is_empty() {
                return;
            }
            equal.into_iter().for_each(|(one, other)| self.equate(one, other));
        }
    }

    /// The facts of `node` from those of its children.
    fn own(&self, node: &LossNode) -> Facts {
        let operands: Vec<_> =
            node.children.iter().map(|&child| self.facts[&self.classes.find(child)]).collect();
        self.analysis.facts(node.op, &operands)
    }
}

fn canonical(classes: &Classes, node: &LossNode) -> LossNode {
    LossNode { op: node.op, children: node.children.iter().map(|&child| classes.find(child)).collect() }
}

/// For each node one that it is equal to; itself, if it stands for its class.
struct Classes(Vec<Id>);

impl Classes {
    fn find(&self, mut id: Id) -> Id {
        while self.0[usize::from(id)] != id {
            id = self.0[usize::from(id)];
        }
        id
    }

    fn unite(&mut self, one: Id, other: Id) {
        let (first, last) = (self.find(one).min(self.find(other)), self.find(one).max(self.find(other)));
        self.0[usize::from(last)] = first;
    }
}
