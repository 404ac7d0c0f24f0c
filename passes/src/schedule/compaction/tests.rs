use std::cell::Cell;

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Element, library, text};
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use super::*;
use crate::differentiate::differentiate;
use crate::saturate::saturate;
use crate::specialise::{self, specialise};
use crate::stabilise::stabilise;

const COSTS: CostModel = CostModel::Host;

/// The number of random numbers that each logit and label is tried with.
const UNIFORMS: usize = 64;

fn optimised(program: &Program) -> Program {
    let stable = stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("has a gradient");
    saturate(&gradient, COSTS, false).expect("saturates").program
}

fn library_programs(options: &specialise::Options) -> Vec<Program> {
    let files = library::all().expect("the library parses");
    let programs = files.iter().flat_map(|file| &file.programs);
    programs.map(|program| optimised(&specialise(program, options).expect("specialises"))).collect()
}

/// Logits of every size and both signs, infinities and NaN.
fn logits() -> Vec<f64> {
    let sizes = (-40..40).map(|power| 1.3_f64.powi(power));
    let edges = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-40];
    sizes.flat_map(|size| [size, -size]).chain(edges).map(|x| f64::from(x as f32)).collect()
}

/// The program whose pixel result is `value`, as a number.
fn observing(program: &Program, value: ValueId) -> Program {
    let mut builder = Builder::new("observed");
    builder.declare_arguments(program);
    let mut copies: Vec<ValueId> = vec![];
    for (_, node) in program.values() {
        let operands: Vec<_> = node.operands.iter().map(|operand| copies[operand.index()]).collect();
        let copy = match node.op {
            Op::Argument(index) => ValueId(index),
            _ => builder.copy(node, &operands),
        };
        copies.push(copy);
    }
    let number = builder.cast(copies[value.index()], Element::F32);
    let loss = copies[program.results()[0].value.index()];
    builder.finish_named([("loss", loss), ("gradient", number)]).expect("a loss")
}

/// The mask of the active pixels and all targets of the compaction, at pixels of every logit,
/// label and random number.
fn observe(program: &Program, compaction: &Compaction) -> Vec<Vec<f64>> {
    let group_totals = program
        .values()
        .filter(|(value, node)| is_group_total(node.op) && !compaction.everywhere.contains(value));
    let mut values = vec![compaction.active];
    values.extend(group_totals.map(|(_, node)| node.operands[0]));
    let outputs = program.results().iter().map(|result| result.value);
    values.extend(outputs.filter(|&value| program.ty(value).level == Level::Pixel));
    let uniforms: Vec<f32> = (0..UNIFORMS).map(|step| step as f32 / UNIFORMS as f32).collect();
    let logits = logits();
    let pixel = |of: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        let each = logits.iter().flat_map(|&x| [0.0, 1.0].map(|label| of(x, label)));
        each.flat_map(|value| vec![value; uniforms.len()]).collect()
    };
    let pixels = [pixel(&|x, _| x), pixel(&|_, label| label)];
    let inputs = Inputs {
        plane_group: &[0],
        groups: 1,
        plane_length: pixels[0].len(),
        pixels: &pixels,
        scalars: &[1.0],
        uniform: &|index| uniforms[index as usize % uniforms.len()],
    };
    let observe =
        |&value: &ValueId| interpret(&observing(program, value), &inputs, Precision::Exact).swap_remove(1);
    values.iter().map(observe).collect()
}

#[test]
fn a_pixel_that_does_not_survive_counts_for_nothing() {
    let ignoring = specialise::Options { ignore_index: Some(255), ..Default::default() };
    for options in [specialise::Options::default(), ignoring] {
        for program in library_programs(&options) {
            let Some((program, compaction)) = compaction(&program, COSTS) else { continue };
            let observed = observe(&program, &compaction);
            let (survives, targets) = observed.split_first().expect("the mask");
            assert!(targets.len() > 3);
            for target in targets {
                for (pixel, (value, survives)) in target.iter().zip(survives).enumerate() {
                    assert!(*survives != 0.0 || *value == 0.0, "{}: {value} at {pixel}", program.name());
                }
            }
        }
    }
}

/// A loose bound would let all pixels through. Of negatives with a positive logit all are
/// active: they are hard, and a bound would cost more than it saves there.
#[test]
fn of_easy_negatives_few_survive_that_need_not() {
    let logits = logits();
    let is_easy_negative =
        |pixel: &usize| (pixel / UNIFORMS).is_multiple_of(2) && logits[pixel / (2 * UNIFORMS)] < 0.0;
    for program in library_programs(&specialise::Options::default()) {
        let Some((program, compaction)) = compaction(&program, COSTS) else { continue };
        let observed = observe(&program, &compaction);
        let (survives, targets) = observed.split_first().expect("the mask");
        let counts = |pixel: usize| targets.iter().any(|target| target[pixel] != 0.0);
        let easy: Vec<_> = (0..survives.len()).filter(is_easy_negative).collect();
        let needless = easy.iter().filter(|&&pixel| survives[pixel] != 0.0 && !counts(pixel)).count();
        assert!(needless * 15 < easy.len(), "{}: {needless} of {}", program.name(), easy.len());
    }
}

#[test]
fn only_losses_that_drop_are_compacted() {
    let compacted = |options| -> Vec<_> {
        let programs = library_programs(options).into_iter();
        programs
            .filter(|program| compaction(program, COSTS).is_some())
            .map(|it| it.name().to_owned())
            .collect()
    };
    let plain = specialise::Options::default();
    assert_eq!(compacted(&plain), ["random_drop.linear", "random_drop.squ", "random_drop.log"]);
    // A weight may be NaN at a dropped pixel.
    assert!(compacted(&specialise::Options { weight_map: true, ..plain.clone() }).is_empty());
    let nvidia = library_programs(&plain);
    assert!(nvidia.iter().all(|program| compaction(program, CostModel::Nvidia).is_none()));
}

/// The choices that determine a random program.
type Choices<'a> = std::iter::Copied<std::slice::Iter<'a, u8>>;

/// A threshold of a few ops on the logit, most of them costly in some operand.
fn threshold(builder: &mut Builder, choices: &mut Choices<'_>, logit: ValueId, depth: usize) -> ValueId {
    let choice = choices.next().unwrap_or(0);
    if depth == 0 {
        let size = builder.abs(logit);
        let below = builder.neg(size);
        let e = builder.exp_nonpositive(below);
        return match choice % 5 {
            0 => {
                // A sum of logits may be one of opposite infinities, which no bound can decide.
                let [low, high] = [-60.0, 60.0].map(|bound| builder.constant(bound, Level::Pixel));
                let logit = builder.max(logit, low);
                builder.min(logit, high)
            }
            1 => builder.constant(f32::from(choice) / 80.0 - 1.6, Level::Pixel),
            2 => builder.log1p_unit(e),
            _ => e,
        };
    }
    let mut operand = || threshold(builder, choices, logit, depth - 1);
    let [a, b, c] = [operand(), operand(), operand()];
    let zero = builder.constant(0.0, Level::Pixel);
    match choice % 9 {
        0 => builder.add(a, b),
        1 => builder.sub(a, b),
        2 | 3 => builder.mul(a, b),
        4 => builder.fma(a, b, c),
        5 => builder.max(a, b),
        6 => builder.min(a, b),
        7 => builder.neg(a),
        _ => {
            let is_positive = builder.less(zero, logit);
            builder.select(is_positive, a, b)
        }
    }
}

/// A loss that drops a pixel by comparing a random number with a random threshold.
fn dropping(choices: &[u8]) -> Program {
    let choices = &mut choices.iter().copied();
    let mut builder = Builder::new("random");
    let logit = builder.pixel_argument("logit", Element::F32);
    builder.pixel_argument("label", Element::F32);
    let uniform = builder.uniform();
    let threshold = threshold(&mut builder, choices, logit, 3);
    let is_dropped = match choices.next().unwrap_or(0) % 4 {
        0 => builder.less(uniform, threshold),
        1 => builder.less(threshold, uniform),
        2 => builder.less_equal(uniform, threshold),
        _ => builder.less_equal(threshold, uniform),
    };
    let (softplus, zero) = (builder.softplus(logit), builder.constant(0.0, Level::Pixel));
    let costly = builder.sigmoid(softplus);
    let kept = builder.select(is_dropped, zero, costly);
    let sum = builder.sum(kept);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss), ("gradient", kept)]).expect("a loss")
}

/// The bounds of any threshold are valid: seed 1, or that of `LOSSC_SEED`.
#[test]
fn a_pixel_that_does_not_survive_a_random_threshold_counts_for_nothing() {
    let seed = std::env::var("LOSSC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let config =
        Config { cases: 400, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let (compactions, held_back) = (Cell::new(0), Cell::new(0));
    let check = |choices: Vec<u8>| {
        let Some((program, compaction)) = compaction(&dropping(&choices), COSTS) else { return Ok(()) };
        let observed = observe(&program, &compaction);
        let (survives, targets) = observed.split_first().expect("the mask");
        let counts = |pixel: usize| targets.iter().any(|target| target[pixel] != 0.0);
        compactions.set(compactions.get() + 1);
        held_back.set(held_back.get() + usize::from(survives.contains(&0.0)));
        match (0..survives.len()).find(|&pixel| survives[pixel] == 0.0 && counts(pixel)) {
            None => Ok(()),
            Some(pixel) => Err(TestCaseError::fail(format!("pixel {pixel} of\n{}", text::print(&program)))),
        }
    };
    TestRunner::new(config)
        .run(&vec(any::<u8>(), 48), check)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert!(
        compactions.get() > 50 && held_back.get() > 40,
        "{compactions:?} compactions, {held_back:?} hold something back"
    );
}

/// The counts of NaN logits and of invalid labels do not prevent compaction of the rest.
#[test]
fn cheap_counts_are_made_of_all_pixels() {
    let checked = specialise::Options { checks: true, ..Default::default() };
    let programs = library_programs(&checked);
    let compactions: Vec<_> = programs.iter().filter_map(|program| compaction(program, COSTS)).collect();
    assert_eq!(compactions.len(), 3);
    assert!(compactions.iter().all(|(_, compaction)| compaction.everywhere.len() == 2));
}
