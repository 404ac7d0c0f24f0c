//! Values with a bound on their rounding error. It tells a wrong rewrite from an ill-conditioned
//! program.

use lossc_dialect::interpret::Precision;
use lossc_dialect::machine::{Evaluate, Word};
use lossc_dialect::{Element, Level, Op, Type, ops, sum_shape};

use crate::evaluate::Arithmetic;

/// A value, and its largest distance from the true one. An infinite error means that nothing is
/// known, not even that the value is a number.
#[derive(Clone, Copy, Debug)]
pub struct Bounded {
    /// The value.
    pub value: f64,
    /// Largest distance from the true value.
    pub error: f64,
}

impl Bounded {
    /// Returns whether anything is known.
    pub fn is_known(self) -> bool {
        self.error < f64::INFINITY
    }

    /// The same with `value` as it was computed instead. If one is NaN and the other is not, the
    /// program is undefined there (`pow` of a base below 0) or rounding has lost its meaning, and
    /// nothing is known.
    pub fn computed_as(self, value: f64) -> Self {
        let alike = self.value.is_nan() == value.is_nan();
        Self { value, error: if alike { self.error } else { f64::INFINITY } }
    }

    /// The value, and others that could stand in its place. The sign of a zero is never known:
    /// rules may change it.
    fn alternatives(self) -> Vec<f64> {
        let mut values = vec![self.value];
        if !self.is_known() {
            values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0, -1.0]);
            return values;
        }
        if self.value == 0.0 {
            values.push(-self.value);
        }
        if self.error > 0.0 {
            values.extend([self.value - 2.0 * self.error, self.value + 2.0 * self.error]);
        }
        values
    }
}

/// Arithmetic that rounds by at most `unit` of a result.
pub struct Bounds {
    unit: f64,
    smallest: f64,
    largest: f64,
    precision: Precision,
}

impl Bounds {
    /// The real precision, as the f64 interpreter computes it.
    pub const F64: Self = Self { unit: 2e-15, smallest: 1e-300, largest: 1e200, precision: Precision::Real };

    /// The real precision, with bounds for the errors of f32. Those of `pow` are the largest, five
    /// units in the last place.
    pub const F32: Self = Self { unit: 1e-6, smallest: 1e-36, largest: 1e37, precision: Precision::Real };

    /// The exact precision, with no error except in the signs of zeros.
    pub const EXACT: Self =
        Self { unit: 0.0, smallest: 0.0, largest: f64::INFINITY, precision: Precision::Exact };

    fn apply(&self, op: Op, operands: &[f64], types: &[Type]) -> f64 {
        let Some(ops::Meaning::Element { real, exact, .. }) = op.definition().map(|it| &it.meaning) else {
            // Casts are from whole numbers and masks to floats.
            return self.stored(operands[0]);
        };
        if self.precision == Precision::Real {
            return real(operands);
        }
        let level = types.iter().map(|ty| ty.level).max().unwrap_or(Level::Pixel);
        if let Some(wide) = op.wide(level) {
            return wide(operands);
        }
        let words: Vec<_> = operands.iter().zip(types).map(|(&value, ty)| to_word(value, *ty)).collect();
        let word = exact(&mut Evaluate, &words).0;
        let is_mask = is_mask(op) || op == Op::Select && types[1].element == Element::Mask;
        if is_mask { f64::from(word) } else { f64::from(f32::from_bits(word)) }
    }

    fn stored(&self, value: f64) -> f64 {
        if self.precision == Precision::Exact { f64::from(value as f32) } else { value }
    }

    fn rounding(&self, size: f64) -> f64 {
        if size.is_finite() { self.unit * size + self.smallest } else { 0.0 }
    }

    /// Returns whether a number has outgrown the format; a logarithm's infinity is meant.
    fn overflows(&self, op: Op, value: f64, operands: &[Bounded]) -> bool {
        let meant = matches!(op, Op::Log | Op::Log1p) || is_exact(op);
        !meant && value.abs() > self.largest && operands.iter().all(|it| it.value.is_finite())
    }
}

impl Arithmetic for Bounds {
    type Value = Bounded;

    fn number(&self, value: f64) -> Bounded {
        Bounded { value, error: 0.0 }
    }

    fn element(&self, op: Op, operands: &[Bounded], types: &[Type]) -> Bounded {
        let at: Vec<_> = operands.iter().map(|operand| operand.value).collect();
        let value = self.apply(op, &at, types);
        let exact = is_exact(op) || value == 0.0 && is_exact_zero(op, operands);
        let rounding = if exact { 0.0 } else { self.rounding(value.abs()) };
        // All operands are moved together: 0 * 0 changes only if both do.
        let moved = corners(operands).map(|at| difference(value, self.apply(op, &at, types)));
        let error = rounding + moved.fold(0.0, f64::max);
        let unknown =
            is_mask(op) && error > 0.0 || self.overflows(op, value, operands) || meets_pole(op, operands);
        Bounded { value, error: if unknown { f64::INFINITY } else { error } }
    }

    fn sum(&self, plane: Option<usize>, terms: &[Bounded]) -> Bounded {
        let value = match (plane, self.precision) {
            (Some(plane), Precision::Exact) => {
                sum_shape::sum_plane(plane, &terms.iter().map(|term| term.value as f32).collect::<Vec<_>>())
            }
            _ => terms.iter().map(|term| term.value).sum(),
        };
        let error: f64 = terms.iter().map(|term| term.error).sum();
        let sizes = || terms.iter().map(|term| term.value.abs());
        let (size, finite): (f64, f64) = (sizes().sum(), sizes().filter(|it| it.is_finite()).sum());
        let rounding = match size {
            0.0 => 0.0,
            // A plane is added up in the format; totals are not. If the sum overflows, an infinity
            // of the other sign makes it NaN.
            _ if plane.is_some() && finite > self.largest => f64::INFINITY,
            _ => self.rounding(size),
        };
        Bounded { value, error: error + rounding }
    }
}

/// All operands, each replaced by each of its alternatives.
fn corners(operands: &[Bounded]) -> impl Iterator<Item = Vec<f64>> {
    let choices: Vec<_> = operands.iter().map(|operand| operand.alternatives()).collect();
    let count: usize = choices.iter().map(Vec::len).product();
    (0..count).map(move |mut corner| {
        let pick = |values: &Vec<f64>| {
            let value = values[corner % values.len()];
            corner /= values.len();
            value
        };
        choices.iter().map(pick).collect()
    })
}

/// The distance of two results; it is infinite between a number and NaN.
fn difference(first: f64, second: f64) -> f64 {
    let difference = (first - second).abs();
    let same = first == second || first.is_nan() && second.is_nan();
    match (same, difference.is_nan()) {
        (true, _) => 0.0,
        (_, true) => f64::INFINITY,
        _ => difference,
    }
}

fn is_mask(op: Op) -> bool {
    matches!(op, Op::Less | Op::LessEqual | Op::Equal | Op::And | Op::Or | Op::Not)
}

/// Returns whether the denominator may be 0: between its alternatives the quotient has no bound,
/// and a ratio is 0 there.
fn meets_pole(op: Op, operands: &[Bounded]) -> bool {
    let divides = matches!(op, Op::Div | Op::RatioOrZero);
    divides && operands[1].error > 0.0 && operands[1].value.abs() <= 2.0 * operands[1].error
}

/// Returns whether an op never rounds.
fn is_exact(op: Op) -> bool {
    is_mask(op) || matches!(op, Op::Neg | Op::Abs | Op::Min | Op::Max | Op::Select | Op::Cast)
}

/// Returns whether a result of 0 is exact, not a rounded smaller number: the weight of an empty
/// class is exactly 0.
fn is_exact_zero(op: Op, operands: &[Bounded]) -> bool {
    match op {
        Op::Add | Op::Sub => true,
        Op::Mul | Op::AbsorbingMul | Op::RatioOrZero => operands.iter().any(|it| it.value == 0.0),
        Op::Div => operands[0].value == 0.0,
        _ => false,
    }
}

fn to_word(value: f64, ty: Type) -> Word {
    match ty.element {
        Element::Mask => Word(u32::from(value != 0.0)),
        _ => Word((value as f32).to_bits()),
    }
}
