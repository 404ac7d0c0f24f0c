//! Cheap values below and above a costly one.
//!
//! The bounds of an op are the op itself on the bounds of its operands, wherever it is monotonic
//! in them: rounding is monotonic, so an inequality of real numbers holds in f32, and a NaN
//! stays a NaN. Only a bound of an elementary function by something else needs a proof of its
//! own, see `lossc_dialect::elementary`.

use std::collections::HashMap;

use lossc_dialect::program::Builder;
use lossc_dialect::{Level, Op, Program, ValueId};
use lossc_faults::{Fault, is_seeded};

use super::is_reduction;
use crate::egraph::{Facts, FactsAnalysis, NodeOp, Range};
use crate::saturate::costs::CostModel;

/// The highest cost of an op that is not worth bounding: nine fused multiply-adds.
const CHEAP: u64 = 90;

/// Bounds as values in the program that is being built; an exact value is both bounds.
#[derive(Clone, Copy)]
struct Interval {
    lower: ValueId,
    upper: ValueId,
}

/// Builds bounds into a copy of a program.
pub(super) struct Bounds<'a> {
    program: &'a Program,
    builder: &'a mut Builder,
    /// By value of the program, the same value in the builder.
    copies: &'a [ValueId],
    analysis: FactsAnalysis,
    /// The facts about each value in the builder if no argument is NaN.
    facts: Vec<Facts>,
    /// By value of the program, true if it is [`cheap`] itself.
    is_cheap: &'a [bool],
    known: HashMap<ValueId, Option<Interval>>,
}

/// Marks the pixel values that are computed from cheap ops and random numbers alone, before any
/// pass.
pub(super) fn cheap(program: &Program, costs: CostModel) -> Vec<bool> {
    let mut cheap = vec![false; program.len()];
    for (value, node) in program.values() {
        let is_free = matches!(node.op, Op::Uniform) || costs.cost(node.op, Level::Pixel) <= CHEAP;
        let is_early = !is_reduction(node.op);
        cheap[value.index()] = is_free && is_early && node.operands.iter().all(|it| cheap[it.index()]);
    }
    cheap
}

impl<'a> Bounds<'a> {
    pub(super) fn new(
        program: &'a Program,
        builder: &'a mut Builder,
        copies: &'a [ValueId],
        is_cheap: &'a [bool],
    ) -> Self {
        let analysis = FactsAnalysis::of(program);
        Self { program, builder, copies, analysis, facts: vec![], is_cheap, known: HashMap::new() }
    }

    /// A cheap mask that holds only where `mask` equals `holds`. It is false wherever the bounds
    /// that decide it are NaN.
    pub(super) fn surely(&mut self, mask: ValueId, holds: bool) -> Option<ValueId> {
        if self.is_cheap[mask.index()] {
            let copy = self.copies[mask.index()];
            return Some(if holds { copy } else { self.builder.not(copy) });
        }
        let node = self.program.node(mask);
        let (Op::Less | Op::LessEqual, &[a, b]) = (node.op, node.operands.as_slice()) else { return None };
        if [a, b].into_iter().any(|it| self.range(it).nan) {
            return None;
        }
        let (a, b) = (self.interval(a)?, self.interval(b)?);
        Some(match (node.op, holds) {
            (Op::Less, true) if is_seeded(Fault::CompactionTakesTheWrongBound) => {
                self.builder.less(a.lower, b.upper)
            }
            (Op::Less, true) => self.builder.less(a.upper, b.lower),
            (Op::Less, false) => self.builder.less_equal(b.upper, a.lower),
            (_, true) => self.builder.less_equal(a.upper, b.lower),
            (_, false) => self.builder.less(b.upper, a.lower),
        })
    }

    fn range(&mut self, value: ValueId) -> Range {
        self.range_of_built(self.copies[value.index()])
    }

    /// The range of a value of the builder.
    fn range_of_built(&mut self, value: ValueId) -> Range {
        for index in self.facts.len()..self.builder.len() {
            let node = self.builder.node(ValueId(index as u32));
            let operands: Vec<_> = node.operands.iter().map(|operand| self.facts[operand.index()]).collect();
            let mut known = self.analysis.facts(NodeOp::Op(node.op), &operands);
            known.range.nan &= !matches!(node.op, Op::Argument(_));
            self.facts.push(known);
        }
        self.facts[value.index()].range
    }

    fn interval(&mut self, value: ValueId) -> Option<Interval> {
        if self.is_cheap[value.index()] {
            let copy = self.copies[value.index()];
            return Some(Interval { lower: copy, upper: copy });
        }
        if let Some(&known) = self.known.get(&value) {
            return known;
        }
        let interval = self.interval_of_op(value);
        self.known.insert(value, interval);
        interval
    }

    fn interval_of_op(&mut self, value: ValueId) -> Option<Interval> {
        let node = self.program.node(value);
        let operands = node.operands.clone();
        match (node.op, operands.as_slice()) {
            (Op::ExpNonpositive, &[x]) => {
                let x = self.exact(x)?;
                Some(Interval { lower: self.zero(x), upper: self.builder.exp_upper(x) })
            }
            // log(1 + e) ≤ e
            (Op::Log1pUnit, &[x]) => {
                let Interval { upper, .. } = self.interval(x)?;
                Some(Interval { lower: self.zero(upper), upper })
            }
            (Op::Select, &[mask, a, b]) => {
                let mask = self.exact(mask)?;
                let (a, b) = (self.interval(a)?, self.interval(b)?);
                Some(self.both(|builder, pick| builder.select(mask, pick(a), pick(b))))
            }
            (Op::Add | Op::Max | Op::Min, &[a, b]) => {
                let (a, b) = (self.interval(a)?, self.interval(b)?);
                let ty = node.ty;
                Some(self.both(|builder, pick| builder.op(node.op, &[pick(a), pick(b)], ty)))
            }
            (Op::PositivePart, &[x]) => {
                let x = self.interval(x)?;
                Some(self.both(|builder, pick| builder.positive_part(pick(x))))
            }
            (Op::Sub, &[a, b]) => {
                let (a, b) = (self.interval(a)?, self.interval(b)?.mirrored());
                Some(self.both(|builder, pick| builder.sub(pick(a), pick(b))))
            }
            (Op::Neg, &[x]) => {
                let x = self.interval(x)?.mirrored();
                Some(self.both(|builder, pick| builder.neg(pick(x))))
            }
            (Op::Mul, &[a, b]) => {
                let (a, b) = self.factors(a, b)?;
                Some(self.both(|builder, pick| builder.mul(pick(a), pick(b))))
            }
            (Op::Fma, &[a, b, c]) => {
                let ((a, b), c) = (self.factors(a, b)?, self.interval(c)?);
                Some(self.both(|builder, pick| builder.fma(pick(a), pick(b), pick(c))))
            }
            _ => None,
        }
    }

    /// The interval whose ends are `build` of the lower and of the upper ends.
    fn both(&mut self, build: impl Fn(&mut Builder, fn(Interval) -> ValueId) -> ValueId) -> Interval {
        let lower = build(self.builder, |interval| interval.lower);
        let upper = build(self.builder, |interval| interval.upper);
        Interval { lower, upper }
    }

    /// 0, and NaN where `operand` is NaN: a bound must stay NaN where the bounded value is, so
    /// that nothing is certain there.
    fn zero(&mut self, operand: ValueId) -> ValueId {
        let zero = self.builder.constant_like(0.0, operand);
        self.builder.mul(operand, zero)
    }

    fn exact(&self, value: ValueId) -> Option<ValueId> {
        self.is_cheap[value.index()].then(|| self.copies[value.index()])
    }

    /// The factors of a product, each with the end first that makes the product least.
    fn factors(&mut self, a: ValueId, b: ValueId) -> Option<(Interval, Interval)> {
        let [range_a, range_b] = [a, b].map(|it| self.range(it));
        let (a, b) = (self.interval(a)?, self.interval(b)?);
        let mut is_low_end_nonnegative = |it: Interval| self.range_of_built(it.lower).is_nonnegative();
        match (a.is_exact(), b.is_exact()) {
            (_, true) if range_b.is_nonnegative() => Some((a, b)),
            (_, true) if range_b.is_nonpositive() => Some((a.mirrored(), b)),
            (true, _) if range_a.is_nonnegative() => Some((a, b)),
            (true, _) if range_a.is_nonpositive() => Some((a, b.mirrored())),
            _ => (is_low_end_nonnegative(a) && is_low_end_nonnegative(b)).then_some((a, b)),
        }
    }
}

impl Interval {
    fn is_exact(self) -> bool {
        self.lower == self.upper
    }

    fn mirrored(self) -> Self {
        Self { lower: self.upper, upper: self.lower }
    }
}
