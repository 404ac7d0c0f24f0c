//! egg's explanation as a chain of steps on shared terms.
//!
//! egg explains a rewriting as a tree: a term, and for each of its children a
//! proof of its own. Laid flat as trees, a value used twice would be rewritten
//! twice, and its term written out at each use. Here equal terms are one, and
//! where two children need the same step they take it together.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use egg::{Explanation, Id, Symbol, TreeTerm};

use super::terms::Terms;
use super::{Direction, Proof, Step};
use crate::egraph::LossNode;

type Term = TreeTerm<LossNode>;

/// The chain of `explanation`.
pub(crate) fn record(explanation: &Explanation<LossNode>) -> Proof {
    let mut recorder = Recorder::default();
    let (source, moves) = recorder.chain(&explanation.explanation_trees);
    let steps = moves.iter().map(Move::step).collect();
    Proof { nodes: recorder.terms.write(), source: usize::from(source), steps }
}

/// A rule at a place: what it makes of which node.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label {
    rule: Symbol,
    direction: Direction,
    from: Id,
    to: Id,
}

/// A label, and the term around the place after it.
#[derive(Clone, Copy)]
struct Move {
    label: Label,
    after: Id,
}

impl Move {
    fn step(&self) -> Step {
        let Label { rule, direction, from, to } = self.label;
        let (from, to, term) = (usize::from(from), usize::from(to), usize::from(self.after));
        Step { rule: rule.to_string(), direction, from, to, term }
    }
}

/// What is known of the parts of a proof; parts share parts, and each is read once.
#[derive(Default)]
struct Recorder {
    terms: Terms,
    ends: HashMap<*const Term, (Id, Id)>,
    inside: HashMap<*const Term, Rc<[Move]>>,
}

impl Recorder {
    /// The first and the last form of a term.
    fn ends(&mut self, term: &Rc<Term>) -> (Id, Id) {
        if let Some(&known) = self.ends.get(&Rc::as_ptr(term)) {
            return known;
        }
        let (mut first, mut last) = (term.node.clone(), term.node.clone());
        first.children = term.child_proofs.iter().map(|proof| self.ends(&proof[0]).0).collect();
        last.children = term.child_proofs.iter().map(|proof| self.ends(&proof[proof.len() - 1]).1).collect();
        let ends = (self.terms.add(first), self.terms.add(last));
        self.ends.insert(Rc::as_ptr(term), ends);
        ends
    }

    /// Where `proof` starts, and its steps.
    fn chain(&mut self, proof: &[Rc<Term>]) -> (Id, Vec<Move>) {
        let start = self.ends(&proof[0]).0;
        let (mut here, mut moves) = (start, vec![]);
        for term in proof {
            let (first, last) = self.ends(term);
            let forward = term.forward_rule.map(|rule| (rule, Direction::Forward));
            let backward = term.backward_rule.map(|rule| (rule, Direction::Backward));
            if let Some((rule, direction)) = forward.or(backward) {
                moves.push(Move { label: Label { rule, direction, from: here, to: first }, after: first });
            }
            moves.extend(self.inside(term).iter());
            here = last;
        }
        (start, without_detours(start, moves))
    }

    /// The steps that lead from the first form of `term` to the last, below its root.
    fn inside(&mut self, term: &Rc<Term>) -> Rc<[Move]> {
        if let Some(known) = self.inside.get(&Rc::as_ptr(term)) {
            return known.clone();
        }
        let chains: Vec<_> = term.child_proofs.iter().map(|proof| self.chain(proof)).collect();
        let mut node = term.node.clone();
        node.children = chains.iter().map(|(start, _)| *start).collect();
        let mut chains: Vec<_> = chains.into_iter().map(|(_, moves)| VecDeque::from(moves)).collect();
        let mut moves = vec![];
        while let Some(label) = next(&chains) {
            for (child, chain) in node.children.iter_mut().zip(&mut chains) {
                if let Some(taken) = chain.front().copied().filter(|head| head.label == label) {
                    *child = taken.after;
                    chain.pop_front();
                }
            }
            moves.push(Move { label, after: self.terms.add(node.clone()) });
        }
        let moves: Rc<[Move]> = moves.into();
        self.inside.insert(Rc::as_ptr(term), moves.clone());
        moves
    }
}

/// The step to take next: one that no chain wants to take later, if there is any.
fn next(chains: &[VecDeque<Move>]) -> Option<Label> {
    let heads = || chains.iter().filter_map(|chain| chain.front()).map(|head| head.label);
    let later = |label: Label| {
        let waits = |chain: &VecDeque<Move>| chain.iter().position(|it| it.label == label).unwrap_or(0) > 0;
        chains.iter().any(waits)
    };
    heads().find(|&label| !later(label)).or_else(|| heads().next())
}

/// The moves without those that come back to where they started.
fn without_detours(start: Id, moves: Vec<Move>) -> Vec<Move> {
    let mut kept: Vec<Move> = vec![];
    for step in moves {
        if step.after == start {
            kept.clear();
        } else if let Some(before) = kept.iter().position(|it| it.after == step.after) {
            kept.truncate(before + 1);
        } else {
            kept.push(step);
        }
    }
    kept
}
