//! Times of calls of compiled losses, on one thread and on two: from 2^10 pixels, where the fixed
//! cost of a call shows, to 2^24, which no cache holds.
//!
//! `cargo bench --profile dev --bench kernels`

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lossc::bench::{Pixels, Subject};
use lossc::{Compiler, Loss, Target};
use lossc_runtime::rayon::ThreadPoolBuilder;

/// Of each of nearly a hundred benches.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(2);
const SIZES: [usize; 8] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24];

fn subject(name: &str, threads: usize) -> Subject {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    let compiler = Compiler::new(Target::host().expect("a supported processor")).threads(pool.into());
    Subject::new(&compiler, &Loss::library(name).expect("in the library")).expect("compiles")
}

fn kernels(criterion: &mut Criterion) {
    for name in ["random-drop", "bce"] {
        for threads in [1, 2] {
            let subject = subject(name, threads);
            let mut group = criterion.benchmark_group(format!("{name} on {threads} threads"));
            group.sample_size(20).warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
            for count in SIZES {
                measure(&mut group, &subject, count);
            }
            group.finish();
        }
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, subject: &Subject, count: usize) {
    let mut pixels = Pixels::of(count);
    subject.forward(&mut pixels).expect("runs");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(BenchmarkId::new("forward", count), |bench| {
        bench.iter(|| subject.forward(&mut pixels));
    });
    group.bench_function(BenchmarkId::new("backward", count), |bench| {
        bench.iter(|| subject.backward(&mut pixels));
    });
    group.bench_function(BenchmarkId::new("forward and backward", count), |bench| {
        bench.iter(|| subject.forward_backward(&mut pixels));
    });
}

criterion_group!(benches, kernels);
criterion_main!(benches);
