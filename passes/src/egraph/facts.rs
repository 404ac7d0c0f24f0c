//! Facts about an e-class: its type, and the range of its values. Side conditions of rules are
//! checked on them.

use egg::{Analysis, DidMerge, Id, merge_option};
use lossc_dialect::{Element, Level, Op, Program, Type};

use super::{LossGraph, LossNode, NodeOp};

/// The range of the floats of an e-class. An end is never NaN.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The lower bound of the values.
    pub low: f32,
    /// The upper bound of the values.
    pub high: f32,
    /// True if a value may be NaN.
    pub nan: bool,
    /// True if every value is a whole number.
    pub whole: bool,
}

/// 2^117: a chunk has 2^11 pixels, and all floats are below 2^128.
pub const SMALL: f32 = f32::from_bits((127 + 117) << 23);

impl Range {
    const ANY: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, nan: true, whole: false };

    fn between(low: f32, high: f32) -> Self {
        Self { low, high, nan: false, whole: false }
    }

    /// Returns whether no value is infinite or NaN.
    pub fn is_finite(self) -> bool {
        self.low.is_finite() && self.high.is_finite() && !self.nan
    }

    /// Returns whether no value is larger in size than [`SMALL`], or NaN.
    pub fn is_small(self) -> bool {
        self.low >= -SMALL && self.high <= SMALL && !self.nan
    }

    /// Returns whether a value may be a zero that a program could distinguish from the other
    /// zero.
    pub fn may_be_signed_zero(self) -> bool {
        self.low < 0.0 && self.high >= 0.0
    }

    fn is_unbounded(self) -> bool {
        self.low == f32::NEG_INFINITY || self.high == f32::INFINITY
    }

    fn has_zero(self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }

    /// Returns whether every value is zero or above, or NaN.
    pub fn is_nonnegative(self) -> bool {
        self.low >= 0.0
    }

    /// Returns whether every value is zero or below, or NaN.
    pub fn is_nonpositive(self) -> bool {
        self.high <= 0.0
    }

    /// Returns whether every value is between zero and one, or NaN.
    pub fn is_unit(self) -> bool {
        self.low >= 0.0 && self.high <= 1.0
    }

    /// Returns whether every value is between one and two, or NaN.
    pub fn is_one_to_two(self) -> bool {
        self.low >= 1.0 && self.high <= 2.0
    }

    fn union(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            nan: self.nan || other.nan,
            whole: self.whole && other.whole,
        }
    }

    /// The range without ends that are NaN. The sum of opposite infinities makes such an end,
    /// and then nothing is known.
    fn settled(self) -> Self {
        let or = |end: f32, unknown: f32| if end.is_nan() { unknown } else { end };
        Self { low: or(self.low, f32::NEG_INFINITY), high: or(self.high, f32::INFINITY), ..self }
    }

    /// The range of values that lie in both ranges. Ends are in total order, so neither the
    /// order of the ranges nor repetition matters.
    fn intersect(self, other: Self) -> Self {
        let last = |a: f32, b: f32| if a.total_cmp(&b).is_lt() { b } else { a };
        Self {
            low: last(self.low, other.low),
            high: -last(-self.high, -other.high),
            nan: self.nan && other.nan,
            whole: self.whole || other.whole,
        }
    }
}

/// Equality of the bits of the ends: whether a zero's sign is known makes a difference, and
/// repeated merging still settles.
impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.low.to_bits(), it.high.to_bits(), it.nan, it.whole);
        parts(self) == parts(other)
    }
}

/// The facts about an e-class.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The class's level; `None` if it fits any, because it is made of constants alone, or equal
    /// to such a value.
    pub level: Option<Level>,
    /// The class's element type.
    pub element: Element,
    /// The class's value, if it is a constant.
    pub constant: Option<f32>,
    /// The range of the class's values.
    pub range: Range,
}

/// Equality of the bits of the constant: a NaN that did not equal itself would look like a
/// change for ever.
impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.level, it.element, it.constant.map(f32::to_bits), it.range);
        parts(self) == parts(other)
    }
}

/// Computes [`Facts`] as e-nodes are added.
#[derive(Clone, Debug, Default)]
pub struct FactsAnalysis {
    arguments: Vec<Type>,
}

impl FactsAnalysis {
    /// The analysis of e-graphs of `program`.
    pub fn of(program: &Program) -> Self {
        Self { arguments: program.arguments().iter().map(|argument| argument.ty).collect() }
    }

    /// The facts about `op` on operands with the facts `operands`.
    pub fn facts(&self, op: NodeOp, operands: &[Facts]) -> Facts {
        let NodeOp::Op(op) = op else { return Self::roots() };
        if let Op::Argument(index) = op {
            return self.argument(index as usize);
        }
        let element = match op {
            Op::Less | Op::LessEqual | Op::Equal | Op::Is(_) | Op::And | Op::Or | Op::Not => Element::Mask,
            Op::Count => Element::I64,
            Op::Select => operands[1].element,
            Op::Broadcast | Op::BroadcastGroups => operands[0].element,
            _ => Element::F32,
        };
        Facts {
            level: level(op, operands),
            element,
            constant: op.constant_value(),
            range: range(op, operands),
        }
    }

    fn roots() -> Facts {
        Facts { level: None, element: Element::F32, constant: None, range: Range::ANY }
    }

    fn argument(&self, index: usize) -> Facts {
        let ty = self.arguments.get(index).copied().unwrap_or(Type::PIXEL);
        let whole = !ty.element.is_float();
        let range = if whole {
            Range { nan: false, whole, ..Range::between(f32::MIN, f32::MAX) }
        } else {
            Range::ANY
        };
        Facts { level: Some(ty.level), element: ty.element, constant: None, range }
    }
}

fn level(op: Op, operands: &[Facts]) -> Option<Level> {
    match op {
        Op::Constant(_) => None,
        Op::Uniform | Op::Broadcast => Some(Level::Pixel),
        Op::BroadcastGroups | Op::Count | Op::Sum => Some(Level::Group),
        Op::Groups | Op::Pixels | Op::SumGroups | Op::MeanGroups => Some(Level::Scalar),
        _ => operands.iter().filter_map(|operand| operand.level).max(),
    }
}

/// The range of the values of `op`. Rounding is monotonic, so bounds hold in f32.
fn range(op: Op, operands: &[Facts]) -> Range {
    unsettled_range(op, operands).settled()
}

fn unsettled_range(op: Op, operands: &[Facts]) -> Range {
    let ranges: Vec<_> = operands.iter().map(|operand| operand.range).collect();
    match (op, ranges.as_slice()) {
        (Op::Constant(bits), _) => {
            let value = f32::from_bits(bits);
            Range { low: value, high: value, nan: value.is_nan(), whole: value.fract() == 0.0 }
        }
        (Op::Uniform, _) => Range::between(0.0, 1.0),
        (Op::Count | Op::Groups | Op::Pixels, _) => {
            Range { whole: true, ..Range::between(0.0, i64::MAX as f32) }
        }
        (Op::Cast | Op::Broadcast | Op::BroadcastGroups, [from]) => *from,
        (Op::Neg, [x]) => Range { low: -x.high, high: -x.low, ..*x },
        (Op::Abs, [x]) => Range { low: 0.0, high: x.high.max(-x.low), ..*x },
        (Op::Add, [a, b]) => add(*a, *b),
        (Op::Max, [a, b]) => Range { low: a.low.max(b.low), high: a.high.max(b.high), ..a.union(*b) },
        (Op::Min, [a, b]) => Range { low: a.low.min(b.low), high: a.high.min(b.high), ..a.union(*b) },
        (Op::PositivePart, [x]) => Range { low: x.low.max(0.0), high: x.high.max(0.0), ..*x },
        (Op::Select, [_, a, b]) => a.union(*b),
        (Op::Mul | Op::AbsorbingMul, [a, b]) => product(*a, *b, op == Op::AbsorbingMul),
        (Op::Fma, [a, b, c]) => add(product(*a, *b, false), *c),
        (Op::RatioOrZero, [n, d]) => ratio_or_zero(*n, *d),
        (Op::Exp | Op::ExpNonpositive, [x]) if x.is_nonpositive() => {
            Range { nan: x.nan, ..Range::between(0.0, 1.0) }
        }
        (Op::ExpUpper, [x]) => Range { nan: x.nan, ..Range::between(0.0, 1.001) },
        (Op::Exp, [x]) => Range { nan: x.nan, ..Range::between(0.0, x.high.exp() * 1.0001) },
        (Op::ReciprocalOneToTwo, [x]) if x.is_one_to_two() => {
            Range { nan: x.nan, ..Range::between(0.5, 1.0) }
        }
        (Op::Sigmoid, [x]) => Range { nan: x.nan, ..Range::between(0.0, 1.0) },
        (Op::Softplus, [x]) => Range { nan: x.nan, ..Range::between(0.0, f32::INFINITY) },
        (Op::Log1pUnit, [x]) if x.is_unit() => Range { nan: x.nan, ..Range::between(0.0, 0.7) },
        (Op::Log1p, [x]) if x.low >= 0.0 => Range { nan: x.nan, ..Range::between(0.0, f32::INFINITY) },
        (Op::Sum | Op::SumGroups | Op::MeanGroups, [x]) if x.low >= 0.0 => {
            Range { nan: x.nan, ..Range::between(0.0, f32::INFINITY) }
        }
        _ => Range::ANY,
    }
}

fn add(a: Range, b: Range) -> Range {
    // The sum of opposite infinities is NaN.
    let cancels = a.high == f32::INFINITY && b.low == f32::NEG_INFINITY
        || a.low == f32::NEG_INFINITY && b.high == f32::INFINITY;
    let nan = a.nan || b.nan || cancels;
    Range { low: a.low + b.low, high: a.high + b.high, nan, whole: a.whole && b.whole }
}

fn product(a: Range, b: Range, guarded: bool) -> Range {
    // 0 times infinity is NaN; the other products near that corner are in the range of 0 and the
    // other corners.
    let vanishes_at_infinity = |a: Range, b: Range| a.has_zero() && b.is_unbounded();
    let nan = a.nan || b.nan || vanishes_at_infinity(b, a) || !guarded && vanishes_at_infinity(a, b);
    let corner = |a: f32, b: f32| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
    let corners =
        [corner(a.low, b.low), corner(a.low, b.high), corner(a.high, b.low), corner(a.high, b.high)];
    let low = corners.into_iter().fold(f32::INFINITY, f32::min);
    let high = corners.into_iter().fold(f32::NEG_INFINITY, f32::max);
    Range { low, high, nan, whole: a.whole && b.whole }
}

fn ratio_or_zero(numerator: Range, denominator: Range) -> Range {
    // A whole denominator is 0, for which the ratio is 0, or at least 1 in size.
    if !(denominator.whole && denominator.is_finite() && numerator.is_finite()) {
        return Range::ANY;
    }
    let size = numerator.high.max(-numerator.low);
    let low = if numerator.low >= 0.0 && denominator.low >= 0.0 { 0.0 } else { -size };
    Range::between(low, size)
}

impl Analysis<LossNode> for FactsAnalysis {
    type Data = Facts;

    fn make(egraph: &mut LossGraph, node: &LossNode, _: Id) -> Facts {
        let operands: Vec<_> = node.children.iter().map(|&child| egraph[child].data).collect();
        egraph.analysis.facts(node.op, &operands)
    }

    fn merge(&mut self, known: &mut Facts, other: Facts) -> DidMerge {
        let before = *known;
        // A class that is equal to a value of any level fits any level itself.
        known.level = known.level.and(other.level);
        merge_option(&mut known.constant, other.constant, |_, _| DidMerge(false, false));
        known.range = known.range.intersect(other.range);
        DidMerge(*known != before, *known != other)
    }
}
