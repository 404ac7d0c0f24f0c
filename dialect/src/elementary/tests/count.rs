//! The numbers of operations, which the documentation states.

use super::super::*;
use crate::machine::Operations;

/// The number of instructions: changes of a sign fold into the operation after them.
fn operations(function: impl Fn(&mut dyn Machine, Word, Word) -> Word) -> u64 {
    let mut count = Operations::default();
    function(&mut count, Word(0x3f00_0000), Word(0x4000_0000));
    let Operations {
        arithmetic,
        division,
        reciprocal,
        comparison,
        selection,
        logic,
        integer,
        shift,
        conversion,
        ..
    } = count;
    arithmetic + division + reciprocal + comparison + selection + logic + integer + shift + conversion
}

#[test]
fn counts_are_those_of_the_documentation() {
    assert_eq!(operations(|m, x, _| exp(m, x)), 20);
    assert_eq!(operations(|m, x, _| exp_nonpositive(m, x)), 15);
    assert_eq!(operations(|m, x, _| exp_upper(m, x)), 5);
    assert_eq!(operations(|m, x, _| expm1(m, x)), 21);
    assert_eq!(operations(|m, x, _| log(m, x)), 26);
    assert_eq!(operations(|m, x, _| log1p(m, x)), 24);
    assert_eq!(operations(|m, x, _| log1p_unit(m, x)), 14);
    assert_eq!(operations(|m, x, _| sigmoid(m, x)), 23);
    assert_eq!(operations(|m, x, _| softplus(m, x)), 32);
    assert_eq!(operations(|m, x, _| positive_part(m, x)), 2);
    assert_eq!(operations(maximum), 7);
    assert_eq!(operations(minimum), 9);
    assert_eq!(operations(pow), 69);
}
