//! Detection of programs that can distinguish the two zeros.

use lossc_dialect::{Op, Program};

use crate::egraph::{Facts, FactsAnalysis, NodeOp};

/// Returns whether `program` divides by a value that may be a zero of either sign, or raises one
/// to a power that may be negative: only then does an infinity's sign depend on the zero's.
/// Comparisons treat both zeros as equal, and a ratio over either is 0.
pub(super) fn sees_signs(program: &Program) -> bool {
    let analysis = FactsAnalysis::of(program);
    let mut facts: Vec<Facts> = vec![];
    for (_, node) in program.values() {
        let operands: Vec<_> = node.operands.iter().map(|operand| facts[operand.index()]).collect();
        facts.push(analysis.facts(NodeOp::Op(node.op), &operands));
    }
    program.values().any(|(_, node)| {
        let range = |operand: usize| facts[node.operands[operand].index()].range;
        match node.op {
            Op::Div => range(1).may_be_signed_zero(),
            Op::Pow => range(0).may_be_signed_zero() && !range(1).is_nonnegative(),
            _ => false,
        }
    })
}
