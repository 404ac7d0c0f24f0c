//! Totals beyond f32, weights of 0 and zeros of either sign: the values of real numbers.

use lossc::{Balance, Cache, Compiler, Loss, Optimisation, Options, Reduction, Step};
use lossc_dialect::{Builder, Element, Level, ValueId};
use lossc_runtime::TensorView;

use crate::data::host;

/// Computes the loss that `make` builds from the logits, and its gradient, on `logits`.
fn step(
    make: impl Fn(&mut Builder, ValueId) -> ValueId,
    reduction: Reduction,
    (shape, balance): (&[usize], Balance),
    logits: &[f32],
) -> Step {
    let mut builder = Builder::new("extreme");
    let logit = builder.pixel_argument("logit", Element::F32);
    let loss = make(&mut builder, logit);
    let loss = Loss::from_program(builder.finish_named([("loss", loss)]).expect("a loss"));
    let pixels = [TensorView::from_slice(shape, logits).expect("it fits")];
    let options = Options { balance, ..Options::default() };
    let steps = [Optimisation::Fusion, Optimisation::Compaction].map(|optimisation| {
        let compiler = Compiler::new(host()).cache(Cache::off()).optimisation(optimisation);
        let compiled = compiler.reduction(reduction).compile(&loss).expect("it compiles");
        compiled.forward_backward_of(&pixels, &options).expect("the call runs")
    });
    let [plain, step] = steps;
    assert_eq!(plain.loss.to_bits(), step.loss.to_bits(), "with and without rules");
    step
}

fn gradient(step: &Step) -> Vec<f32> {
    step.gradient.to_array::<f32>().expect("an f32").into_iter().collect()
}

fn total(b: &mut Builder, x: ValueId) -> ValueId {
    let sum = b.sum(x);
    b.sum_groups(sum)
}

#[test]
fn a_mean_is_finite_though_its_sum_is_not() {
    for balance in Balance::ALL {
        let step = step(total, Reduction::Mean, (&[2, 1, 1], balance), &[3e38; 2]);
        assert_eq!((step.loss, gradient(&step)), (3e38, vec![0.5; 2]), "{balance}");
    }
}

#[test]
fn totals_are_rounded_after_the_arithmetic_that_follows_them() {
    // (1 + 2^-30) - 1, which is 0 in f32.
    let make = |b: &mut Builder, x| {
        let total = total(b, x);
        let one = b.constant(1.0, Level::Scalar);
        b.sub(total, one)
    };
    let small = 2.0f32.powi(-30);
    let step = step(make, Reduction::Sum, (&[2, 1, 1], Balance::Image), &[1.0, small]);
    assert_eq!(step.loss, small);
}

#[test]
fn a_weight_of_0_makes_nothing_of_a_sum_that_overflows() {
    let make = |b: &mut Builder, x| {
        let zero = b.constant(0.0, Level::Pixel);
        let (negative, all) = (b.less(x, zero), b.equal(x, x));
        let counts = [negative, all].map(|mask| b.count(mask));
        let [negative, all] = counts.map(|count| b.cast(count, Element::F32));
        let weight = b.ratio_or_zero(negative, all);
        let weight = b.broadcast(weight);
        let product = b.mul(weight, x);
        total(b, product)
    };
    let step = step(make, Reduction::Sum, (&[10, 10], Balance::Image), &[1e38; 100]);
    assert_eq!((step.loss, gradient(&step)), (0.0, vec![0.0; 100]));
}

#[test]
fn a_sum_with_0_is_no_negative_zero() {
    let make = |b: &mut Builder, x| {
        let (zero, one) = (b.constant(0.0, Level::Pixel), b.constant(1.0, Level::Pixel));
        let sum = b.add(x, zero);
        let quotient = b.div(one, sum);
        total(b, quotient)
    };
    let step = step(make, Reduction::Sum, (&[1, 1], Balance::Image), &[-0.0]);
    assert_eq!(step.loss, f32::INFINITY);
}
