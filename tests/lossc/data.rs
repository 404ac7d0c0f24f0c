//! Inputs for the tests, and the comparison of results with the reference.

use lossc::{
    Balance, Cache, Compiled, Compiler, GroupResult, GroupValues, Loss, Options, Program, Seed, Step, Target,
};
use ndarray::{ArrayD, IxDyn};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::reference::{Pixel, Verdict, sigmoid, uniform};

/// Logits and labels of one shape.
#[derive(Clone, Debug)]
pub struct Sample {
    pub logits: ArrayD<f32>,
    pub labels: ArrayD<u8>,
}

/// Logits around -2 with `positives` of the pixels positive.
pub fn sample(shape: &[usize], positives: f64, seed: u64) -> Sample {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut normal = || -> f32 { (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0 };
    let logits = ArrayD::from_shape_simple_fn(IxDyn(shape), || 2.5 * normal() - 2.0);
    let labels = ArrayD::from_shape_simple_fn(IxDyn(shape), || u8::from(random.random::<f64>() < positives));
    Sample { logits, labels }
}

/// The compiled library loss `name` with `options` set, for this machine.
pub fn compiled(name: &str, options: &[(&str, &str)]) -> Compiled {
    compile(name, options, Compiler::new(host()))
}

/// Like [`compiled`], with `compiler`, whose cache is off: a test compiles what it tests.
pub fn compile(name: &str, options: &[(&str, &str)], compiler: Compiler) -> Compiled {
    let loss = Loss::library(name).expect("a library loss");
    let set = |loss: Loss, (name, value): &(&str, &str)| loss.with(name, value).expect("an option it has");
    compiler.cache(Cache::off()).compile(&options.iter().fold(loss, set)).expect("the loss compiles")
}

/// The program of a loss that is known to parse.
pub fn program(loss: &Loss) -> &Program {
    loss.program().expect("the loss parses")
}

/// This machine's processor.
pub fn host() -> Target {
    Target::host().expect("this processor is supported")
}

/// The group of each plane for a shape.
pub fn group_of_plane(shape: &[usize], balance: Balance) -> (Vec<usize>, usize) {
    let (n, c) = match shape {
        [n, c, _, _] => (*n, *c),
        [c, _, _] => (1, *c),
        _ => (1, 1),
    };
    let group = |plane: usize| match balance {
        Balance::Image => plane,
        Balance::Sample => plane / c,
        Balance::Channel => plane % c,
        Balance::Batch => 0,
    };
    let groups = match balance {
        Balance::Image => n * c,
        Balance::Sample => n,
        Balance::Channel => c,
        Balance::Batch => 1,
    };
    ((0..n * c).map(group).collect(), groups)
}

impl Sample {
    /// The pixels as the reference takes them, and the number of groups.
    pub fn pixels(&self, options: &Options, ignore: Option<u8>) -> (Vec<Pixel>, usize) {
        let (planes, groups) = group_of_plane(self.logits.shape(), options.balance);
        let length = self.logits.len() / planes.len().max(1);
        let pixel = |(index, (&x, &label)): (usize, (&f32, &u8))| Pixel {
            x: f64::from(x),
            positive: label == 1,
            u: uniform(options.seed.0, options.stream, index as u64),
            group: planes[index / length],
            ignored: Some(label) == ignore,
        };
        (self.logits.iter().zip(&self.labels).enumerate().map(pixel).collect(), groups)
    }

    /// Computes the loss and gradient with `compiled`.
    pub fn step(&self, compiled: &Compiled, options: &Options) -> Step {
        compiled.forward_backward(&self.logits, &self.labels, options.clone()).expect("the call runs")
    }
}

/// Options with a seed and a balance.
pub fn options(seed: u64, balance: Balance) -> Options {
    Options { seed: Seed(seed), balance, ..Options::default() }
}

/// The counts called `name`.
pub fn counts(groups: &[GroupResult], name: &str) -> Vec<i64> {
    match groups.iter().find(|group| group.name == name).map(|group| &group.values) {
        Some(GroupValues::Count(counts)) => counts.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The gradient in single precision.
pub fn gradient(step: &Step) -> Vec<f32> {
    step.gradient.to_array::<f32>().expect("an f32 gradient").into_iter().collect()
}

/// Marks the negatives that a step kept, read off its gradient. If the weight is 0, nothing can be
/// read off, and only the count depends on it.
pub fn kept(step: &Step) -> impl Fn(usize) -> bool {
    let gradient = gradient(step);
    move |index| gradient[index] != 0.0
}

/// Checks a step against the reference's verdict: counts equal, loss within 1e-6,
/// gradient within 4e-7 plus 1e-6 of its size.
pub fn check(step: &Step, verdict: &Verdict, what: &str) {
    if step.groups.iter().any(|group| group.name == "kept") {
        assert_eq!(counts(&step.groups, "kept"), verdict.kept, "{what}: kept negatives");
    }
    assert_eq!(counts(&step.groups, "positives"), verdict.positives, "{what}: positives");
    let (found, expected) = (f64::from(step.loss), verdict.loss);
    let same = found == expected || found.is_nan() && expected.is_nan();
    assert!(same || (found - expected).abs() <= 1e-6 * expected.abs(), "{what}: loss {found} for {expected}");
    for (index, (&found, &expected)) in gradient(step).iter().zip(&verdict.gradient).enumerate() {
        let found = f64::from(found);
        let close = (found - expected).abs() <= 4e-7 + 1e-6 * expected.abs();
        assert!(
            close || found.is_nan() && expected.is_nan(),
            "{what}: gradient {found} for {expected} at {index}"
        );
    }
}

/// The bits of a loss and its gradient.
pub fn bits(step: &Step) -> (u32, Vec<u8>) {
    (step.loss.to_bits(), step.gradient.bytes().to_vec())
}

/// Checks the reference's own functions.
#[test]
fn the_reference_knows_its_functions() {
    assert_eq!(sigmoid(0.0), 0.5);
    assert!((uniform(42, 0, 0) - 0.774_080_16).abs() < 1e-7);
    assert!((uniform(42, 0, 3) - 0.681_723_06).abs() < 1e-7);
}
