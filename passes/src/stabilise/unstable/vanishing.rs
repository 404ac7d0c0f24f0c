//! Detection of values that may be rounded to 0.

use lossc_dialect::ops::Meaning;
use lossc_dialect::{Level, Node, Op, Program, ValueId};

use crate::egraph::{Facts, FactsAnalysis, NodeOp, Range};

/// Below this operand an exponential, and with it a probability, has few bits left or none.
const UNDERFLOW: f32 = -80.0;

/// Facts about the values of a program.
pub(super) struct Analysis<'a> {
    program: &'a Program,
    facts: Vec<Facts>,
    vanishes: Vec<bool>,
    /// The value for the default scalars, if it depends on nothing else.
    defaults: Vec<Option<f64>>,
}

impl<'a> Analysis<'a> {
    pub(super) fn of(program: &'a Program) -> Self {
        let knowledge = FactsAnalysis::of(program);
        let mut analysis = Self { program, facts: vec![], vanishes: vec![], defaults: vec![] };
        for (_, node) in program.values() {
            let facts = analysis.facts_of(&knowledge, node);
            let vanishes = has_zero(facts.range) && analysis.is_rounded_to_zero(node);
            let default = analysis.default_of(node);
            analysis.facts.push(facts);
            analysis.vanishes.push(vanishes);
            analysis.defaults.push(default);
        }
        analysis
    }

    pub(super) fn range(&self, value: ValueId) -> Range {
        self.facts[value.index()].range
    }

    pub(super) fn may_be_zero(&self, value: ValueId) -> bool {
        has_zero(self.range(value))
    }

    /// Returns whether rounding may make `value` 0 although its formula does not.
    pub(super) fn vanishes(&self, value: ValueId) -> bool {
        self.vanishes[value.index()]
    }

    pub(super) fn default(&self, value: ValueId) -> Option<f64> {
        self.defaults[value.index()]
    }

    /// Returns whether `value` comes directly from the caller, or is a total.
    pub(super) fn is_given(&self, value: ValueId) -> bool {
        let node = self.program.node(value);
        match node.op {
            Op::Cast | Op::Broadcast | Op::BroadcastGroups => self.is_given(node.operands[0]),
            op => matches!(op, Op::Argument(_) | Op::Uniform) || is_total(op),
        }
    }

    fn facts_of(&self, knowledge: &FactsAnalysis, node: &Node) -> Facts {
        let operands: Vec<_> = node.operands.iter().map(|it| self.facts[it.index()]).collect();
        let facts = |op, operands: &[Facts]| knowledge.facts(NodeOp::Op(op), operands);
        let nonnegative = |facts: &Facts| facts.range.is_nonnegative();
        match (node.op, operands.as_slice()) {
            (Op::Sub, &[a, b]) => facts(Op::Add, &[a, facts(Op::Neg, &[b])]),
            // If the operands are not negative, neither is the result, and a power of a
            // probability is at most one.
            (Op::Pow | Op::Div, [a, b]) if nonnegative(a) && nonnegative(b) => {
                let high = if node.op == Op::Pow && a.range.is_unit() { 1.0 } else { f32::INFINITY };
                let known = facts(node.op, &operands);
                Facts { range: Range { low: 0.0, high, ..known.range }, ..known }
            }
            _ => facts(node.op, &operands),
        }
    }

    #[allow(clippy::match_same_arms, clippy::unnested_or_patterns, reason = "an arm a reason")]
    fn is_rounded_to_zero(&self, node: &Node) -> bool {
        let of = |operand: &ValueId| self.vanishes(*operand);
        let any = |operands: &[ValueId]| operands.iter().any(of);
        match (node.op, node.operands.as_slice()) {
            (Op::Constant(_), _) => true,
            (Op::Add, [a, b]) if self.have_one_sign(*a, *b) => of(a) && of(b),
            (Op::Add | Op::Sub | Op::Fma, operands) => self.cancels(node, operands),
            (Op::Exp | Op::ExpNonpositive | Op::Sigmoid | Op::Softplus, [x]) => {
                self.range(*x).low < UNDERFLOW
            }
            (Op::Expm1 | Op::Log | Op::Log1p | Op::PositivePart, _) => true,
            (Op::Div | Op::Pow, [first, _]) => of(first),
            (Op::Select, [_, branches @ ..]) => any(branches),
            (Op::Mul | Op::AbsorbingMul | Op::Min | Op::Max | Op::Neg | Op::Abs, operands)
            | (Op::Cast | Op::Broadcast | Op::BroadcastGroups, operands) => any(operands),
            _ => false,
        }
    }

    fn have_one_sign(&self, a: ValueId, b: ValueId) -> bool {
        let (a, b) = (self.range(a), self.range(b));
        a.is_nonnegative() && b.is_nonnegative() || a.is_nonpositive() && b.is_nonpositive()
    }

    /// Returns whether a sum cancels by rounding. The difference of two totals does not count:
    /// it is ordinary, like an intersection subtracted from a union.
    fn cancels(&self, node: &Node, operands: &[ValueId]) -> bool {
        let is_number = |it: &ValueId| self.program.node(*it).op.constant_value().is_some();
        node.ty.level == Level::Pixel || operands.iter().any(is_number)
    }

    fn default_of(&self, node: &Node) -> Option<f64> {
        if let Op::Argument(index) = node.op {
            return self.program.arguments()[index as usize].default.map(f64::from);
        }
        let operands: Vec<_> = node.operands.iter().map(|it| self.default(*it)).collect::<Option<_>>()?;
        match (node.op, &node.op.definition()?.meaning) {
            (Op::Broadcast | Op::BroadcastGroups, _) => Some(operands[0]),
            (op, _) if op.constant_value().is_some() => op.constant_value().map(f64::from),
            (_, Meaning::Element { real, .. }) => Some(real(&operands)),
            (_, Meaning::Structural) => None,
        }
    }

    /// Returns whether every use of `value` is guarded by a select whose mask depends on
    /// `critical`.
    pub(super) fn is_guarded(&self, value: ValueId, critical: ValueId) -> bool {
        let looks = self.looks_at(critical);
        let mut is_exposed = vec![false; self.program.len()];
        self.program.results().iter().for_each(|result| is_exposed[result.value.index()] = true);
        for (user, node) in self.program.values().collect::<Vec<_>>().into_iter().rev() {
            let is_guard = node.op == Op::Select && looks[node.operands[0].index()];
            let seen = if is_guard { &node.operands[..1] } else { &node.operands };
            if is_exposed[user.index()] {
                seen.iter().for_each(|operand| is_exposed[operand.index()] = true);
            }
        }
        !is_exposed[value.index()]
    }

    /// Marks the masks that are made of a comparison of `critical`.
    fn looks_at(&self, critical: ValueId) -> Vec<bool> {
        let mut looks = vec![false; self.program.len()];
        for (value, node) in self.program.values() {
            looks[value.index()] = match node.op {
                Op::Less | Op::LessEqual | Op::Equal | Op::Is(_) => node.operands.contains(&critical),
                Op::And | Op::Or | Op::Not => node.operands.iter().any(|operand| looks[operand.index()]),
                _ => false,
            };
        }
        looks
    }
}

fn has_zero(range: Range) -> bool {
    range.low <= 0.0 && range.high >= 0.0
}

fn is_total(op: Op) -> bool {
    matches!(op, Op::Sum | Op::Count | Op::SumGroups | Op::MeanGroups)
}
