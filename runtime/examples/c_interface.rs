//! A compiled loss for other languages: C functions around a bundle. The resulting library
//! links no LLVM. `benches/peers.py` calls it.
//!
//! ```sh
//! lossc compile random-drop --emit bundle -o loss.lossc
//! cargo build --release -p lossc-runtime --example c_interface
//! ```
//!
//! ```c
//! struct loss;
//! struct loss *lossc_load(const char *path, size_t threads);
//! bool lossc_forward(struct loss *, const float *logits, const uint8_t *labels,
//!                    size_t height, size_t width, uint64_t seed, float *loss);
//! bool lossc_forward_backward(struct loss *, const float *logits, const uint8_t *labels,
//!                             size_t height, size_t width, uint64_t seed, float *loss,
//!                             float *gradient);
//! const char *lossc_error(void);
//! void lossc_free(struct loss *);
//! ```
//!
//! A null pointer or `false` is a failure, which `lossc_error` describes. For tensors in a
//! GPU's memory see `c_interface/cuda.rs`.

#[path = "c_interface/cuda.rs"]
pub mod cuda;

use std::cell::RefCell;
use std::error::Error;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::sync::Arc;

use lossc_runtime::rayon::ThreadPoolBuilder;
use lossc_runtime::{Bundle, Call, CpuExecutor, Executor as _, Random, Residuals, TensorView, TensorViewMut};

thread_local! {
    /// The error of the last call of this thread that failed.
    static ERROR: RefCell<CString> = RefCell::default();
}

/// A loss that is ready to run. One thread at a time may use it.
pub struct Loss {
    executor: CpuExecutor,
    /// The residuals of the last call; the next call writes over them.
    residuals: Residuals,
}

/// Loads the bundle in `path`, to run on `threads` threads, or on all for 0. Null if it cannot
/// be loaded.
///
/// # Safety
/// `path` is a string that ends in 0. The file's code becomes part of this process: it
/// must come from a source that the caller would run a program of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_load(path: *const c_char, threads: usize) -> *mut Loss {
    // SAFETY: the caller says so.
    let path = unsafe { CStr::from_ptr(path) };
    // SAFETY: the caller vouches for the file.
    let loaded = kept(|| unsafe { load(path, threads) });
    loaded.map_or(std::ptr::null_mut(), |loss| Box::into_raw(Box::new(loss)))
}

/// # Safety
/// The caller vouches for the code in the file.
unsafe fn load(path: &CStr, threads: usize) -> Result<Loss, Box<dyn Error>> {
    let bundle = Bundle::read(Path::new(path.to_str()?))?;
    bundle.check_processor()?;
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    // SAFETY: the caller vouches for the code, and the processor was checked.
    let executor = unsafe { bundle.cpu_executor(Some(Arc::new(pool))) }?;
    Ok(Loss { executor, residuals: Residuals::default() })
}

/// Writes the loss of an image. `false` if the bundle is not for f32 logits and u8
/// labels.
///
/// # Safety
/// `loss` comes from [`lossc_load`], and no other thread uses it now. `logits` and
/// `labels` have `height * width` elements, plane by plane, and `result` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_forward(
    loss: *mut Loss,
    logits: *const f32,
    labels: *const u8,
    height: usize,
    width: usize,
    seed: u64,
    result: *mut f32,
) -> bool {
    let count = height * width;
    // SAFETY: the caller says what the pointers point to.
    let (Loss { executor, residuals }, logits, labels, result) =
        unsafe { (&mut *loss, slice(logits, count), slice(labels, count), &mut *result) };
    let call = || {
        let pixels = tensors(&[height, width], logits, labels)?;
        executor.forward_reusing(&seeded(&pixels, seed), residuals)?;
        *result = residuals.loss();
        Ok(())
    };
    kept(call).is_some()
}

/// Writes the loss of an image and its gradient with respect to the logits. `false` if the
/// bundle is not for f32 logits and u8 labels.
///
/// # Safety
/// As for [`lossc_forward`]; `gradient` is writable for `height * width` elements, and
/// none of them is one of the logits or labels.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_forward_backward(
    loss: *mut Loss,
    logits: *const f32,
    labels: *const u8,
    height: usize,
    width: usize,
    seed: u64,
    result: *mut f32,
    gradient: *mut f32,
) -> bool {
    let count = height * width;
    // SAFETY: the caller says what the pointers point to.
    let (Loss { executor, residuals }, logits, labels, result) =
        unsafe { (&mut *loss, slice(logits, count), slice(labels, count), &mut *result) };
    // SAFETY: as above.
    let gradient = unsafe { std::slice::from_raw_parts_mut(gradient, count) };
    let call = || {
        let (shape, pixels) = ([height, width], tensors(&[height, width], logits, labels)?);
        let mut gradients = [TensorViewMut::from_slice(&shape, gradient)?];
        executor.forward_backward_reusing(&seeded(&pixels, seed), &mut gradients, residuals)?;
        *result = residuals.loss();
        Ok(())
    };
    kept(call).is_some()
}

/// The error of the last call of this thread that failed; valid until the next one fails.
#[unsafe(no_mangle)]
pub extern "C" fn lossc_error() -> *const c_char {
    ERROR.with_borrow(|error| error.as_ptr())
}

/// Frees a loss.
///
/// # Safety
/// `loss` is null or comes from [`lossc_load`], and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_free(loss: *mut Loss) {
    if !loss.is_null() {
        // SAFETY: the caller says that it is one of `lossc_load`'s boxes.
        drop(unsafe { Box::from_raw(loss) });
    }
}

/// # Safety
/// `elements` points to `count` elements that live as long as the call.
unsafe fn slice<'a, T>(elements: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller says so.
    unsafe { std::slice::from_raw_parts(elements, count) }
}

fn tensors<'a>(
    shape: &[usize],
    logits: &'a [f32],
    labels: &'a [u8],
) -> Result<[TensorView<'a>; 2], Box<dyn Error>> {
    Ok([TensorView::from_slice(shape, logits)?, TensorView::from_slice(shape, labels)?])
}

fn seeded<'a>(pixels: &'a [TensorView<'a>], seed: u64) -> Call<'a> {
    Call { random: Random { seed, stream: 0 }, ..Call::new(pixels) }
}

/// Returns the result of `run`, or `None` with its error kept for [`lossc_error`].
fn kept<T>(run: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Option<T> {
    let keep = |error: Box<dyn Error>| {
        // A C string contains no 0.
        let text = error.to_string().replace('\0', " ");
        ERROR.set(CString::new(text).unwrap_or_default());
    };
    run().map_err(keep).ok()
}
