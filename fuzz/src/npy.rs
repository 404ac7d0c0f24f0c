//! Any bytes as an .npy file.

use std::cell::RefCell;
use std::fs;

use lossc::Tensor;
use lossc::npy::{self, NpyFile};
use tempfile::NamedTempFile;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a file"));
}

/// Reads `bytes` as a tensor, and writes and reads that again.
pub fn check(bytes: &[u8]) -> bool {
    let Some(tensor) = read(bytes) else { return false };
    let mut written = vec![];
    npy::write(&tensor, &mut written).expect("memory takes it");
    let again = read(&written).expect("what lossc writes is read");
    let parts = |tensor: &Tensor| (tensor.element_type(), tensor.shape().to_vec(), tensor.bytes().to_vec());
    assert_eq!(parts(&again), parts(&tensor));
    true
}

/// The tensor in a file of these bytes, copied out of it.
fn read(bytes: &[u8]) -> Option<Tensor> {
    FILE.with_borrow(|file| {
        fs::write(file, bytes).expect("the file can be written");
        let tensor = NpyFile::open(file.path(), "logits").ok()?;
        let pixels = tensor.pixels().ok()?;
        let view = pixels.view();
        Some(Tensor::from_bytes(view.element_type(), view.shape(), view.bytes()).expect("it is a tensor"))
    })
}
