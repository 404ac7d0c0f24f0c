//! The number of operations, which the documentation states.

use super::super::*;
use crate::machine::Evaluate;

/// Counts what takes an instruction: not constants, casts between a float and
/// its bits, and changes of a sign, which fold into the operation after them.
#[derive(Default)]
struct Count(usize);

macro_rules! forward {
    ($cost:literal: $($name:ident($($operand:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($operand: $type),*) -> Word {
            self.0 += $cost;
            Evaluate.$name($($operand),*)
        })*
    };
}

#[rustfmt::skip]
impl Machine for Count {
    forward! { 0:
        float(value: f32); integer(value: i32); bits_of_float(a: Word); float_of_bits(a: Word);
        neg(a: Word); abs(a: Word);
    }
    forward! { 1:
        add(a: Word, b: Word); sub(a: Word, b: Word); mul(a: Word, b: Word); div(a: Word, b: Word);
        fma(a: Word, b: Word, c: Word); select(mask: Word, a: Word, b: Word);
        less(a: Word, b: Word); less_equal(a: Word, b: Word); equal(a: Word, b: Word);
        and(a: Word, b: Word); or(a: Word, b: Word); not(a: Word);
        integer_add(a: Word, b: Word); integer_sub(a: Word, b: Word); integer_and(a: Word, b: Word);
        shift_left(a: Word, amount: u32); shift_right(a: Word, amount: u32);
        integer_to_float(a: Word);
    }
}

fn operations(function: impl Fn(&mut dyn Machine, Word, Word) -> Word) -> usize {
    let mut count = Count::default();
    function(&mut count, Word(0x3f00_0000), Word(0x4000_0000));
    count.0
}

#[test]
fn counts_are_those_of_the_documentation() {
    assert_eq!(operations(|m, x, _| exp(m, x)), 20);
    assert_eq!(operations(|m, x, _| exp_nonpositive(m, x)), 15);
    assert_eq!(operations(|m, x, _| expm1(m, x)), 21);
    assert_eq!(operations(|m, x, _| log(m, x)), 26);
    assert_eq!(operations(|m, x, _| log1p(m, x)), 24);
    assert_eq!(operations(|m, x, _| log1p_unit(m, x)), 14);
    assert_eq!(operations(|m, x, _| sigmoid(m, x)), 19);
    assert_eq!(operations(|m, x, _| softplus(m, x)), 32);
    assert_eq!(operations(|m, x, _| positive_part(m, x)), 2);
    assert_eq!(operations(maximum), 7);
    assert_eq!(operations(minimum), 9);
    assert_eq!(operations(pow), 69);
}
