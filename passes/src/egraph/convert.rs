//! Programs to expressions of the e-graph's language and back.
//!
//! A constant has no level in an e-graph, so a rule's `1.0` is the constant of any level that
//! the rule matches. On the way back it takes the level that its user needs.

use std::collections::HashMap;

use egg::{Id, RecExpr};
use lossc_dialect::ops::Op;
use lossc_dialect::program::BuildError;
use lossc_dialect::{Builder, Element, Level, Program, ProgramResult, SourceLocation, Type, ValueId};

use super::{Facts, FactsAnalysis, LossNode, NodeOp};

/// All results of `program` as one expression.
pub fn to_expression(program: &Program) -> RecExpr<LossNode> {
    to_located_expression(program).0
}

/// The same, and by node the location where it was written.
pub(super) fn to_located_expression(program: &Program) -> (RecExpr<LossNode>, Vec<Option<SourceLocation>>) {
    let roots: Vec<_> = program.results().iter().map(|result| result.value).collect();
    let needed = program.needed(roots.iter().copied());
    let (mut expression, mut locations) = (RecExpr::default(), vec![]);
    // Equal constants of different levels are one node here.
    let mut known: HashMap<LossNode, Id> = HashMap::new();
    let mut ids = vec![Id::from(0); program.len()];
    for (value, node) in program.values().filter(|(value, _)| needed[value.index()]) {
        let children = node.operands.iter().map(|operand| ids[operand.index()]).collect();
        let node = LossNode { op: NodeOp::Op(node.op), children };
        ids[value.index()] = *known.entry(node.clone()).or_insert_with(|| {
            locations.push(program.location(value));
            expression.add(node)
        });
    }
    let children = roots.iter().map(|root| ids[root.index()]).collect();
    expression.add(LossNode { op: NodeOp::Roots, children });
    locations.push(None);
    (expression, locations)
}

/// The program with the arguments and result names of `like` and the values of
/// `expression`, whose root is a [`NodeOp::Roots`].
pub fn from_expression(expression: &RecExpr<LossNode>, like: &Program) -> Result<Program, BuildError> {
    from_located_expression(expression, &vec![None; expression.len()], like)
}

/// The same, with each node written at its location.
pub(super) fn from_located_expression(
    expression: &RecExpr<LossNode>,
    locations: &[Option<SourceLocation>],
    like: &Program,
) -> Result<Program, BuildError> {
    let mut builder = Builder::new(like.name());
    let arguments = builder.declare_arguments(like);
    let facts = facts(expression, &FactsAnalysis::of(like));
    let mut back = Back { expression, locations, facts, arguments, builder, built: HashMap::new() };
    let roots = expression.last().map(|root| root.children.clone()).unwrap_or_default();
    let mut results = Vec::new();
    for (result, root) in like.results().iter().zip(roots) {
        let value = back.build(root, like.ty(result.value).level);
        results.push(ProgramResult { name: result.name.clone(), value });
    }
    back.builder.finish(results)
}

fn facts(expression: &RecExpr<LossNode>, analysis: &FactsAnalysis) -> Vec<Facts> {
    let mut facts: Vec<Facts> = Vec::with_capacity(expression.len());
    for node in expression {
        let operands: Vec<_> = node.children.iter().map(|&child| facts[usize::from(child)]).collect();
        facts.push(analysis.facts(node.op, &operands));
    }
    facts
}

struct Back<'a> {
    expression: &'a RecExpr<LossNode>,
    locations: &'a [Option<SourceLocation>],
    facts: Vec<Facts>,
    arguments: Vec<ValueId>,
    builder: Builder,
    built: HashMap<Placed, ValueId>,
}

/// A node at a level.
type Placed = (Id, Level);

impl Back<'_> {
    /// The value of `id`, at `wanted` if it has no level of its own. There is no recursion,
    /// because a program may be as deep as it is long.
    fn build(&mut self, id: Id, wanted: Level) -> ValueId {
        let root = self.at(id, wanted);
        let mut open = vec![root];
        while let Some(&node) = open.last() {
            let operands = self.operands(node);
            match operands.iter().find(|operand| !self.built.contains_key(operand)) {
                Some(&operand) => open.push(operand),
                None => {
                    let value = self.value(node, &operands);
                    self.built.insert(node, value);
                    open.pop();
                }
            }
        }
        self.built[&root]
    }

    /// The node at its own level, or at `wanted` if it has none.
    fn at(&self, id: Id, wanted: Level) -> Placed {
        (id, self.facts[usize::from(id)].level.unwrap_or(wanted))
    }

    fn operands(&self, (id, level): Placed) -> Vec<Placed> {
        let node = &self.expression[id];
        let below = match node.op {
            _ if self.is_needless(id) => level,
            NodeOp::Op(op) => operand_level(op, level),
            NodeOp::Roots => unreachable!("roots stand only at the root"),
        };
        node.children.iter().map(|&child| self.at(child, below)).collect()
    }

    /// Returns whether `id` broadcasts a constant, which is built directly at the level where it
    /// is needed.
    fn is_needless(&self, id: Id) -> bool {
        let node = &self.expression[id];
        matches!(node.op, NodeOp::Op(Op::Broadcast | Op::BroadcastGroups))
            && self.facts[usize::from(node.children[0])].level.is_none()
    }

    fn value(&mut self, (id, level): Placed, operands: &[Placed]) -> ValueId {
        let operands: Vec<_> = operands.iter().map(|operand| self.built[operand]).collect();
        self.builder.set_location(self.locations[usize::from(id)]);
        match self.expression[id].op {
            NodeOp::Op(Op::Argument(index)) => self.arguments[index as usize],
            NodeOp::Op(_) if self.is_needless(id) => operands[0],
            NodeOp::Op(op) => self.builder.op(op, &operands, Type::new(level, Element::F32)),
            NodeOp::Roots => unreachable!("roots stand only at the root"),
        }
    }
}

/// The level at which `op` needs an operand that has none of its own.
fn operand_level(op: Op, level: Level) -> Level {
    match op {
        Op::Sum | Op::Count => Level::Pixel,
        Op::SumGroups | Op::MeanGroups => Level::Group,
        _ => level,
    }
}
