//! The runtime's C interface, called from Rust.

#[path = "../../runtime/examples/c_interface.rs"]
mod interface;

use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr::null_mut;

use interface::{Loss, lossc_error, lossc_forward, lossc_forward_backward, lossc_free, lossc_load};
use lossc::{Balance, Cache, Compiler, ElementType};
use tempfile::NamedTempFile;

use crate::data::{Sample, compiled, gradient, host, options, sample};

const SEED: u64 = 42;

fn image() -> Sample {
    sample(&[60, 70], 0.1, 1)
}

/// A bundle of the random drop loss for logits and labels of these types.
fn bundle(types: [ElementType; 2]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    let compiler = Compiler::new(host()).element_types(types).cache(Cache::off());
    let bundle = compiler.bundle(&lossc::Loss::library("random-drop").expect("a library loss"));
    let bytes = bundle.expect("compiles").to_bytes().expect("a file's bytes");
    std::fs::write(file.path(), bytes).expect("written");
    file
}

fn load(path: &Path, threads: usize) -> *mut Loss {
    let path = CString::new(path.to_str().expect("UTF-8")).expect("no 0");
    // SAFETY: a string that ends in 0, and a file that these tests wrote, if any.
    unsafe { lossc_load(path.as_ptr(), threads) }
}

fn error() -> String {
    // SAFETY: a string that ends in 0, and nothing else fails on this thread meanwhile.
    unsafe { CStr::from_ptr(lossc_error()) }.to_str().expect("UTF-8").to_owned()
}

/// Computes the loss alone and with its gradient; the flags tell whether the calls succeeded.
fn run(loss: *mut Loss, image: &Sample) -> ([bool; 2], [f32; 2], Vec<f32>) {
    let (height, width) = (image.logits.shape()[0], image.logits.shape()[1]);
    let (logits, labels) = (image.logits.as_ptr(), image.labels.as_ptr());
    let ([mut alone, mut with], mut gradient) = ([0.0; 2], vec![0.0; image.logits.len()]);
    // SAFETY: `loss` is loaded, and the buffers have `height * width` elements.
    let forward = unsafe { lossc_forward(loss, logits, labels, height, width, SEED, &raw mut alone) };
    let written = gradient.as_mut_ptr();
    // SAFETY: as above.
    let both =
        unsafe { lossc_forward_backward(loss, logits, labels, height, width, SEED, &raw mut with, written) };
    ([forward, both], [alone, with], gradient)
}

#[test]
fn a_bundle_computes_what_its_loss_does() {
    let file = bundle([ElementType::F32, ElementType::U8]);
    let step = image().step(&compiled("random-drop", &[]), &options(SEED, Balance::Image));
    for threads in [1, 2] {
        let loss = load(file.path(), threads);
        assert!(!loss.is_null(), "{}", error());
        assert_eq!(run(loss, &image()), ([true; 2], [step.loss; 2], gradient(&step)));
        // SAFETY: it was loaded above and is not used again.
        unsafe { lossc_free(loss) };
    }
}

#[test]
fn what_cannot_run_says_why() {
    assert!(load(Path::new("missing.lossc"), 1).is_null());
    assert!(error().contains("missing.lossc"), "{}", error());
    let file = bundle([ElementType::F16, ElementType::U8]);
    let loss = load(file.path(), 1);
    assert!(!loss.is_null(), "{}", error());
    assert_eq!(run(loss, &image()).0, [false; 2]);
    assert!(error().contains("f16"), "{}", error());
    // SAFETY: it was loaded above and is not used again; null may be freed too.
    unsafe { [loss, null_mut()].into_iter().for_each(|loss| lossc_free(loss)) };
}
