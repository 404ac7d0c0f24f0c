//! egg's explanation as steps on shared terms.
//!
//! egg explains a rewriting as a tree: a term, and for each of its children a proof of its own.
//! A checker knows by itself that equal children make equal terms, so only the rules are
//! recorded, each once for the nodes it rewrites.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use egg::{Explanation, Id, TreeTerm};

use super::{Direction, Proof, Step};
use crate::egraph::LossNode;
use crate::egraph::terms::Terms;

type Term = TreeTerm<LossNode>;

/// The steps of `explanation`.
pub(crate) fn record(explanation: &Explanation<LossNode>) -> Proof {
    let mut recorder = Recorder::default();
    let (source, result) = recorder.chain(&explanation.explanation_trees);
    let nodes = recorder.terms.write();
    Proof { nodes, source: usize::from(source), result: usize::from(result), steps: recorder.steps }
}

/// A part of a chain of terms.
struct Link<'a> {
    after: Id,
    made: Made<'a>,
}

/// The origin of the part's last term.
enum Made<'a> {
    ByRule(Step),
    /// By rewriting its children.
    Inside(&'a Rc<Term>),
}

/// The known parts of a proof; parts share parts, and each is read once.
#[derive(Default)]
struct Recorder {
    terms: Terms,
    ends: HashMap<*const Term, (Id, Id)>,
    /// The terms whose children have been read.
    is_read: HashSet<*const Term>,
    steps: Vec<Step>,
    /// The rules of the recorded steps, by the nodes of a step.
    is_known: HashMap<(usize, usize), Vec<String>>,
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

    /// Records the steps of `proof`, and returns its first and last term.
    fn chain(&mut self, proof: &[Rc<Term>]) -> (Id, Id) {
        let start = self.ends(&proof[0]).0;
        let (mut here, mut links) = (start, vec![]);
        for term in proof {
            let (first, last) = self.ends(term);
            let forward = term.forward_rule.map(|rule| (rule, Direction::Forward));
            let backward = term.backward_rule.map(|rule| (rule, Direction::Backward));
            if let Some((rule, direction)) = forward.or(backward) {
                let (from, to) = (usize::from(here), usize::from(first));
                let step = Step { rule: rule.to_string(), direction, from, to };
                links.push(Link { after: first, made: Made::ByRule(step) });
            }
            links.push(Link { after: last, made: Made::Inside(term) });
            here = last;
        }
        for link in without_detours(start, links) {
            match link.made {
                Made::ByRule(step) => self.keep(step),
                Made::Inside(term) => self.children(term),
            }
        }
        (start, here)
    }

    fn children(&mut self, term: &Rc<Term>) {
        if self.is_read.insert(Rc::as_ptr(term)) {
            for proof in &term.child_proofs {
                self.chain(proof);
            }
        }
    }

    fn keep(&mut self, step: Step) {
        let known = self.is_known.entry((step.from, step.to)).or_default();
        if !known.contains(&step.rule) {
            known.push(step.rule.clone());
            self.steps.push(step);
        }
    }
}

/// The links without those that return to an earlier term.
fn without_detours(start: Id, links: Vec<Link<'_>>) -> Vec<Link<'_>> {
    let mut kept: Vec<Link<'_>> = vec![];
    for link in links {
        if link.after == start {
            kept.clear();
        } else if let Some(before) = kept.iter().position(|it| it.after == link.after) {
            kept.truncate(before + 1);
        } else {
            kept.push(link);
        }
    }
    kept
}
