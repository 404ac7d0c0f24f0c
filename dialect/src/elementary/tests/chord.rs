//! The functions that are said to bound others do so.

use super::*;

/// The bound in f32 holds for the function in f32: these are the values that decide.
#[test]
fn exp_lies_below_its_bound_and_near_it() {
    for x in floats(257).filter(|x| *x <= 0.0) {
        let [value, upper] = [exp_nonpositive, exp_upper].map(|it| evaluate(it, x));
        assert!(value <= upper, "{value:e} {upper:e} at {x:e}");
        assert!(x <= -87.0 || upper <= 1.0617 * value, "{value:e} {upper:e} at {x:e}");
    }
}

#[test]
fn a_bound_keeps_a_nan() {
    assert!(evaluate(exp_upper, f32::NAN).is_nan() && evaluate(exp_upper, -f32::NAN).is_nan());
}

/// The schedule takes e as an upper bound of log(1 + e).
#[test]
fn log1p_unit_lies_below_its_operand() {
    for e in floats(257).filter(|e| (0.0..=1.0).contains(e)) {
        let value = evaluate(log1p_unit, e);
        assert!(value <= e, "{value:e} at {e:e}");
    }
}
