//! `minimum` and `maximum` of IEEE 754-2019: NaN propagates and -0 < +0.

use crate::machine::{Machine, Word};

/// The larger of `a` and `b`. 7 operations.
pub fn maximum(m: &mut dyn Machine, a: Word, b: Word) -> Word {
    // Equal floats differ at most in a zero's sign: +0 if either is.
    let (bits_a, bits_b) = (m.bits_of_float(a), m.bits_of_float(b));
    let common = m.integer_and(bits_a, bits_b);
    let common = m.float_of_bits(common);
    let is_greater = m.less(b, a);
    let greater = m.select(is_greater, a, b);
    select_by_class(m, a, b, common, greater)
}

/// The smaller of `a` and `b`. 9 operations.
pub fn minimum(m: &mut dyn Machine, a: Word, b: Word) -> Word {
    // As in `maximum`, with the bits of either: a + b - (a and b).
    let (bits_a, bits_b) = (m.bits_of_float(a), m.bits_of_float(b));
    let common = m.integer_and(bits_a, bits_b);
    let rest = m.integer_sub(bits_b, common);
    let either = m.integer_add(bits_a, rest);
    let either = m.float_of_bits(either);
    let is_smaller = m.less(a, b);
    let smaller = m.select(is_smaller, a, b);
    select_by_class(m, a, b, either, smaller)
}

/// `a` if it is NaN, `of_equal` if `a` = `b`, else `of_unequal`, which must be
/// `b` if that is NaN.
fn select_by_class(m: &mut dyn Machine, a: Word, b: Word, of_equal: Word, of_unequal: Word) -> Word {
    let are_equal = m.equal(a, b);
    let value = m.select(are_equal, of_equal, of_unequal);
    let is_number = m.equal(a, a);
    m.select(is_number, value, a)
}

/// The larger of `x` and +0, with the bits of [`maximum`]. 2 operations.
pub fn positive_part(m: &mut dyn Machine, x: Word) -> Word {
    let zero = m.float(0.0);
    let is_nonpositive = m.less_equal(x, zero);
    m.select(is_nonpositive, zero, x)
}
