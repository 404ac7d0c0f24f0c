use super::*;
use crate::machine::Evaluate;

mod chord;
mod count;

type Function = fn(&mut dyn Machine, Word) -> Word;

/// A function, its meaning, its domain and its error in ulps.
struct Case {
    name: &'static str,
    function: Function,
    meaning: fn(f64) -> f64,
    domain: std::ops::RangeInclusive<f32>,
    bound: f64,
}

pub(super) const ALL: std::ops::RangeInclusive<f32> = f32::NEG_INFINITY..=f32::INFINITY;

#[rustfmt::skip]
const CASES: [Case; 8] = [
    Case { name: "exp", function: exp, meaning: f64::exp, domain: ALL, bound: 0.92 },
    Case { name: "exp_nonpositive", function: exp_nonpositive, meaning: f64::exp, domain: f32::NEG_INFINITY..=0.0, bound: 0.92 },
    Case { name: "expm1", function: expm1, meaning: f64::exp_m1, domain: ALL, bound: 1.56 },
    Case { name: "log", function: log, meaning: f64::ln, domain: ALL, bound: 1.24 },
    Case { name: "log1p", function: log1p, meaning: f64::ln_1p, domain: ALL, bound: 1.27 },
    Case { name: "log1p_unit", function: log1p_unit, meaning: f64::ln_1p, domain: 0.0..=1.0, bound: 1.27 },
    Case { name: "sigmoid", function: sigmoid, meaning: sigmoid_in_f64, domain: ALL, bound: 1.50 },
    Case { name: "softplus", function: softplus, meaning: softplus_in_f64, domain: ALL, bound: 1.91 },
];

pub(super) fn sigmoid_in_f64(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

pub(super) fn softplus_in_f64(x: f64) -> f64 {
    // `f64::max` would drop a NaN.
    let positive = if x <= 0.0 { 0.0 } else { x };
    positive + (-x.abs()).exp().ln_1p()
}

fn evaluate(function: Function, x: f32) -> f32 {
    f32::from_bits(function(&mut Evaluate, Word(x.to_bits())).0)
}

fn evaluate_pair(function: fn(&mut dyn Machine, Word, Word) -> Word, x: f32, y: f32) -> f32 {
    f32::from_bits(function(&mut Evaluate, Word(x.to_bits()), Word(y.to_bits())).0)
}

/// The distance of `got` from `want` in units of the f32 ulp at `want`; infinity counts as
/// 2¹²⁸, and a wrong kind of result as infinitely far.
fn error_in_ulps(got: f32, want: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if want == 0.0 || want.is_infinite() {
        let is_same = got.to_bits() == (want as f32).to_bits();
        return if is_same { 0.0 } else { f64::INFINITY };
    }
    let limit = 128_f64.exp2();
    let want = want.clamp(-limit, limit);
    let exponent = want.abs().log2().floor().clamp(-126.0, 127.0);
    (f64::from(got).clamp(-limit, limit) - want).abs() / (exponent - 23.0).exp2()
}

/// Every `stride`-th float, by its bits.
pub(super) fn floats(stride: usize) -> impl Iterator<Item = f32> {
    (0..=u32::MAX).step_by(stride).map(f32::from_bits)
}

/// The largest error on every `stride`-th float, and the float that has it.
fn largest_error(case: &Case, stride: usize) -> (f64, f32) {
    floats(stride)
        .filter(|x| x.is_nan() || case.domain.contains(x))
        .map(|x| (error_in_ulps(evaluate(case.function, x), (case.meaning)(f64::from(x))), x))
        .fold((0.0, 0.0), |largest, next| if next.0 > largest.0 { next } else { largest })
}

fn check_errors(stride: usize) {
    std::thread::scope(|scope| {
        let sweep = |case| scope.spawn(move || (case, largest_error(case, stride)));
        let sweeps: Vec<_> = CASES.iter().map(sweep).collect();
        for sweep in sweeps {
            let (case, (error, x)) = sweep.join().expect("a sweep does not panic");
            assert!(error <= case.bound, "{}({x:e}) is {error:.4} ulps off", case.name);
        }
    });
}

#[test]
fn errors_are_within_bounds() {
    check_errors(257);
}

#[test]
#[ignore = "all floats: an hour of processor time with optimisation"]
fn errors_are_within_bounds_on_all_floats() {
    check_errors(1);
}

#[test]
fn special_values_of_one_argument() {
    let specials = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN];
    let limits = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -1e-45, -1.000_000_1, -103.98];
    for case in &CASES {
        for x in specials.into_iter().chain(limits) {
            if x.is_nan() || case.domain.contains(&x) {
                let (got, want) = (evaluate(case.function, x), (case.meaning)(f64::from(x)));
                let error = error_in_ulps(got, want);
                assert!(error <= case.bound, "{}({x:e}) = {got:e}, not {want:e}", case.name);
            }
        }
    }
}

fn assert_same_bits(x: f32, a: f32, b: f32) {
    assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{a:e} and {b:e} of {x:e}");
}

#[test]
fn short_variants_have_the_bits_of_the_general_functions() {
    let maximum_with_zero: Function = |m, x| {
        let zero = m.float(0.0);
        maximum(m, x, zero)
    };
    for x in floats(257).chain((0..64).map(|below| f32::from_bits(0x3f00_0000 - below))) {
        assert_same_bits(x, evaluate(positive_part, x), evaluate(maximum_with_zero, x));
        if x.is_nan() || x <= 0.0 {
            assert_same_bits(x, evaluate(exp_nonpositive, x), evaluate(exp, x));
        }
        if x.is_nan() || (0.0..=1.0).contains(&x) {
            assert_same_bits(x, evaluate(log1p_unit, x), evaluate(log1p, x));
        }
    }
}

/// The e-graph writes `sigmoid` and `softplus` out by these definitions.
#[test]
fn definitions_of_sigmoid_and_softplus_have_their_bits() {
    for x in floats(2_003) {
        let e = evaluate(exp, -x.abs());
        let quotient = 1.0 / (1.0 + e);
        let product = e * quotient;
        let complement = (-product).mul_add(e, e - product).mul_add(quotient, product);
        let fraction = if x < 0.0 { complement } else { quotient };
        assert_same_bits(x, evaluate(sigmoid, x), fraction);
        let sum = evaluate_pair(maximum, x, 0.0) + evaluate(log1p, e);
        assert_same_bits(x, evaluate(softplus, x), sum);
    }
}

const NUMBERS: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    0.5,
    1e-45,
    -1e-45,
    0.999_999_94,
    1.000_000_1,
    f32::MAX,
    f32::MIN_POSITIVE,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
];

#[test]
fn extrema_propagate_nan_and_order_zeros() {
    for a in NUMBERS {
        for b in NUMBERS {
            let has_nan = a.is_nan() || b.is_nan();
            let (smaller, larger) = if a.total_cmp(&b).is_lt() { (a, b) } else { (b, a) };
            let (least, greatest) = if has_nan { (f32::NAN, f32::NAN) } else { (smaller, larger) };
            assert_same_bits(a, evaluate_pair(minimum, a, b), least);
            assert_same_bits(a, evaluate_pair(maximum, a, b), greatest);
        }
    }
}

fn error_of_pow(x: f32, y: f32) -> f64 {
    let is_undefined = x < 0.0 && y != 0.0;
    let size = if is_undefined { f64::NAN } else { f64::from(x).abs() };
    error_in_ulps(evaluate_pair(pow, x, y), size.powf(f64::from(y)))
}

#[test]
fn special_values_of_pow() {
    for x in NUMBERS {
        for y in NUMBERS {
            let error = error_of_pow(x, y);
            assert!(error <= 1.0, "pow({x:e}, {y:e}) is {error:.4} ulps off");
        }
    }
}

#[test]
fn pow_is_accurate_as_far_as_results_reach() {
    for x in floats(65_537).filter(|x| *x > 0.0 && x.is_finite() && *x != 1.0) {
        for exponent in -104_i16..=89 {
            let y = (f64::from(exponent) / f64::from(x).ln()) as f32;
            let error = error_of_pow(x, y);
            assert!(error <= 5.0, "pow({x:e}, {y:e}) is {error:.4} ulps off");
        }
    }
}

#[test]
fn pow_of_a_probability_is_accurate() {
    for x in (1_u16..=1_000).map(|thousandths| f32::from(thousandths) / 1_000.0) {
        for y in (0_u16..=800).map(|hundredths| f32::from(hundredths) / 100.0) {
            let error = error_of_pow(x, y);
            assert!(error <= 1.0, "pow({x:e}, {y:e}) is {error:.4} ulps off");
        }
    }
}
