//! The machine against which the exact meaning of an op is written.
//!
//! An op's exact f32 meaning is a fixed sequence of IEEE 754 operations. It is written once,
//! against [`Machine`], and run on several: on [`Evaluate`], which computes it for the
//! interpreter, on the lowering's machine, which emits the same operations as MLIR, and on
//! [`Operations`], which counts them for the cost models. Hence interpreter, CPU and GPU agree
//! bit for bit by construction.
//!
//! An op's fast meaning is written against [`ApproximateMachine`], which adds three operations
//! with approximate results.

mod approximate;
mod count;

pub use approximate::{ApproximateMachine, Perturbed};
pub use count::Operations;

/// A value of a [`Machine`]: 32 bits for [`Evaluate`], an SSA name for a
/// lowering. Floats, integers and masks (0 or 1) share the type; the op table's
/// signatures keep them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(pub u32);

/// IEEE binary32 and two's complement i32 arithmetic, rounding to nearest even, denormals kept,
/// no contraction except by [`Machine::fma`].
pub trait Machine {
    /// The float constant `value`.
    fn float(&mut self, value: f32) -> Word;
    /// The integer constant `value`.
    fn integer(&mut self, value: i32) -> Word;
    /// `a + b`
    fn add(&mut self, a: Word, b: Word) -> Word;
    /// `a - b`
    fn sub(&mut self, a: Word, b: Word) -> Word;
    /// `a * b`
    fn mul(&mut self, a: Word, b: Word) -> Word;
    /// `a / b`
    fn div(&mut self, a: Word, b: Word) -> Word;
    /// `1 / a` for `a` from 1 to 2 or NaN, rounded once. A machine may have a shorter way for
    /// it than for a general quotient.
    fn reciprocal_one_to_two(&mut self, a: Word) -> Word;
    /// `a * b + c`, rounded once
    fn fma(&mut self, a: Word, b: Word, c: Word) -> Word;
    /// `-a`: the sign bit flipped, also of a NaN
    fn neg(&mut self, a: Word) -> Word;
    /// `|a|`: the sign bit cleared, also of a NaN
    fn abs(&mut self, a: Word) -> Word;
    /// `a < b`, false if either is NaN
    fn less(&mut self, a: Word, b: Word) -> Word;
    /// `a <= b`, false if either is NaN
    fn less_equal(&mut self, a: Word, b: Word) -> Word;
    /// `a == b`, false if either is NaN
    fn equal(&mut self, a: Word, b: Word) -> Word;
    /// Both masks hold.
    fn and(&mut self, a: Word, b: Word) -> Word;
    /// Either mask holds.
    fn or(&mut self, a: Word, b: Word) -> Word;
    /// The mask does not hold.
    fn not(&mut self, a: Word) -> Word;
    /// `a` where `mask` holds, else `b`; all three by lane.
    fn select(&mut self, mask: Word, a: Word, b: Word) -> Word;
    /// The bits of a float, as an integer.
    fn bits_of_float(&mut self, a: Word) -> Word;
    /// The float with the bits of an integer.
    fn float_of_bits(&mut self, a: Word) -> Word;
    /// `a + b` of integers, wrapping
    fn integer_add(&mut self, a: Word, b: Word) -> Word;
    /// `a - b` of integers, wrapping
    fn integer_sub(&mut self, a: Word, b: Word) -> Word;
    /// `a & b` of integers
    fn integer_and(&mut self, a: Word, b: Word) -> Word;
    /// `a << amount` of integers
    fn shift_left(&mut self, a: Word, amount: u32) -> Word;
    /// `a >> amount` of integers, the sign copied in
    fn shift_right(&mut self, a: Word, amount: u32) -> Word;
    /// The float nearest to an integer
    fn integer_to_float(&mut self, a: Word) -> Word;
}

/// The machine that computes: a [`Word`] holds the value's bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evaluate;

fn float(word: Word) -> f32 {
    f32::from_bits(word.0)
}

fn word(value: f32) -> Word {
    Word(value.to_bits())
}

fn mask(value: bool) -> Word {
    Word(u32::from(value))
}

impl Machine for Evaluate {
    fn float(&mut self, value: f32) -> Word {
        word(value)
    }
    fn integer(&mut self, value: i32) -> Word {
        Word(value.cast_unsigned())
    }
    fn add(&mut self, a: Word, b: Word) -> Word {
        word(float(a) + float(b))
    }
    fn sub(&mut self, a: Word, b: Word) -> Word {
        word(float(a) - float(b))
    }
    fn mul(&mut self, a: Word, b: Word) -> Word {
        word(float(a) * float(b))
    }
    fn div(&mut self, a: Word, b: Word) -> Word {
        word(float(a) / float(b))
    }
    fn reciprocal_one_to_two(&mut self, a: Word) -> Word {
        word(1.0 / float(a))
    }
    fn fma(&mut self, a: Word, b: Word, c: Word) -> Word {
        word(float(a).mul_add(float(b), float(c)))
    }
    fn neg(&mut self, a: Word) -> Word {
        Word(a.0 ^ 0x8000_0000)
    }
    fn abs(&mut self, a: Word) -> Word {
        Word(a.0 & 0x7fff_ffff)
    }
    fn less(&mut self, a: Word, b: Word) -> Word {
        mask(float(a) < float(b))
    }
    fn less_equal(&mut self, a: Word, b: Word) -> Word {
        mask(float(a) <= float(b))
    }
    fn equal(&mut self, a: Word, b: Word) -> Word {
        mask(float(a) == float(b))
    }
    fn and(&mut self, a: Word, b: Word) -> Word {
        Word(a.0 & b.0)
    }
    fn or(&mut self, a: Word, b: Word) -> Word {
        Word(a.0 | b.0)
    }
    fn not(&mut self, a: Word) -> Word {
        Word(a.0 ^ 1)
    }
    fn select(&mut self, mask: Word, a: Word, b: Word) -> Word {
        if mask.0 != 0 { a } else { b }
    }
    fn bits_of_float(&mut self, a: Word) -> Word {
        a
    }
    fn float_of_bits(&mut self, a: Word) -> Word {
        a
    }
    fn integer_add(&mut self, a: Word, b: Word) -> Word {
        Word(a.0.wrapping_add(b.0))
    }
    fn integer_sub(&mut self, a: Word, b: Word) -> Word {
        Word(a.0.wrapping_sub(b.0))
    }
    fn integer_and(&mut self, a: Word, b: Word) -> Word {
        Word(a.0 & b.0)
    }
    fn shift_left(&mut self, a: Word, amount: u32) -> Word {
        Word(a.0 << amount)
    }
    fn shift_right(&mut self, a: Word, amount: u32) -> Word {
        Word((a.0.cast_signed() >> amount).cast_unsigned())
    }
    fn integer_to_float(&mut self, a: Word) -> Word {
        word(a.0.cast_signed() as f32)
    }
}
