//! The same bits on a GPU, if there is one.

use lossc::{Balance, Compiler, Loss, Numerics, Step, Target};
use lossc_runtime::CudaDevice;

use crate::data::{bits, compiled, gradient, options, program, sample};
use crate::targets::library_losses;

/// The target of this machine's first GPU.
fn gpu() -> Option<Target> {
    if !lossc_runtime::cuda::is_available() {
        return None;
    }
    Target::for_compute_capability(CudaDevice::open(0).ok()?.compute_capability().ok()?)
}

#[test]
fn the_bits_of_the_processor() {
    let Some(target) = gpu() else {
        println!("skipped: no NVIDIA driver, so nothing was run on a GPU");
        return;
    };
    for loss in library_losses() {
        for shape in [&[1, 1][..], &[3, 1, 31], &[2, 3, 45, 67], &[1000, 1001]] {
            same_bits(&target, &loss, shape);
        }
    }
}

/// A step on the processor, and one on the GPU.
fn steps(target: &Target, loss: &Loss, numerics: Numerics, shape: &[usize]) -> [Step; 2] {
    let sample = sample(shape, 0.05, 21);
    let set: Vec<_> =
        loss.selection().expect("it parses").choice.map(|choice| ("schedule", choice)).into_iter().collect();
    let on_processor = compiled(loss.name().expect("it parses"), &set);
    let compiler = Compiler::new(target.clone()).numerics(numerics);
    let on_gpu = compiler.compile(loss).expect("the loss compiles");
    [on_processor, on_gpu].map(|compiled| sample.step(&compiled, &options(3, Balance::Image)))
}

fn same_bits(target: &Target, loss: &Loss, shape: &[usize]) {
    let [expected, found] = steps(target, loss, Numerics::Reproducible, shape);
    assert!(bits(&found) == bits(&expected), "{} {shape:?}", program(loss).name());
}

/// One draw in a thousand pixels that is decided otherwise shows in all weights; with few pixels
/// there should be none.
#[test]
fn fast_losses_are_near_those_of_the_processor() {
    let Some(target) = gpu() else {
        println!("skipped: no NVIDIA driver, so nothing was run on a GPU");
        return;
    };
    for loss in library_losses() {
        for shape in [&[1, 1][..], &[3, 1, 31], &[2, 3, 45, 67]] {
            let [expected, found] = steps(&target, &loss, Numerics::Fast, shape);
            let name = format!("{} {shape:?}", program(&loss).name());
            assert_eq!(found.groups, expected.groups, "{name}");
            assert!((found.loss - expected.loss).abs() <= 1e-5 * expected.loss, "{name}");
            for (found, expected) in gradient(&found).iter().zip(gradient(&expected)) {
                let error = (found - expected).abs();
                assert!(error <= 1e-5 * expected.abs() + 1e-37, "{name}: {found} for {expected}");
            }
        }
    }
}
