//! The rules between two programs, read off egg's explanation.

use std::collections::HashSet;
use std::rc::Rc;

use egg::{Explanation, TreeTerm};

use super::{LossNode, Rule};

/// The rules that lead from source to result, each once, in the order in which
/// the proof first needs them.
pub fn chain(rules: &[Rule], explanation: &Explanation<LossNode>) -> Vec<&'static str> {
    let mut walk = Walk { rules, seen: HashSet::new(), chain: vec![] };
    explanation.explanation_trees.iter().for_each(|term| walk.term(term));
    walk.chain
}

struct Walk<'a> {
    rules: &'a [Rule],
    /// Proofs share subproofs: each is read once.
    seen: HashSet<*const TreeTerm<LossNode>>,
    chain: Vec<&'static str>,
}

impl Walk<'_> {
    fn term(&mut self, term: &Rc<TreeTerm<LossNode>>) {
        if !self.seen.insert(Rc::as_ptr(term)) {
            return;
        }
        for proof in &term.child_proofs {
            proof.iter().for_each(|term| self.term(term));
        }
        for name in [term.forward_rule, term.backward_rule].into_iter().flatten() {
            let rule = self.rules.iter().find(|rule| rule.name == name.as_str()).map(|rule| rule.name);
            self.chain.extend(rule.filter(|name| !self.chain.contains(name)));
        }
    }
}
