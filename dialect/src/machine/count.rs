//! The machine that counts operations.

use super::{ApproximateMachine, Evaluate, Machine, Perturbed, Word};

/// The number of operations run, by kind. Constants and casts between a float and its bits take
/// none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Additions, subtractions, products and fused multiply-adds of floats.
    pub arithmetic: u64,
    /// Quotients.
    pub division: u64,
    /// Reciprocals of numbers from 1 to 2.
    pub reciprocal: u64,
    /// Changes of a sign, which may fold into the operation after them.
    pub sign: u64,
    /// Comparisons.
    pub comparison: u64,
    /// Selects.
    pub selection: u64,
    /// Operations on masks.
    pub logic: u64,
    /// Additions, subtractions and bitwise operations of integers.
    pub integer: u64,
    /// Shifts.
    pub shift: u64,
    /// Conversions of integers to floats.
    pub conversion: u64,
    /// Operations of an [`ApproximateMachine`].
    pub approximation: u64,
}

/// Methods that count one operation of a kind and evaluate.
macro_rules! count {
    ($($kind:ident { $($name:ident($($operand:ident: $type:ty),*);)* })*) => {
        $($(fn $name(&mut self, $($operand: $type),*) -> Word {
            self.$kind += 1;
            Evaluate.$name($($operand),*)
        })*)*
    };
}

#[rustfmt::skip]
impl Machine for Operations {
    fn float(&mut self, value: f32) -> Word {
        Evaluate.float(value)
    }
    fn integer(&mut self, value: i32) -> Word {
        Evaluate.integer(value)
    }
    fn bits_of_float(&mut self, a: Word) -> Word {
        a
    }
    fn float_of_bits(&mut self, a: Word) -> Word {
        a
    }
    count! {
        arithmetic {
            add(a: Word, b: Word); sub(a: Word, b: Word); mul(a: Word, b: Word); fma(a: Word, b: Word, c: Word);
        }
        division { div(a: Word, b: Word); }
        reciprocal { reciprocal_one_to_two(a: Word); }
        sign { neg(a: Word); abs(a: Word); }
        comparison { less(a: Word, b: Word); less_equal(a: Word, b: Word); equal(a: Word, b: Word); }
        selection { select(mask: Word, a: Word, b: Word); }
        logic { and(a: Word, b: Word); or(a: Word, b: Word); not(a: Word); }
        integer {
            integer_add(a: Word, b: Word); integer_sub(a: Word, b: Word); integer_and(a: Word, b: Word);
        }
        shift { shift_left(a: Word, amount: u32); shift_right(a: Word, amount: u32); }
        conversion { integer_to_float(a: Word); }
    }
}

/// Counts, and evaluates without an error.
impl ApproximateMachine for Operations {
    fn exp2(&mut self, a: Word) -> Word {
        self.approximation += 1;
        Perturbed::default().exp2(a)
    }
    fn log2(&mut self, a: Word) -> Word {
        self.approximation += 1;
        Perturbed::default().log2(a)
    }
    fn reciprocal(&mut self, a: Word) -> Word {
        self.approximation += 1;
        Perturbed::default().reciprocal(a)
    }
}
