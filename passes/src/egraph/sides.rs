//! A rule's two sides as patterns, and their instances in a table of terms.
//!
//! Operands of `add`, `mul` and similar ops may be in either order: a rule is written once, and
//! means both.

use std::collections::BTreeMap;

use egg::{ENodeOrVar, Id, PatternAst, Var};
use lossc_dialect::Op;

use super::terms::Terms;
use super::{Condition, LossNode, NodeOp, Rule};

/// The node bound to each variable of a rule.
pub(super) type Bindings = BTreeMap<Var, Id>;

/// A rule in a form that can be matched.
pub(super) struct Sides {
    pub(super) name: &'static str,
    left: PatternAst<LossNode>,
    right: PatternAst<LossNode>,
    side_conditions: Vec<(Condition, Var)>,
}

impl Sides {
    pub(super) fn of(rule: &Rule) -> Self {
        let [left, right] = rule.sides();
        Self { name: rule.name, left: left.ast, right: right.ast, side_conditions: rule.side_conditions() }
    }

    /// The op at the root of the left side; `None` if the root is a variable.
    pub(super) fn head(&self) -> Option<NodeOp> {
        match &self.left[root(&self.left)] {
            ENodeOrVar::ENode(node) => Some(node.op),
            ENodeOrVar::Var(_) => None,
        }
    }

    /// All bindings for which the left side is the node `id`.
    pub(super) fn matches(&self, terms: &Terms, id: Id) -> Vec<Bindings> {
        matches(terms, &self.left, root(&self.left), id, vec![Bindings::new()])
    }

    /// The right side under `bindings`, added to `terms`.
    pub(super) fn build(&self, terms: &mut Terms, bindings: &Bindings) -> Id {
        let mut built: Vec<Id> = vec![];
        for part in &self.right {
            built.push(match part {
                ENodeOrVar::Var(variable) => bindings[variable],
                ENodeOrVar::ENode(node) => {
                    let children = node.children.iter().map(|&child| built[usize::from(child)]).collect();
                    terms.add(LossNode { op: node.op, children })
                }
            });
        }
        built[built.len() - 1]
    }

    /// The conditions of the rule where its sides are `left` and `right`; `None` if these are
    /// not an instance.
    pub(super) fn instance(&self, terms: &Terms, left: Id, right: Id) -> Option<Vec<(Condition, Id)>> {
        let found = matches(terms, &self.right, root(&self.right), right, self.matches(terms, left));
        self.asked(found.first()?)
    }

    /// The conditions, each with its node.
    pub(super) fn asked(&self, bindings: &Bindings) -> Option<Vec<(Condition, Id)>> {
        let ask = |(condition, variable): &(Condition, Var)| Some((*condition, *bindings.get(variable)?));
        self.side_conditions.iter().map(ask).collect()
    }
}

fn root(pattern: &PatternAst<LossNode>) -> Id {
    Id::from(pattern.len() - 1)
}

/// The extensions of the bindings in `known` for which the part `at` of `pattern` is the node
/// `id`.
fn matches(
    terms: &Terms,
    pattern: &PatternAst<LossNode>,
    at: Id,
    id: Id,
    mut known: Vec<Bindings>,
) -> Vec<Bindings> {
    if known.is_empty() {
        return known;
    }
    let ENodeOrVar::ENode(expected) = &pattern[at] else {
        let ENodeOrVar::Var(variable) = pattern[at] else { unreachable!("a node or a variable") };
        known.retain_mut(|bindings| *bindings.entry(variable).or_insert(id) == id);
        return known;
    };
    let found = terms.node(id);
    if (expected.op, expected.children.len()) != (found.op, found.children.len()) {
        return vec![];
    }
    let in_order = |order: &[Id], known| {
        let pairs = expected.children.iter().zip(order);
        pairs.fold(known, |known, (&at, &child)| matches(terms, pattern, at, child, known))
    };
    match *found.children.as_slice() {
        [first, second] if first != second && commutes(found.op) => {
            let swapped = in_order(&[second, first], known.clone());
            [in_order(&[first, second], known), swapped].concat()
        }
        _ => in_order(&found.children, known),
    }
}

/// Returns whether an op's two operands may be in either order.
fn commutes(op: NodeOp) -> bool {
    matches!(op, NodeOp::Op(Op::Add | Op::Mul | Op::Equal | Op::And | Op::Or))
}
