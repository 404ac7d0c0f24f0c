//! What is known of the nodes of a proof, of each in all its known forms.

use egg::{Analysis as _, Id};

use super::closure::Closure;
use crate::egraph::terms::Terms;
use crate::egraph::{Condition, Facts, FactsAnalysis, LossNode};

/// How often what is known of a value is carried on to what uses it. Nodes come
/// children first, so once would do but for what equal forms tell of each other.
const ROUNDS: usize = 3;

/// Which nodes are known to be equal, and the facts that follow.
pub(super) struct Equalities<'a> {
    terms: &'a Terms,
    analysis: FactsAnalysis,
    classes: Closure<'a>,
    /// By the node that stands for a class, what is known of that.
    facts: Vec<Facts>,
}

impl<'a> Equalities<'a> {
    /// No node is equal to another yet.
    pub(super) fn new(terms: &'a Terms, analysis: FactsAnalysis) -> Self {
        let mut facts: Vec<Facts> = Vec::with_capacity(terms.len());
        for (_, node) in terms.iter() {
            let operands: Vec<_> = node.children.iter().map(|&child| facts[usize::from(child)]).collect();
            facts.push(analysis.facts(node.op, &operands));
        }
        Self { terms, analysis, classes: Closure::new(terms), facts }
    }

    /// Both nodes are equal.
    pub(super) fn equate(&mut self, one: Id, other: Id) {
        for (gone, stays) in self.classes.equate(one, other) {
            let known = self.facts[usize::from(gone)];
            self.analysis.merge(&mut self.facts[usize::from(stays)], known);
        }
    }

    /// Whether both nodes are known to be equal.
    pub(super) fn are_equal(&self, one: Id, other: Id) -> bool {
        self.classes.find(one) == self.classes.find(other)
    }

    /// Whether `condition` follows for the node `id`. That a value is not the
    /// constant 0 is a rule's appetite, not its ground: the node itself is asked.
    pub(super) fn shows(&self, condition: Condition, id: Id) -> bool {
        match condition {
            Condition::NotZero(_) => condition.holds(&self.own(self.terms.node(id))),
            _ => condition.holds(self.of_class(id)),
        }
    }

    /// Draws the conclusions from new equalities: what is known of one form is known of
    /// the other.
    pub(super) fn learn(&mut self) {
        for _ in 0..ROUNDS {
            for (id, node) in self.terms.iter() {
                let (class, own) = (self.classes.find(id), self.own(node));
                self.analysis.merge(&mut self.facts[usize::from(class)], own);
            }
        }
    }

    fn of_class(&self, id: Id) -> &Facts {
        &self.facts[usize::from(self.classes.find(id))]
    }

    /// The facts of `node` from those of its children.
    fn own(&self, node: &LossNode) -> Facts {
        let operands: Vec<_> = node.children.iter().map(|&child| *self.of_class(child)).collect();
        self.analysis.facts(node.op, &operands)
    }
}
