//! Programs that can tell a zero from one of the other sign.

use lossc_dialect::{Op, Program};

use crate::egraph::{Facts, FactsAnalysis, NodeOp};

/// Whether `program` divides by what may be a zero of either sign, or raises it to a power
/// that may be negative: alone then an infinity's sign depends on the zero's. Comparisons
/// take both for equal, and a ratio is 0 over either.
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
