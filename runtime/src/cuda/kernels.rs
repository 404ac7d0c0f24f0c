//! PTX loaded on a device.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::fmt;
use std::sync::Arc;

use cudarc::driver::{DriverError, result, sys};

use super::device::CudaDevice;
use super::error::{CudaError, checked, error_name};
use super::plan::{self, Entry};
use crate::error::RuntimeError;
use crate::executor::validated;
use crate::manifest::Manifest;

/// Bytes for the driver's compilation log; it cuts off what does not fit.
const LOG_LENGTH: usize = 16 * 1024;

/// A loss compiled for CUDA and loaded on one device. Clones share the code.
#[derive(Clone)]
pub struct CudaKernels {
    manifest: Arc<Manifest>,
    functions: Arc<HashMap<(usize, Entry), Function>>,
    module: Arc<Module>,
}

/// A kernel function of the module.
#[derive(Clone, Copy)]
struct Function(sys::CUfunction);

// SAFETY: a CUfunction is a handle into its module, which any thread may use
// while the module's context is current there.
unsafe impl Send for Function {}
// SAFETY: as above; nothing in the handle changes.
unsafe impl Sync for Function {}

impl CudaKernels {
    /// Compiles PTX in the driver and finds the kernels of every pass.
    ///
    /// # Errors
    /// If the driver cannot compile the text (its log is in the error), a kernel
    /// is missing, or the manifest's parts do not fit together.
    ///
    /// # Safety
    /// The kernels must follow the interface that [`crate::cuda`] describes,
    /// for exactly this manifest.
    pub unsafe fn from_ptx(device: &CudaDevice, ptx: &str, manifest: Manifest) -> Result<Self, RuntimeError> {
        let manifest = validated(manifest)?;
        let module = Module::load(device, ptx, &manifest.name)?;
        let mut functions = HashMap::new();
        for (kernel, entry) in plan::entries(&manifest) {
            let function = module.function(&manifest.name, &entry.function(kernel))?;
            functions.insert((kernel, entry), Function(function));
        }
        Ok(Self { manifest: Arc::new(manifest), functions: Arc::new(functions), module: Arc::new(module) })
    }

    /// The manifest of the loss.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The device that the code is on.
    pub fn device(&self) -> &CudaDevice {
        &self.module.device
    }

    pub(super) fn function(&self, kernel: usize, entry: Entry) -> sys::CUfunction {
        self.functions[&(kernel, entry)].0
    }
}

impl fmt::Debug for CudaKernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CudaKernels")
            .field("loss", &self.manifest.name)
            .field("kernels", &self.manifest.kernels.len())
            .finish_non_exhaustive()
    }
}

/// A loaded module; unloaded when the last kernels that use it are dropped.
struct Module {
    handle: sys::CUmodule,
    device: CudaDevice,
}

// SAFETY: a CUmodule is a handle that any thread may use while its context is
// current there.
unsafe impl Send for Module {}
// SAFETY: as above; looking functions up does not change the module.
unsafe impl Sync for Module {}

impl Module {
    fn load(device: &CudaDevice, ptx: &str, loss: &str) -> Result<Self, CudaError> {
        let text = CString::new(ptx).map_err(|_| CudaError::NulInPtx(loss.to_owned()))?;
        device.bind()?;
        let mut log = vec![0_u8; LOG_LENGTH];
        match load_with_log(&text, &mut log) {
            Ok(handle) => Ok(Self { handle, device: device.clone() }),
            Err(error) => Err(CudaError::Compilation {
                loss: loss.to_owned(),
                name: error_name(error),
                log: text_of_log(&log),
            }),
        }
    }

    fn function(&self, loss: &str, kernel: &str) -> Result<sys::CUfunction, CudaError> {
        let missing = || CudaError::NoKernel { loss: loss.to_owned(), kernel: kernel.to_owned() };
        let name = CString::new(kernel).map_err(|_| missing())?;
        // SAFETY: the module is loaded.
        match unsafe { result::module::get_function(self.handle, name) } {
            Err(DriverError(sys::CUresult::CUDA_ERROR_NOT_FOUND)) => Err(missing()),
            function => checked("looking a kernel up", function),
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let context = self.device.context();
        context.record_err(context.bind_to_thread());
        // SAFETY: the module was loaded by `load` and is unloaded once;
        // executors wait for their kernels before they let go of it.
        context.record_err(unsafe { result::module::unload(self.handle) });
    }
}

fn load_with_log(text: &CString, log: &mut [u8]) -> Result<sys::CUmodule, DriverError> {
    let mut options =
        [sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER, sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    // The driver takes the size itself in place of a pointer, and writes the used size back
    // there.
    let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), std::ptr::without_provenance_mut(log.len())];
    let mut handle = std::ptr::null_mut();
    // SAFETY: the text ends in NUL, both arrays have as many elements as stated, and the log
    // buffer as many bytes; all outlive the call.
    let loaded = unsafe {
        sys::cuModuleLoadDataEx(
            &raw mut handle,
            text.as_ptr().cast(),
            options.len() as u32,
            options.as_mut_ptr(),
            values.as_mut_ptr(),
        )
    };
    loaded.result()?;
    Ok(handle)
}

fn text_of_log(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0);
    let text = String::from_utf8_lossy(&log[..end.unwrap_or(log.len())]);
    match text.trim_end() {
        "" => "the driver wrote no log".to_owned(),
        text => text.to_owned(),
    }
}
