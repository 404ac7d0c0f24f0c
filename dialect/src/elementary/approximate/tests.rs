use super::super::tests::{ALL, floats, sigmoid_in_f64, softplus_in_f64};
use super::*;
use crate::machine::{Operations, Perturbed};

type Function = fn(&mut dyn ApproximateMachine, Word) -> Word;

/// A function, its meaning, its domain, its operations, and its error as in the module's
/// documentation: relative, in units of 2⁻²³, and this many more for each unit of |x|.
struct Case {
    name: &'static str,
    function: Function,
    meaning: fn(f64) -> f64,
    domain: std::ops::RangeInclusive<f32>,
    operations: u64,
    error: [f64; 2],
}

#[rustfmt::skip]
const CASES: [Case; 7] = [
    Case { name: "exp", function: exp, meaning: f64::exp, domain: ALL, operations: 2, error: [3.0, 0.62] },
    Case { name: "expm1", function: expm1, meaning: f64::exp_m1, domain: ALL, operations: 10, error: [11.0, 0.62] },
    Case { name: "log", function: log, meaning: f64::ln, domain: ALL, operations: 2, error: [3.0, 0.0] },
    Case { name: "log1p", function: log1p, meaning: f64::ln_1p, domain: ALL, operations: 11, error: [11.1, 0.0] },
    Case { name: "log1p_unit", function: log1p_unit, meaning: f64::ln_1p, domain: 0.0..=1.0, operations: 8, error: [2.5, 0.0] },
    Case { name: "sigmoid", function: sigmoid, meaning: sigmoid_in_f64, domain: ALL, operations: 4, error: [3.6, 0.62] },
    Case { name: "softplus", function: softplus, meaning: softplus_in_f64, domain: ALL, operations: 13, error: [4.3, 0.62] },
];

/// The unit of errors.
const UNIT: f64 = 1.0 / 8_388_608.0;

/// Bound below which a result may be 0.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// The allowed error of a logarithm between 1/2 and 2, where its relative error is not bounded.
const LOG_NEAR_ONE: f64 = 2.0 * UNIT;

/// The distance of `got` from `want`, as a part of what is allowed: `relative` units, or
/// `absolute` if that is more. Infinity counts as 2¹²⁸.
fn part_of_allowed(got: f32, want: f64, relative: f64, absolute: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let limit = 128_f64.exp2();
    let (got, want) = (f64::from(got).clamp(-limit, limit), want.clamp(-limit, limit));
    (got - want).abs() / (relative * UNIT * want.abs()).max(absolute)
}

/// The largest error on every `stride`-th float, whichever way each approximate operation errs,
/// as a part of what is documented; and the float that has it.
fn largest_error(case: &Case, stride: usize) -> (f64, f32) {
    let mut largest = (0.0, 0.0);
    for x in floats(stride).filter(|x| x.is_nan() || case.domain.contains(x)) {
        let (want, size) = ((case.meaning)(f64::from(x)), f64::from(x.abs()));
        let relative = case.error[0] + if size.is_finite() { case.error[1] * size } else { 0.0 };
        let absolute = if case.name == "log" && 0.5 < x && x < 2.0 { LOG_NEAR_ONE } else { SMALLEST };
        for mut machine in Perturbed::extremes(2) {
            let got = f32::from_bits((case.function)(&mut machine, Word(x.to_bits())).0);
            let error = part_of_allowed(got, want, relative, absolute);
            if error > largest.0 {
                largest = (error, x);
            }
        }
    }
    largest
}

/// At most the documented error, and at least 0.9 of it.
#[test]
fn errors_are_those_of_the_documentation() {
    for case in &CASES {
        let (error, x) = largest_error(case, 4_099);
        assert!(error <= 1.0, "{}({x:e}) is {error:.3} times as far off as documented", case.name);
        assert!(error >= 0.9, "{}: at most {error:.3} of the documented error", case.name);
    }
}

fn error_of_pow(x: f32, y: f32) -> f64 {
    let want = f64::from(x).powf(f64::from(y));
    let size = f64::from(x).log2().abs().max(1.0) * f64::from(y.abs());
    let machines = Perturbed::extremes(2);
    let errors = machines.map(|mut machine| {
        let got = f32::from_bits(pow(&mut machine, Word(x.to_bits()), Word(y.to_bits())).0);
        part_of_allowed(got, want, 3.0 + 1.9 * size, SMALLEST)
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn pow_errs_as_its_logarithm_does() {
    let numbers = || (1_u16..=400).map(|n| f32::from(n) / 100.0).chain([1e-30, 1e-3, 1e5, 1e30]);
    let mut largest = 0.0_f64;
    for x in numbers() {
        for y in numbers().chain(numbers().map(std::ops::Neg::neg)) {
            let error = error_of_pow(x, y);
            assert!(error <= 1.0, "pow({x:e}, {y:e}) is {error:.3} times as far off as documented");
            largest = largest.max(error);
        }
    }
    assert!(largest >= 0.8, "at most {largest:.3} of the documented error");
}

#[test]
fn quotients_are_two_roundings_off() {
    for x in floats(65_537).filter(|x| x.is_normal() && x.abs() <= 126_f32.exp2()) {
        for a in [1.0, 0.3, -7.0] {
            for mut machine in Perturbed::extremes(1) {
                let got = f32::from_bits(quotient(&mut machine, Word(f32::to_bits(a)), Word(x.to_bits())).0);
                let error = part_of_allowed(got, f64::from(a) / f64::from(x), 2.0, SMALLEST);
                assert!(error <= 1.0, "{a} / {x:e} is {error:.3} times as far off as documented");
            }
        }
    }
}

/// Every float, with approximations that are 1 unit off and further.
#[test]
fn a_reciprocal_is_rounded_whatever_the_approximation() {
    for bits in 1.0_f32.to_bits()..=2.0_f32.to_bits() {
        for mut machine in Perturbed::extremes(1) {
            let found = rounded_reciprocal(&mut machine, Word(bits)).0;
            assert_eq!(found, (1.0 / f32::from_bits(bits)).to_bits(), "{:e}", f32::from_bits(bits));
        }
    }
    let nan = rounded_reciprocal(&mut Perturbed::default(), Word(f32::NAN.to_bits()));
    assert!(f32::from_bits(nan.0).is_nan());
}

#[test]
fn special_values() {
    let infinity = f32::INFINITY;
    let run =
        |function: Function, x: f32| f32::from_bits(function(&mut Perturbed::default(), Word(x.to_bits())).0);
    for case in CASES {
        assert!(run(case.function, f32::NAN).is_nan(), "{}", case.name);
    }
    assert_eq!((run(exp, -infinity), run(exp, infinity), run(exp, 0.0)), (0.0, infinity, 1.0));
    assert_eq!((run(log, 0.0), run(log, infinity), run(log1p, -1.0)), (-infinity, infinity, -infinity));
    assert!(run(log, -1.0).is_nan() && run(log1p, -2.0).is_nan());
    assert_eq!((run(sigmoid, -infinity), run(sigmoid, infinity)), (0.0, 1.0));
    assert_eq!((run(softplus, -infinity), run(softplus, infinity)), (0.0, infinity));
    let pow = |x: f32, y: f32| {
        f32::from_bits(pow(&mut Perturbed::default(), Word(x.to_bits()), Word(y.to_bits())).0)
    };
    assert_eq!(
        [pow(0.0, 0.0), pow(f32::NAN, 0.0), pow(1.0, f32::NAN), pow(0.0, -1.0)],
        [1.0, 1.0, 1.0, infinity]
    );
    assert_eq!([pow(-0.0, 2.0), pow(0.5, infinity), pow(infinity, -1.0)], [0.0, 0.0, 0.0]);
    assert!(pow(-1.0, 2.0).is_nan());
}

#[test]
fn counts_are_those_of_the_documentation() {
    let count = |function: &dyn Fn(&mut Operations)| {
        let mut operations = Operations::default();
        function(&mut operations);
        let Operations { arithmetic, comparison, selection, logic, approximation, .. } = operations;
        arithmetic + comparison + selection + logic + approximation
    };
    let half = Word(0.5_f32.to_bits());
    for case in CASES {
        assert_eq!(count(&|m| _ = (case.function)(m, half)), case.operations, "{}", case.name);
    }
    assert_eq!(count(&|m| _ = pow(m, half, half)), 7);
    assert_eq!(count(&|m| _ = quotient(m, half, half)), 2);
    assert_eq!(count(&|m| _ = rounded_reciprocal(m, half)), 7);
}
