//! Times of compiling random-drop, stage by stage.
//!
//! `cargo bench --profile dev --bench compile`: LLVM and MLIR are optimised
//! builds either way, and lossc's own dependencies too.

use criterion::{Criterion, criterion_group, criterion_main};
use lossc::pipeline::{Options, compile, optimise};
use lossc::{Loss, Target};
use lossc_dialect::library;
use lossc_dialect::ops::Numerics;
use lossc_dialect::text::parse;
use lossc_passes::differentiate::differentiate;
use lossc_passes::lower::lower;
use lossc_passes::saturate::{costs::CostModel, saturate};
use lossc_passes::schedule::{EntryPoints, schedule};
use lossc_passes::stabilise::stabilise;

fn stages(criterion: &mut Criterion) {
    let (file, source) = library::find("random-drop").expect("in the library");
    let loss = Loss::library("random-drop").expect("in the library");
    let target = Target::host().expect("a supported processor");
    let program = loss.program().expect("it parses");
    let options = Options::default();
    let stable = stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("differentiates");
    let optimised = optimise(program, &options, &target, false).expect("optimises").program;
    let scheduled = schedule(&optimised, Default::default());

    let mut group = criterion.benchmark_group("random-drop");
    group.sample_size(20);
    group.bench_function("parse", |bench| bench.iter(|| parse(file, source)));
    group.bench_function("stabilise", |bench| bench.iter(|| stabilise(program, false)));
    group.bench_function("differentiate", |bench| bench.iter(|| differentiate(&stable)));
    group.bench_function("saturate", |bench| bench.iter(|| saturate(&gradient, CostModel::Host, false)));
    group.bench_function("schedule", |bench| bench.iter(|| schedule(&optimised, Default::default())));
    group.bench_function("lower", |bench| bench.iter(|| lower(&scheduled, &target, Numerics::default())));
    for (name, entry_points) in [
        ("to object code: forward and backward", EntryPoints::Separate),
        ("to object code: forward_backward", EntryPoints::Joint),
        ("to object code: all three", EntryPoints::All),
    ] {
        let options = Options { entry_points, ..Options::default() };
        group.bench_function(name, |bench| bench.iter(|| compile(program, &options, &target)));
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
