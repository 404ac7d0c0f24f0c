//! A compiled loss on the caller's device tensors and stream, for other languages: C
//! functions around a bundle. The library that comes out links no LLVM.
//! `benches/gpu_peers.py` calls it.
//!
//! ```sh
//! lossc compile random-drop --target sm_90 --emit bundle -o loss.lossc
//! cargo build --release -p lossc-runtime --example cuda_c_interface
//! ```
//!
//! ```c
//! struct loss;
//! struct loss *lossc_cuda_load(const char *path, size_t device);
//! bool lossc_cuda_forward(struct loss *, const uint64_t *pixels, const size_t *shape,
//!                         size_t dimensions, uint64_t seed, size_t stream,
//!                         uint64_t *result);
//! bool lossc_cuda_forward_backward(struct loss *, const uint64_t *pixels,
//!                                  const size_t *shape, size_t dimensions,
//!                                  uint64_t seed, size_t stream, uint64_t *result,
//!                                  uint64_t gradient);
//! const char *lossc_cuda_error(void);
//! void lossc_cuda_free(struct loss *);
//! ```
//!
//! A null pointer or `false` is a failure, and `lossc_cuda_error` says which. Calls
//! queue their work and return without waiting for it.

use std::cell::RefCell;
use std::error::Error;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;

use lossc_runtime::cuda::{CudaExecutor, DeviceCall, DeviceResiduals, DeviceTensor};
use lossc_runtime::{Balance, Bundle, CudaDevice, Executor as _, Random};

thread_local! {
    /// Why the last call of this thread that failed did so.
    static ERROR: RefCell<CString> = RefCell::default();
}

/// A loss that is ready to run. One thread at a time may use it.
pub struct Loss {
    /// Of the last call; the address that it gave points into them.
    residuals: Option<DeviceResiduals>,
    executor: CudaExecutor,
    device: CudaDevice,
}

/// A call on the caller's memory.
struct Arguments<'a> {
    /// Device addresses, in the order of the bundle's inputs.
    pixels: &'a [u64],
    /// None for the forward direction alone.
    gradient: Option<u64>,
    shape: &'a [usize],
    seed: u64,
    stream: usize,
}

/// Loads the bundle in `path` onto a device, by number. Null if it cannot be loaded.
///
/// # Safety
/// `path` is a string that ends in 0. The file's code runs on the device: it must come
/// from a source that the caller would run a program of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_load(path: *const c_char, device: usize) -> *mut Loss {
    // SAFETY: the caller says so.
    let path = unsafe { CStr::from_ptr(path) };
    // SAFETY: the caller vouches for the file.
    let loaded = kept(|| unsafe { load(path, device) });
    loaded.map_or(std::ptr::null_mut(), |loss| Box::into_raw(Box::new(loss)))
}

/// # Safety
/// The caller vouches for the code in the file.
unsafe fn load(path: &CStr, device: usize) -> Result<Loss, Box<dyn Error>> {
    let bundle = Bundle::read(Path::new(path.to_str()?))?;
    let device = CudaDevice::open(device)?;
    // SAFETY: the caller vouches for the code.
    let executor = unsafe { bundle.cuda_executor(&device) }?;
    Ok(Loss { residuals: None, executor, device })
}

/// Queues the forward direction. `result` gets the device address where the loss will
/// be, an f32, until the next call.
///
/// # Safety
/// `loss` comes from [`lossc_cuda_load`], and no other thread uses it now. `pixels` are
/// as many device addresses as the bundle has inputs, of tensors of its types, row by
/// row, which stay as they are until the work is done; `shape` has `dimensions`
/// numbers. `stream` is a `CUstream` of the device's primary context, which lives until
/// the loss is freed. `result` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_forward(
    loss: *mut Loss,
    pixels: *const u64,
    shape: *const usize,
    dimensions: usize,
    seed: u64,
    stream: usize,
    result: *mut u64,
) -> bool {
    // SAFETY: the caller says what the pointers point to.
    unsafe { run(loss, pixels, (shape, dimensions), None, seed, stream, result) }
}

/// Queues both directions; the gradient by the logits is written to `gradient`, a device
/// address.
///
/// # Safety
/// As for [`lossc_cuda_forward`]; `gradient` is a tensor of the bundle's type, of which
/// nothing else is an input, and which nobody else uses until the work is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_forward_backward(
    loss: *mut Loss,
    pixels: *const u64,
    shape: *const usize,
    dimensions: usize,
    seed: u64,
    stream: usize,
    result: *mut u64,
    gradient: u64,
) -> bool {
    // SAFETY: the caller says what the pointers point to.
    unsafe { run(loss, pixels, (shape, dimensions), Some(gradient), seed, stream, result) }
}

/// # Safety
/// As for [`lossc_cuda_forward_backward`].
unsafe fn run(
    loss: *mut Loss,
    pixels: *const u64,
    (shape, dimensions): (*const usize, usize),
    gradient: Option<u64>,
    seed: u64,
    stream: usize,
    result: *mut u64,
) -> bool {
    // SAFETY: the caller says what the pointers point to.
    let (loss, result) = unsafe { (&mut *loss, &mut *result) };
    let inputs = loss.executor.manifest().pixel_inputs.len();
    // SAFETY: the caller says how many elements there are.
    let (pixels, shape) = unsafe {
        (std::slice::from_raw_parts(pixels, inputs), std::slice::from_raw_parts(shape, dimensions))
    };
    let arguments = Arguments { pixels, gradient, shape, seed, stream };
    // SAFETY: the caller vouches for addresses and stream.
    kept(|| unsafe { loss.queue(&arguments) }).map(|address| *result = address).is_some()
}

impl Loss {
    /// Queues a call and gives the device address of its loss.
    ///
    /// # Safety
    /// The addresses are of tensors of the bundle's types, and the stream is of the
    /// device's primary context, for as long as [`lossc_cuda_forward`] says.
    unsafe fn queue(&mut self, arguments: &Arguments<'_>) -> Result<u64, Box<dyn Error>> {
        let manifest = self.executor.manifest();
        let tensor = |(&address, argument): (&u64, &lossc_runtime::manifest::PixelArgument)| {
            // SAFETY: the caller vouches for the address.
            unsafe { DeviceTensor::from_raw(address, argument.element, arguments.shape) }
        };
        let pixels = arguments.pixels.iter().zip(&manifest.pixel_inputs).map(tensor);
        let pixels = pixels.collect::<Result<Vec<_>, _>>()?;
        let gradients = arguments.gradient.iter().zip(&manifest.pixel_outputs).map(tensor);
        let gradients = gradients.collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the caller vouches for the stream.
        let stream = unsafe { self.device.borrow_stream(arguments.stream) };
        let random = Random { seed: arguments.seed, stream: 0 };
        let call = DeviceCall { pixels: &pixels, balance: Balance::Image, random, scalars: &[] };
        let residuals = match arguments.gradient {
            None => self.executor.forward_on_device(&call, &stream)?,
            Some(_) => self.executor.forward_backward_on_device(&call, &gradients, &stream)?,
        };
        Ok(self.residuals.insert(residuals).loss_pointer())
    }
}

/// Why the last call of this thread that failed did so; valid until the next one fails.
#[unsafe(no_mangle)]
pub extern "C" fn lossc_cuda_error() -> *const c_char {
    ERROR.with_borrow(|error| error.as_ptr())
}

/// Waits for a loss's last call and lets go of it.
///
/// # Safety
/// `loss` is null or comes from [`lossc_cuda_load`], and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_free(loss: *mut Loss) {
    if !loss.is_null() {
        // SAFETY: the caller says that it is one of `lossc_cuda_load`'s boxes.
        drop(unsafe { Box::from_raw(loss) });
    }
}

/// What `run` gives, or else its error kept for [`lossc_cuda_error`].
fn kept<T>(run: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Option<T> {
    let keep = |error: Box<dyn Error>| {
        // A C string holds no 0.
        let text = error.to_string().replace('\0', " ");
        ERROR.set(CString::new(text).unwrap_or_default());
    };
    run().map_err(keep).ok()
}
