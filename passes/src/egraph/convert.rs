//! Programs to expressions of the e-graph's language and back.
//!
//! A constant has no level in an e-graph, so that a rule's `1.0` is the constant
//! of whatever level the rule meets. On the way back it takes the level its user
//! needs.

use std::collections::HashMap;

use egg::{Id, RecExpr};
use lossc_dialect::ops::Op;
use lossc_dialect::program::BuildError;
use lossc_dialect::{Builder, Element, Level, Program, ProgramResult, Type, ValueId};

use super::{Facts, FactsAnalysis, LossNode, NodeOp};

/// All results of `program` as one expression.
pub fn to_expression(program: &Program) -> RecExpr<LossNode> {
    let roots: Vec<_> = program.results().iter().map(|result| result.value).collect();
    let needed = program.needed(roots.iter().copied());
    let mut expression = RecExpr::default();
    // Equal constants of different levels are one node here.
    let mut known: HashMap<LossNode, Id> = HashMap::new();
    let mut ids = vec![Id::from(0); program.len()];
    for (value, node) in program.values().filter(|(value, _)| needed[value.index()]) {
        let children = node.operands.iter().map(|operand| ids[operand.index()]).collect();
        let node = LossNode { op: NodeOp::Op(node.op), children };
        ids[value.index()] = *known.entry(node.clone()).or_insert_with(|| expression.add(node));
    }
    let children = roots.iter().map(|root| ids[root.index()]).collect();
    expression.add(LossNode { op: NodeOp::Roots, children });
    expression
}

/// The program with the arguments and result names of `like` and the values of
/// `expression`, whose root is a [`NodeOp::Roots`].
pub fn from_expression(expression: &RecExpr<LossNode>, like: &Program) -> Result<Program, BuildError> {
    let mut builder = Builder::new(like.name());
    let arguments = builder.declare_arguments(like);
    let facts = facts(expression, &FactsAnalysis::of(like));
    let mut back = Back { expression, facts, arguments, builder, built: HashMap::new() };
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
    facts: Vec<Facts>,
    arguments: Vec<ValueId>,
    builder: Builder,
    built: HashMap<(Id, Level), ValueId>,
}

impl Back<'_> {
    /// The value of `id`, at `wanted` if it is of no level itself.
    fn build(&mut self, id: Id, wanted: Level) -> ValueId {
        let level = self.facts[usize::from(id)].level.unwrap_or(wanted);
        if let Some(&value) = self.built.get(&(id, level)) {
            return value;
        }
        let expression = self.expression;
        let node = &expression[id];
        let NodeOp::Op(op) = node.op else { unreachable!("roots stand only at the root") };
        let value = match op {
            Op::Argument(index) => self.arguments[index as usize],
            // A constant needs no broadcast: it is built where it is wanted.
            Op::Broadcast | Op::BroadcastGroups
                if self.facts[usize::from(node.children[0])].level.is_none() =>
            {
                self.build(node.children[0], level)
            }
            _ => {
                let below = operand_level(op, level);
                let operands: Vec<_> = node.children.iter().map(|&child| self.build(child, below)).collect();
                self.builder.op(op, &operands, Type::new(level, Element::F32))
            }
        };
        self.built.insert((id, level), value);
        value
    }
}

/// The level at which `op` wants an operand that has none of its own.
fn operand_level(op: Op, level: Level) -> Level {
    match op {
        Op::Sum | Op::Count => Level::Pixel,
        Op::SumGroups | Op::MeanGroups => Level::Group,
        _ => level,
    }
}
