//! The e-graph's language: just the ops of the table.

use std::fmt;

use egg::{FromOp, FromOpError, Id, Language};
use lossc_dialect::Op;

/// The head of an e-node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeOp {
    /// An operation of the program.
    Op(Op),
    /// All results of the program, so that they are optimised together.
    Roots,
}

/// An e-node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LossNode {
    /// The node's head.
    pub op: NodeOp,
    /// The operands' e-classes.
    pub children: Vec<Id>,
}

impl Language for LossNode {
    type Discriminant = NodeOp;

    fn discriminant(&self) -> NodeOp {
        self.op
    }

    fn matches(&self, other: &Self) -> bool {
        self.op == other.op && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

impl fmt::Display for LossNode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            NodeOp::Roots => formatter.write_str("roots"),
            NodeOp::Op(Op::Argument(index)) => write!(formatter, "${index}"),
            NodeOp::Op(op) => match op.constant_value() {
                // A decimal would lose the bits of a NaN.
                Some(value) if value.is_nan() => write!(formatter, "nan:{:08x}", value.to_bits()),
                Some(value) => write!(formatter, "{value:?}"),
                None => match op.compared() {
                    Some(value) => write!(formatter, "is:{value}"),
                    None => formatter.write_str(op.mnemonic()),
                },
            },
        }
    }
}

impl FromOp for LossNode {
    type Error = FromOpError;

    fn from_op(text: &str, children: Vec<Id>) -> Result<Self, FromOpError> {
        let argument = text.strip_prefix('$').and_then(|index| index.parse().ok()).map(Op::Argument);
        let bits = || text.strip_prefix("nan:").and_then(|bits| u32::from_str_radix(bits, 16).ok());
        let constant = || bits().map(Op::Constant).or_else(|| text.parse().ok().map(Op::constant));
        let named = || Op::from_mnemonic(text).filter(|op| !op.has_attribute());
        let is = || text.strip_prefix("is:").and_then(|value| value.parse().ok()).map(Op::Is);
        let op = match text {
            "roots" => Some(NodeOp::Roots),
            _ => argument.or_else(constant).or_else(is).or_else(named).map(NodeOp::Op),
        };
        match op {
            Some(op) if arity(op).is_none_or(|arity| arity == children.len()) => Ok(Self { op, children }),
            _ => Err(FromOpError::new(text, children)),
        }
    }
}

fn arity(op: NodeOp) -> Option<usize> {
    match op {
        NodeOp::Roots => None,
        NodeOp::Op(op) => Some(op.definition().map_or(0, |definition| definition.operands.len())),
    }
}
