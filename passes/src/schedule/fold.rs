//! Pixel values where some masks are known.

use std::collections::HashMap;

use lossc_dialect::machine::{Evaluate, Word};
use lossc_dialect::ops::{Meaning, Op};
use lossc_dialect::{Level, Node, Program, ValueId};

/// By value, its word at every pixel at which the masks of `assumed` have the given values;
/// `None` if that is not known.
pub(super) fn fold(program: &Program, assumed: &HashMap<ValueId, bool>) -> Vec<Option<Word>> {
    let mut known: Vec<Option<Word>> = vec![None; program.len()];
    for (value, node) in program.values() {
        let assumption = assumed.get(&value).map(|&holds| Word(u32::from(holds)));
        known[value.index()] = assumption.or_else(|| value_of(node, &known));
    }
    known
}

const FALSE: Word = Word(0);
const TRUE: Word = Word(1);

fn value_of(node: &Node, known: &[Option<Word>]) -> Option<Word> {
    let of = |operand: usize| known[node.operands[operand].index()];
    match node.op {
        Op::Constant(bits) => Some(Word(bits)),
        // Values above pixels are computed in f64.
        _ if node.ty.level != Level::Pixel => None,
        Op::And if of(0) == Some(FALSE) || of(1) == Some(FALSE) => Some(FALSE),
        Op::Or if of(0) == Some(TRUE) || of(1) == Some(TRUE) => Some(TRUE),
        Op::Select => of(if of(0)? == TRUE { 1 } else { 2 }),
        // +0 has the bits 0 in every type.
        Op::Cast => of(0).filter(|word| *word == Word(0)),
        op => evaluate(op, node, known),
    }
}

fn evaluate(op: Op, node: &Node, known: &[Option<Word>]) -> Option<Word> {
    let Meaning::Element { exact, .. } = op.definition()?.meaning else { return None };
    let operands: Option<Vec<_>> = node.operands.iter().map(|operand| known[operand.index()]).collect();
    Some(exact(&mut Evaluate, &operands?))
}
