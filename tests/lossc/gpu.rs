//! The same bits on a GPU, where there is one.

use lossc::{Balance, Compiler, Loss, Target};
use lossc_runtime::CudaDevice;

use crate::data::{bits, compiled, options, program, sample};
use crate::targets::library_losses;

/// The target of this machine's first GPU.
fn gpu() -> Option<Target> {
    if !lossc_runtime::cuda::is_available() {
        return None;
    }
    let (major, minor) = CudaDevice::open(0).ok()?.compute_capability().ok()?;
    Target::for_compute_capability(major, minor)
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

fn same_bits(target: &Target, loss: &Loss, shape: &[usize]) {
    let sample = sample(shape, 0.05, 21);
    let set: Vec<_> =
        loss.selection().expect("it parses").choice.map(|choice| ("schedule", choice)).into_iter().collect();
    let expected = sample.step(&compiled(loss.name().expect("it parses"), &set), &options(3, Balance::Image));
    let on_gpu = Compiler::new(target.clone()).compile(loss).expect("the loss compiles");
    let found = sample.step(&on_gpu, &options(3, Balance::Image));
    assert!(bits(&found) == bits(&expected), "{} {shape:?}", program(loss).name());
}
