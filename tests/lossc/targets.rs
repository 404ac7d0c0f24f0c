//! Every loss compiles for every target.

use std::collections::BTreeMap;

use lossc::pipeline::{self, Stage, emit, optimise};
use lossc::{Loss, Target};
use lossc_dialect::{Element, Program, library};
use lossc_passes::schedule::{Schedule, passes, schedule};
use lossc_passes::specialise::{Options, Reduction};

use crate::data::program;

/// Every library program, as a loss with its choice set.
pub fn library_losses() -> Vec<Loss> {
    let mut losses = vec![];
    for name in library::names() {
        let loss = Loss::library(&name).expect("the library parses");
        let file = loss.file().expect("the library parses");
        match &file.choice {
            None => losses.push(loss),
            Some(choice) => losses.extend(
                file.choice_values().map(|value| loss.clone().with(&choice.name, value).expect("its value")),
            ),
        }
    }
    losses
}

/// The PTX of a loss.
pub fn ptx(loss: &Loss, target: &str) -> String {
    ptx_with(loss, target, &pipeline::Options::default())
}

/// The PTX of a loss with these options.
pub fn ptx_with(loss: &Loss, target: &str, options: &pipeline::Options) -> String {
    let target: Target = target.parse().expect("a known target");
    emit(program(loss), options, &target, Stage::Ptx).expect("the loss compiles")
}

#[test]
fn compiling_twice_gives_the_same_text() {
    for loss in library_losses() {
        for target in ["cpu:sse2", "cpu:avx2", "cpu:neon", "sm_90"] {
            let target: Target = target.parse().expect("a known target");
            for stage in [Stage::Optimised, Stage::Mlir, Stage::Assembly] {
                let text =
                    || emit(program(&loss), &Default::default(), &target, stage).expect("the loss compiles");
                assert!(text() == text(), "{} {target} {stage}", program(&loss).name());
            }
        }
    }
}

/// Counts each op in the values that the kernels of `entry` compute per pixel.
fn pixel_ops(program: &Program, entry: fn(&Schedule) -> &[usize]) -> BTreeMap<&'static str, usize> {
    let schedule = schedule(program, Default::default());
    let kernels = entry(&schedule).iter().map(|&index| &schedule.kernels[index]);
    let mut counts = BTreeMap::new();
    for value in kernels.flat_map(|kernel| schedule.pixel_values(kernel)) {
        *counts.entry(program.node(value).op.mnemonic()).or_default() += 1;
    }
    counts
}

/// The ops with an exponential or a logarithm, those with a division, and the general functions
/// that specialised ones may replace.
const EXPONENTIALS: [&str; 6] = ["exp", "exp_nonpositive", "expm1", "sigmoid", "softplus", "pow"];
const LOGARITHMS: [&str; 5] = ["log", "log1p", "log1p_unit", "softplus", "pow"];
const DIVISIONS: [&str; 5] = ["div", "reciprocal_one_to_two", "ratio_or_zero", "sigmoid", "pow"];
const GENERAL: [&str; 4] = ["exp", "log1p", "max", "min"];

/// The options of a loss as written, and with additional requirements.
fn option_sets() -> [Options; 2] {
    let more = Options {
        storage: vec![Element::F16],
        ignore_index: Some(255),
        reduction: Reduction::Mean,
        checks: true,
        ..Options::default()
    };
    [Options::default(), more]
}

#[test]
fn every_kernel_has_one_exponential_and_the_forward_kernel_no_division() {
    let targets = ["cpu:avx2", "cpu:avx512", "sm_80", "sm_90"];
    for (loss, options) in library_losses().iter().flat_map(|loss| option_sets().map(|it| (loss, it))) {
        for target in targets {
            let target: Target = target.parse().expect("a known target");
            let stages = optimise(program(loss), &options.clone().into(), &target, false).expect("optimises");
            assert_eq!(stages.optimised.limit, None);
            assert_eq!(passes(&stages.program), (1, 1), "{} {options:?}", program(loss).name());
            let ops = |entry| pixel_ops(&stages.program, entry);
            let (forward, backward) = (ops(|it| &it.forward), ops(|it| &it.backward));
            let count = |ops: &BTreeMap<&str, usize>, names: &[&str]| -> usize {
                names.iter().filter_map(|name| ops.get(name)).sum()
            };
            let name = format!("{} for {target}: {forward:?}, {backward:?}", program(loss).name());
            assert_eq!((count(&forward, &EXPONENTIALS), count(&backward, &EXPONENTIALS)), (1, 1), "{name}");
            assert_eq!((count(&forward, &LOGARITHMS), count(&forward, &DIVISIONS)), (1, 0), "{name}");
            assert_eq!(count(&backward, &DIVISIONS), 1, "{name}");
            let needs_logarithm = program(loss).name() == "random_drop.log";
            assert_eq!(count(&backward, &LOGARITHMS), usize::from(needs_logarithm), "{name}");
            assert_eq!(count(&forward, &GENERAL) + count(&backward, &GENERAL), 0, "{name}");
        }
    }
}
