//! Nanoseconds a pixel of compiled losses, on one thread and on all.
//!
//! `cargo bench --profile dev --bench kernels`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lossc::{Compiled, Compiler, Loss, Options, Seed, Target};
use lossc_runtime::rayon::ThreadPoolBuilder;
use ndarray::Array2;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Logits around -4 with a standard deviation of 2, a thousandth of the pixels
/// positive.
fn inputs(pixels: usize) -> (Array2<f32>, Array2<u8>) {
    let mut random = SmallRng::seed_from_u64(1);
    let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
    let logits = Array2::from_shape_simple_fn((1, pixels), || 2.0 * normal() - 4.0);
    let labels = Array2::from_shape_fn((1, pixels), |(_, index)| u8::from(index % 1000 < 1));
    (logits, labels)
}

fn compiled(name: &str, threads: usize) -> Compiled {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
    let compiler = Compiler::new(Target::host().expect("a supported processor")).threads(Arc::new(pool));
    compiler.compile(&Loss::library(name).expect("in the library")).expect("compiles")
}

fn kernels(criterion: &mut Criterion) {
    for name in ["random-drop", "bce"] {
        for threads in [1, 2] {
            let compiled = compiled(name, threads);
            let mut group = criterion.benchmark_group(format!("{name} on {threads} threads"));
            group.sample_size(20);
            for pixels in [1 << 10, 1 << 16, 1 << 20, 1 << 24] {
                let (logits, labels) = inputs(pixels);
                let options = Options::from(Seed(1));
                group.throughput(Throughput::Elements(pixels as u64));
                group.bench_function(BenchmarkId::new("forward", pixels), |bench| {
                    bench.iter(|| black_box(compiled.forward(&logits, &labels, options.clone())));
                });
                group.bench_function(BenchmarkId::new("forward and backward", pixels), |bench| {
                    bench.iter(|| black_box(compiled.forward_backward(&logits, &labels, options.clone())));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
