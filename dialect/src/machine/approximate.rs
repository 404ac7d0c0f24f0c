//! Three approximate operations, and the machine that makes their largest errors.
//!
//! NVIDIA's GPUs have one instruction for each. The bounds are those of NVIDIA's "PTX ISA",
//! sections 9.7.3 "rcp", "lg2" and "ex2" (version 8.5). The rounding within them is not
//! documented and may differ from one GPU to the next; on one GPU the same operand has the same
//! result, bit for bit.

use super::{Evaluate, Machine, Word, float, word};

/// A [`Machine`] with three approximate operations.
///
/// 2ᵃ and the reciprocal take an operand below 2⁻¹²⁶ in size for 0, and return 0 for a result
/// below it.
pub trait ApproximateMachine: Machine {
    /// 2ᵃ, at most 2 units in the last place from the rounded result.
    fn exp2(&mut self, a: Word) -> Word;
    /// The logarithm of `a` to base 2: within 2⁻²² where `a` lies between 1/2 and 2, within
    /// 2⁻²² of itself elsewhere. -∞ for 0, NaN for a negative number.
    fn log2(&mut self, a: Word) -> Word;
    /// 1 / a, within 1 unit in the last place.
    fn reciprocal(&mut self, a: Word) -> Word;
}

/// A machine that evaluates with chosen errors: the n-th approximate operation is off by
/// `errors[n]` of its bound, from -1 to 1, or by nothing if there is no such entry.
#[derive(Clone, Debug, Default)]
pub struct Perturbed {
    errors: Vec<f64>,
    run: usize,
}

impl Perturbed {
    /// A machine that makes these errors.
    pub fn new(errors: impl Into<Vec<f64>>) -> Self {
        Self { errors: errors.into(), run: 0 }
    }

    /// All machines that make the largest error, in either direction, in each of `count`
    /// operations, and the one that makes none.
    pub fn extremes(count: u64) -> impl Iterator<Item = Self> {
        let errors = move |signs: u64| (0..count).map(move |n| if signs >> n & 1 == 0 { -1.0 } else { 1.0 });
        std::iter::once(Self::default())
            .chain((0..1 << count).map(move |signs| Self::new(errors(signs).collect::<Vec<_>>())))
    }

    /// Returns `exact`, off by the next error times `bound`.
    fn near(&mut self, exact: f64, bound: f64) -> f32 {
        let error = self.errors.get(self.run).copied().unwrap_or_default();
        self.run += 1;
        if exact.is_finite() { (exact + error * bound) as f32 } else { exact as f32 }
    }
}

/// The unit in the last place of an f32 of the size of `value`.
fn ulp(value: f64) -> f64 {
    let exponent = value.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor().min(127.0);
    (exponent - 23.0).exp2()
}

/// Replaces a number too small for a normal float by 0 of its sign.
fn flush(value: f32) -> f32 {
    if value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
}

impl ApproximateMachine for Perturbed {
    fn exp2(&mut self, a: Word) -> Word {
        let exact = f64::from(float(a)).exp2();
        // The rounded result is within half a unit, and two more may be added.
        word(flush(self.near(exact, 2.5 * ulp(exact))))
    }
    fn log2(&mut self, a: Word) -> Word {
        let a = float(a);
        let exact = if a == 0.0 { f64::NEG_INFINITY } else { f64::from(a).log2() };
        let size = if 0.5 < a && a < 2.0 { 1.0 } else { exact.abs() };
        word(self.near(exact, size * (-22_f64).exp2()))
    }
    fn reciprocal(&mut self, a: Word) -> Word {
        let exact = 1.0 / f64::from(flush(float(a)));
        word(flush(self.near(exact, ulp(exact))))
    }
}

/// Methods that evaluate.
macro_rules! evaluate {
    ($($name:ident($($operand:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($operand: $type),*) -> Word {
            Evaluate.$name($($operand),*)
        })*
    };
}

#[rustfmt::skip]
impl Machine for Perturbed {
    evaluate! {
        float(value: f32); integer(value: i32);
        add(a: Word, b: Word); sub(a: Word, b: Word); mul(a: Word, b: Word); div(a: Word, b: Word);
        reciprocal_one_to_two(a: Word);
        fma(a: Word, b: Word, c: Word); neg(a: Word); abs(a: Word);
        less(a: Word, b: Word); less_equal(a: Word, b: Word); equal(a: Word, b: Word);
        and(a: Word, b: Word); or(a: Word, b: Word); not(a: Word);
        select(mask: Word, a: Word, b: Word);
        bits_of_float(a: Word); float_of_bits(a: Word);
        integer_add(a: Word, b: Word); integer_sub(a: Word, b: Word); integer_and(a: Word, b: Word);
        shift_left(a: Word, amount: u32); shift_right(a: Word, amount: u32);
        integer_to_float(a: Word);
    }
}
