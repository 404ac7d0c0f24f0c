//! Facts about the nodes of a proof, each in all its known forms.

use egg::{Analysis as _, Id};

use super::closure::Closure;
use crate::egraph::terms::Terms;
use crate::egraph::{Condition, Facts, FactsAnalysis, LossNode};

/// The number of times that facts about values are propagated to their users. Nodes come
/// children first, so once would be enough, except that equal forms add facts.
const ROUNDS: usize = 3;

/// The nodes that are known to be equal, and the facts that follow.
pub(super) struct Equalities<'a> {
    terms: &'a Terms,
    analysis: FactsAnalysis,
    classes: Closure<'a>,
    /// By leader of a class, the facts about the class.
    facts: Vec<Facts>,
}

impl<'a> Equalities<'a> {
    /// The equalities in which no nodes are equal yet.
    pub(super) fn new(terms: &'a Terms, analysis: FactsAnalysis) -> Self {
        let mut facts: Vec<Facts> = Vec::with_capacity(terms.len());
        for (_, node) in terms.iter() {
            let operands: Vec<_> = node.children.iter().map(|&child| facts[usize::from(child)]).collect();
            facts.push(analysis.facts(node.op, &operands));
        }
        Self { terms, analysis, classes: Closure::new(terms), facts }
    }

    /// Makes both nodes equal.
    pub(super) fn equate(&mut self, one: Id, other: Id) {
        for (gone, stays) in self.classes.equate(one, other) {
            let known = self.facts[usize::from(gone)];
            self.analysis.merge(&mut self.facts[usize::from(stays)], known);
        }
    }

    /// Returns whether both nodes are known to be equal.
    pub(super) fn are_equal(&self, one: Id, other: Id) -> bool {
        self.classes.find(one) == self.classes.find(other)
    }

    /// Returns whether `condition` follows for the node `id`. For a value that must not be the
    /// constant 0 the node itself is tested: this condition makes a rule useful, not valid.
    pub(super) fn shows(&self, condition: Condition, id: Id) -> bool {
        match condition {
            Condition::NotZero(_) => condition.holds(&self.own(self.terms.node(id))),
            _ => condition.holds(self.of_class(id)),
        }
    }

    /// Draws the conclusions from new equalities: the facts about one form hold for the other.
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
