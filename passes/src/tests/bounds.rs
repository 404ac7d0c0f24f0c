//! The reference's error bounds are sound.

use lossc_dialect::{Op, Type};
use lossc_programs::bounds::{Bounded, Bounds};
use lossc_programs::evaluate::Arithmetic as _;

fn element(op: Op, operands: &[Bounded]) -> Bounded {
    Bounds::F64.element(op, operands, &[Type::PIXEL; 3])
}

fn number(value: f64) -> Bounded {
    Bounds::F64.number(value)
}

/// `1 - sigmoid(x)`, which cancels.
fn complement(x: f64) -> Bounded {
    element(Op::Sub, &[number(1.0), element(Op::Sigmoid, &[number(x)])])
}

fn contains(bounded: Bounded, value: f64) -> bool {
    (bounded.value - value).abs() <= bounded.error
}

/// In f64 both factors cancel to 0; in truth the product is `exp(-208)`. When the factors were
/// varied one at a time, the bound on the 0 had no error.
#[test]
fn a_product_of_two_cancelled_numbers_has_an_error() {
    let (factor, truth) = (complement(104.0), (-208.0_f64).exp());
    let square = element(Op::Mul, &[factor, factor]);
    assert_eq!(square.value, 0.0);
    assert!(truth > 1e-91 && contains(square, truth), "{square:?} for {truth}");
    // The error is no larger than that, so that a wrong rule is not accepted.
    assert!(square.error < 1e-27, "{square:?}");
}

/// Between the possible denominators the quotient takes any value.
#[test]
fn nothing_is_known_of_a_quotient_near_its_pole() {
    for op in [Op::Div, Op::RatioOrZero] {
        assert!(!element(op, &[number(1.0), complement(104.0)]).is_known());
        assert!(element(op, &[number(1.0), complement(3.0)]).is_known());
        // This 0 is certain.
        assert!(element(op, &[number(1.0), number(0.0)]).value.is_infinite() || op == Op::RatioOrZero);
    }
}

/// The weight of an empty class is exactly 0: its infinite terms contribute nothing.
#[test]
fn the_weight_of_an_empty_class_is_known() {
    let weight = element(Op::RatioOrZero, &[number(0.0), number(7.0)]);
    assert_eq!(weight.error, 0.0);
    let term = element(Op::AbsorbingMul, &[weight, number(f64::INFINITY)]);
    assert!(term.is_known() && term.value == 0.0, "{term:?}");
}

/// `pow` of a base below 0 is undefined, whatever f32 computes.
#[test]
fn a_number_that_should_be_none_is_not_known() {
    let power = element(Op::Pow, &[number(-1.0), number(0.0)]);
    assert!(power.value.is_nan() && !power.computed_as(1.0).is_known());
}
