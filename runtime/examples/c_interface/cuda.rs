//! The same on the caller's device tensors and stream: calls queue their work and return
//! without waiting for it. `benches/gpu_peers.py` calls it.
//!
//! ```c
//! struct cuda_loss;
//! struct cuda_loss *lossc_cuda_load(const char *path, size_t device);
//! bool lossc_cuda_forward(struct cuda_loss *, const uint64_t *pixels, const size_t *shape,
//!                         size_t dimensions, uint64_t seed, size_t stream,
//!                         uint64_t *result);
//! bool lossc_cuda_forward_backward(struct cuda_loss *, const uint64_t *pixels,
//!                                  const size_t *shape, size_t dimensions,
//!                                  uint64_t seed, size_t stream, uint64_t *result,
//!                                  uint64_t gradient);
//! void lossc_cuda_free(struct cuda_loss *);
//! ```

use std::error::Error;
use std::ffi::{CStr, c_char};
use std::path::Path;

use lossc_runtime::cuda::{CudaExecutor, DeviceCall, DeviceResiduals, DeviceTensor};
use lossc_runtime::{Balance, Bundle, CudaDevice, Executor as _, Random};

use super::kept;

/// A loss that is ready to run on a device. One thread at a time may use it.
pub struct CudaLoss {
    /// The residuals of the last call, which contain the loss whose address it returned.
    residuals: Option<DeviceResiduals>,
    executor: CudaExecutor,
    device: CudaDevice,
}

/// A call on the caller's memory.
struct Arguments<'a> {
    /// Device addresses, in the order of the bundle's inputs.
    pixels: &'a [u64],
    /// `None` for the forward direction alone.
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
pub unsafe extern "C" fn lossc_cuda_load(path: *const c_char, device: usize) -> *mut CudaLoss {
    // SAFETY: the caller says so.
    let path = unsafe { CStr::from_ptr(path) };
    // SAFETY: the caller vouches for the file.
    let loaded = kept(|| unsafe { load(path, device) });
    loaded.map_or(std::ptr::null_mut(), |loss| Box::into_raw(Box::new(loss)))
}

/// # Safety
/// The caller vouches for the code in the file.
unsafe fn load(path: &CStr, device: usize) -> Result<CudaLoss, Box<dyn Error>> {
    let bundle = Bundle::read(Path::new(path.to_str()?))?;
    let device = CudaDevice::open(device)?;
    // SAFETY: the caller vouches for the code.
    let executor = unsafe { bundle.cuda_executor(&device) }?;
    Ok(CudaLoss { residuals: None, executor, device })
}

/// Queues the forward direction. `result` is set to the device address of the loss, an f32,
/// valid until the next call.
///
/// # Safety
/// `loss` comes from [`lossc_cuda_load`], and no other thread uses it now. `pixels` are
/// as many device addresses as the bundle has inputs, of tensors of its types, plane by
/// plane, which stay as they are until the work is done; `shape` has `dimensions`
/// numbers. `stream` is a `CUstream` of the device's primary context, which lives until
/// the loss is freed. `result` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_forward(
    loss: *mut CudaLoss,
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

/// Queues both directions; the gradient with respect to the logits is written to `gradient`, a
/// device address.
///
/// # Safety
/// As for [`lossc_cuda_forward`]; `gradient` is a tensor of the bundle's type, which overlaps
/// no input, and which nobody else uses until the work is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_forward_backward(
    loss: *mut CudaLoss,
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
    loss: *mut CudaLoss,
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

impl CudaLoss {
    /// Queues a call and returns the device address of its loss.
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
        let executor = &mut self.executor;
        // An earlier call's memory is reused: a graph that captures the call then has nothing
        // but its kernels.
        let residuals = match (self.residuals.take(), arguments.gradient) {
            (None, None) => executor.forward_on_device(&call, &stream)?,
            (None, Some(_)) => executor.forward_backward_on_device(&call, &gradients, &stream)?,
            (Some(mut over), None) => {
                executor.forward_reusing_on_device(&call, &mut over, &stream)?;
                over
            }
            (Some(mut over), Some(_)) => {
                executor.forward_backward_reusing_on_device(&call, &gradients, &mut over, &stream)?;
                over
            }
        };
        Ok(self.residuals.insert(residuals).loss_pointer())
    }
}

/// Waits for a loss's last call and frees it.
///
/// # Safety
/// `loss` is null or comes from [`lossc_cuda_load`], and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lossc_cuda_free(loss: *mut CudaLoss) {
    if !loss.is_null() {
        // SAFETY: the caller says that it is one of `lossc_cuda_load`'s boxes.
        drop(unsafe { Box::from_raw(loss) });
    }
}
