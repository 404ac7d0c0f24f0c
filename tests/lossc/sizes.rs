//! Numbers of groups and pixels, and reductions of uniform values, at every position of a loss: the
//! values of the f64 interpreter, by every entry point.

use lossc::pipeline::{self, optimise};
use lossc::{Balance, Cache, Compiled, Compiler, Loss, Optimisation, Options, Reduction};
use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Builder, Element, Level, Program, ValueId};
use lossc_passes::uniform::fold;
use lossc_runtime::TensorView;

use crate::data::{group_of_plane, host};

/// A function that builds a loss from the logits.
type Make = fn(&mut Builder, ValueId) -> ValueId;

/// Losses whose gradient is right only if values that do not depend on pixels are computed before
/// the first pass.
const LOSSES: &[(&str, Make)] = &[
    ("mean_of_sums", |b, x| {
        let sum = squares(b, x);
        b.mean_groups(sum)
    }),
    ("groups_at_a_pixel", |b, x| {
        let one = b.constant(1.0, Level::Group);
        let groups = b.sum_groups(one);
        weighted(b, x, groups)
    }),
    ("mean_of_a_number", |b, x| {
        let three = b.constant(3.0, Level::Scalar);
        let three = b.broadcast_groups(three);
        let mean = b.mean_groups(three);
        weighted(b, x, mean)
    }),
    ("mean_of_means", |b, x| {
        let (sum, pixels) = (squares(b, x), ones(b));
        let mean = b.ratio_or_zero(sum, pixels);
        b.mean_groups(mean)
    }),
    ("ratio_of_sums", |b, x| {
        let (sum, pixels) = (squares(b, x), ones(b));
        let (sum, pixels) = (b.sum_groups(sum), b.sum_groups(pixels));
        b.ratio_or_zero(sum, pixels)
    }),
    ("product_of_sums", |b, x| {
        let (sum, pixels) = (squares(b, x), ones(b));
        let product = b.mul(sum, pixels);
        let (total, mean) = (b.sum_groups(product), b.mean_groups(product));
        b.mul(total, mean)
    }),
    ("a_sum_spread_and_summed", |b, x| {
        let sum = squares(b, x);
        let spread = b.broadcast(sum);
        let again = b.sum(spread);
        b.sum_groups(again)
    }),
    ("a_mean_spread_and_summed", |b, x| {
        let sum = squares(b, x);
        let mean = b.mean_groups(sum);
        let spread = b.broadcast_groups(mean);
        let (sum, mean) = (b.sum_groups(spread), b.mean_groups(spread));
        b.add(sum, mean)
    }),
    ("a_count_of_all", |b, x| {
        let zero = b.constant(0.0, Level::Pixel);
        let everywhere = b.equal(zero, zero);
        let pixels = count(b, everywhere);
        weighted(b, x, pixels)
    }),
    ("a_count_of_groups", |b, x| {
        let sum = squares(b, x);
        let (spread, bound) = (b.broadcast(sum), b.constant(30.0, Level::Pixel));
        let large = b.less(bound, spread);
        let pixels = count(b, large);
        weighted(b, x, pixels)
    }),
    ("sizes_at_a_pixel", |b, x| {
        let (pixels, groups) = (b.pixels(), b.groups());
        let share = b.ratio_or_zero(groups, pixels);
        weighted(b, x, share)
    }),
    ("distance_from_the_mean", |b, x| {
        let sum = b.sum(x);
        let total = b.sum_groups(sum);
        let pixels = b.pixels();
        let mean = b.ratio_or_zero(total, pixels);
        let mean = b.broadcast(mean);
        let distance = b.sub(x, mean);
        let sum = squares(b, distance);
        b.mean_groups(sum)
    }),
    ("a_function_of_a_mean", |b, x| {
        let (sum, pixels) = (squares(b, x), ones(b));
        let mean = b.ratio_or_zero(sum, pixels);
        let (spread, half) = (b.broadcast(mean), b.constant(0.5, Level::Pixel));
        let product = b.mul(spread, half);
        let value = b.sigmoid(product);
        let total = b.sum(value);
        b.mean_groups(total)
    }),
    ("a_chosen_mean", |b, x| {
        let sum = squares(b, x);
        let bound = b.constant(20.0, Level::Group);
        let (large, root) = (b.less(bound, sum), b.softplus(sum));
        let chosen = b.select(large, root, sum);
        let weight = ones(b);
        let chosen = b.absorbing_mul(weight, chosen);
        b.mean_groups(chosen)
    }),
];

const CASES: [(&[usize], Balance); 9] = [
    (&[2, 1, 3], Balance::Image),
    (&[3, 2, 5, 7], Balance::Image),
    (&[3, 2, 5, 7], Balance::Channel),
    (&[3, 2, 5, 7], Balance::Sample),
    (&[2, 2, 1, 1], Balance::Batch),
    (&[1, 2500], Balance::Image),
    (&[0, 3, 4, 5], Balance::Channel),
    (&[2, 3, 0, 5], Balance::Batch),
    (&[0, 1, 2, 2], Balance::Image),
];

fn squares(b: &mut Builder, x: ValueId) -> ValueId {
    let square = b.mul(x, x);
    b.sum(square)
}

fn ones(b: &mut Builder) -> ValueId {
    let one = b.constant(1.0, Level::Pixel);
    b.sum(one)
}

fn count(b: &mut Builder, mask: ValueId) -> ValueId {
    let count = b.count(mask);
    b.cast(count, Element::F32)
}

/// The sum of the squares, each times `weight`.
fn weighted(b: &mut Builder, x: ValueId, weight: ValueId) -> ValueId {
    let (weight, square) = (b.broadcast(weight), b.mul(x, x));
    let product = b.mul(weight, square);
    let sum = b.sum(product);
    b.sum_groups(sum)
}

fn program(name: &str, make: Make) -> Program {
    let mut builder = Builder::new(name);
    let logit = builder.pixel_argument("logit", Element::F32);
    let loss = make(&mut builder, logit);
    builder.finish_named([("loss", loss)]).expect("a loss")
}

fn compile(program: &Program, optimisation: Optimisation) -> Compiled {
    let compiler = Compiler::new(host()).cache(Cache::off()).optimisation(optimisation);
    compiler.compile(&Loss::from_program(program.clone())).expect("the loss compiles")
}

fn logits(shape: &[usize]) -> Vec<f32> {
    (0..shape.iter().product()).map(|index: usize| (index * 29 % 47) as f32 / 16.0 - 1.3).collect()
}

/// The loss in f64.
fn loss_of(program: &Program, logits: &[f64], (shape, balance): (&[usize], Balance)) -> f64 {
    let (plane_group, groups) = group_of_plane(shape, balance);
    let inputs = Inputs {
        plane_group: &plane_group,
        groups,
        plane_length: shape[shape.len() - 2..].iter().product(),
        pixels: &[logits.to_vec()],
        scalars: &[],
        uniform: &|_| 0.5,
    };
    interpret(program, &inputs, Precision::Real)[0][0]
}

fn assert_near(found: f32, expected: f64, what: &str) {
    let error = (f64::from(found) - expected).abs();
    assert!(error <= 2e-5 * expected.abs() + 1e-6, "{what}: {found} for {expected}");
}

/// Compares some of a gradient with central differences.
fn check_gradient(program: &Program, gradient: &[f32], case: (&[usize], Balance), what: &str) {
    let logits: Vec<_> = logits(case.0).into_iter().map(f64::from).collect();
    for index in (0..logits.len()).step_by(logits.len() / 5 + 1) {
        let at = |step: f64| {
            let mut moved = logits.clone();
            moved[index] += step;
            loss_of(program, &moved, case)
        };
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert_near(gradient[index], slope, &format!("{what}: gradient at {index}"));
    }
}

#[test]
fn sizes_are_known_in_every_place_of_a_loss() {
    for &(name, make) in LOSSES {
        let program = program(name, make);
        let values = |optimisation| {
            let compiled = compile(&program, optimisation);
            CASES.map(|case| check_all_entry_points(&program, &compiled, case))
        };
        values(Optimisation::Fusion);
        values(Optimisation::Compaction);
    }
}

fn check_all_entry_points(
    program: &Program,
    compiled: &Compiled,
    case @ (shape, balance): (&[usize], Balance),
) {
    let what = format!("{} of {shape:?} by {balance}", program.name());
    let logits = logits(shape);
    let pixels = [TensorView::from_slice(shape, &logits).expect("it fits")];
    let options = Options { balance, ..Options::default() };
    let expected = loss_of(program, &logits.iter().copied().map(f64::from).collect::<Vec<_>>(), case);
    let forward = compiled.forward_of(&pixels, &options).expect("the call runs");
    assert_near(forward.loss, expected, &what);
    let step = compiled.forward_backward_of(&pixels, &options).expect("the call runs");
    assert_eq!(step.loss.to_bits(), forward.loss.to_bits(), "{what}");
    let backward = compiled.backward_of(&pixels, &forward.residuals, 1.0).expect("the call runs");
    for gradient in [&step.gradient, &backward] {
        let gradient: Vec<_> = gradient.to_array::<f32>().expect("an f32").into_iter().collect();
        check_gradient(program, &gradient, case, &what);
    }
}

/// The two losses that revealed the error.
#[test]
fn the_gradient_of_a_mean_over_groups_is_not_zero() {
    let ones = [1.0f32; 6];
    let pixels = [TensorView::from_slice(&[2, 1, 3], &ones).expect("it fits")];
    for (name, gradient) in [("mean_of_sums", 1.0), ("groups_at_a_pixel", 4.0)] {
        let &(_, make) = LOSSES.iter().find(|loss| loss.0 == name).expect("it is there");
        let compiled = compile(&program(name, make), Optimisation::Compaction);
        let step = compiled.forward_backward_of(&pixels, &Options::default()).expect("the call runs");
        let found: Vec<_> = step.gradient.to_array::<f32>().expect("an f32").into_iter().collect();
        assert_eq!(found, [gradient; 6], "{name}");
    }
}

/// A mean over pixels is divided by a known number: one pass for loss and gradient.
#[test]
fn the_pixels_of_a_mean_are_not_counted() {
    let compiler = Compiler::new(host()).cache(Cache::off()).reduction(Reduction::Mean);
    let loss = Loss::library("bce").expect("in the library");
    let schedule = compiler.emit(&loss, lossc::pipeline::Stage::Schedule).expect("it compiles");
    assert!(schedule.contains("forward_backward: 1 pass"), "{schedule}");
    let ignoring = compiler.ignore_index(255).emit(&loss, lossc::pipeline::Stage::Loss).expect("it compiles");
    assert!(ignoring.contains("loss.count") && !ignoring.contains("loss.pixels"), "{ignoring}");
}

/// Two workers with three samples and one: the divisor is the number of pixels of both.
#[test]
fn workers_add_their_pixels() {
    let shape = &[4, 2, 3, 5][..];
    let logits = logits(shape);
    let views = [
        [TensorView::from_slice(&[3, 2, 3, 5], &logits[..90]).expect("it fits")],
        [TensorView::from_slice(&[1, 2, 3, 5], &logits[90..]).expect("it fits")],
    ];
    let options = Options { balance: Balance::Channel, ..Options::default() };
    let named = |name: &str| LOSSES.iter().find(|loss| loss.0 == name).expect("it is there");
    for name in ["mean_of_means", "ratio_of_sums", "sizes_at_a_pixel"] {
        let &(_, make) = named(name);
        let program = program(name, make);
        let compiled = compile(&program, Optimisation::Compaction);
        let [mut sums, others] =
            [0, 1].map(|worker| compiled.forward_partials(&views[worker], &options).expect("runs"));
        let merged = sums.merge(0, &others);
        if name == "sizes_at_a_pixel" {
            let error = merged.expect_err("the sums depend on what the workers did not know").to_string();
            assert!(error.contains("workers add theirs with merge_sizes before it"), "{error}");
            continue;
        }
        merged.expect("sums of one loss");
        let found = compiled.finish(&views[0], sums).expect("runs");
        let doubles: Vec<_> = logits.iter().copied().map(f64::from).collect();
        assert_near(found.loss, loss_of(&program, &doubles, (shape, Balance::Channel)), name);
    }
}

/// Scheduling once simplified such a sum, and the program that the compiler showed as optimised had
/// other bits than its code.
#[test]
fn the_optimised_program_is_what_is_lowered() {
    let mut builder = Builder::new("uniform");
    let logits = builder.pixel_argument("logit", Element::F32);
    let sum = builder.sum(logits);
    let sum = builder.broadcast(sum);
    let zero = builder.constant(0.0, Level::Pixel);
    let mask = builder.less(zero, logits);
    // A rule finds that the mask makes no difference.
    let same = builder.select(mask, sum, sum);
    let value = builder.softplus(same);
    let value = builder.sum(value);
    let loss = builder.sum_groups(value);
    let program = builder.finish_named([("loss", loss)]).expect("a loss");
    let optimised =
        optimise(&program, &pipeline::Options::default(), &host(), false).expect("the passes run").program;
    assert_eq!(fold(&optimised), optimised);
    let scheduled = pipeline::scheduled(&program, &pipeline::Options::default(), &host()).expect("scheduled");
    assert_eq!(scheduled.program, optimised);
}
