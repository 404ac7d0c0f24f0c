//! Devices and streams.

use std::fmt;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaStream, sys};

use super::error::{CudaError, checked};

/// Returns whether libcuda is on this machine. A device may still be missing.
pub fn is_available() -> bool {
    // SAFETY: this only opens the driver's library and closes it again.
    unsafe { sys::is_culib_present() }
}

/// An NVIDIA GPU, through its primary context, which all libraries of a
/// process share. Clones are the same device.
#[derive(Debug, Clone)]
pub struct CudaDevice {
    context: Arc<CudaContext>,
}

impl CudaDevice {
    /// The device with this number, from 0.
    ///
    /// # Errors
    /// [`CudaError::NoDriver`] without libcuda, otherwise the driver's error.
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        // cudarc panics where the library is missing, so this comes first.
        if !is_available() {
            return Err(CudaError::NoDriver);
        }
        let context = checked("opening the CUDA device", CudaContext::new(ordinal))?;
        Ok(Self { context })
    }

    /// The number of devices.
    ///
    /// # Errors
    /// As for [`CudaDevice::open`].
    pub fn count() -> Result<usize, CudaError> {
        if !is_available() {
            return Err(CudaError::NoDriver);
        }
        let count = checked("counting CUDA devices", CudaContext::device_count())?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The product's name.
    ///
    /// # Errors
    /// The driver's error.
    pub fn name(&self) -> Result<String, CudaError> {
        checked("asking the device's name", self.context.name())
    }

    /// The compute capability as in the architecture's name: 90 for `sm_90`, which NVIDIA calls
    /// 9.0.
    ///
    /// # Errors
    /// The driver's error.
    pub fn compute_capability(&self) -> Result<u32, CudaError> {
        let capability = self.context.compute_capability();
        let (major, minor) = checked("asking the compute capability", capability)?;
        Ok(10 * major.unsigned_abs() + minor.unsigned_abs())
    }

    /// The newest PTX version that the driver accepts: (8, 7) for CUDA 12.8.
    ///
    /// # Errors
    /// The driver's error.
    pub fn ptx_version(&self) -> Result<(u32, u32), CudaError> {
        let mut version = 0;
        // SAFETY: `version` is a valid place for the driver to write to.
        let result = unsafe { sys::cuDriverGetVersion(&raw mut version) };
        checked("asking the driver's version", result.result())?;
        let version = version.unsigned_abs();
        Ok(ptx_of_cuda(version / 1000, version % 1000 / 10))
    }

    /// A new stream.
    ///
    /// # Errors
    /// The driver's error.
    pub fn new_stream(&self) -> Result<Stream, CudaError> {
        let inner = checked("creating a stream", self.context.new_stream())?;
        Ok(Stream { inner })
    }

    /// The device's default stream.
    pub fn default_stream(&self) -> Stream {
        let inner = self.context.default_stream();
        Stream { inner }
    }

    /// A stream of the caller's, from its raw `CUstream` handle, such as
    /// `torch.cuda.current_stream().cuda_stream`.
    ///
    /// # Safety
    /// The handle must be a stream of this device's primary context, and must
    /// stay valid for as long as the returned value, its clones, and whatever
    /// executors made or ran on it live.
    pub unsafe fn borrow_stream(&self, handle: usize) -> Stream {
        let handle = std::ptr::with_exposed_provenance_mut(handle);
        // SAFETY: the caller promises what cudarc asks for.
        let inner = unsafe { self.context.wrap_borrowed_stream(handle) };
        Stream { inner }
    }

    pub(super) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }

    /// Makes the device current on this thread, as driver calls demand.
    pub(super) fn bind(&self) -> Result<(), CudaError> {
        checked("making the device current", self.context.bind_to_thread())
    }
}

/// A queue of work on a device. Clones are the same queue.
#[derive(Clone)]
pub struct Stream {
    inner: Arc<CudaStream>,
}

impl Stream {
    /// Waits until all work queued so far is done.
    ///
    /// # Errors
    /// The driver's error, which may be a fault of earlier work.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        checked("waiting for the stream", self.inner.synchronize())
    }

    /// Lets later work on this stream wait for the work queued on `other` so
    /// far, without the host waiting.
    ///
    /// # Errors
    /// The driver's error.
    pub fn wait_for(&self, other: &Self) -> Result<(), CudaError> {
        if self.inner == other.inner {
            return Ok(());
        }
        checked("joining two streams", self.inner.join(&other.inner))
    }

    /// Returns whether a graph captures the queued work instead of its being done.
    pub(super) fn is_capturing(&self) -> Result<bool, CudaError> {
        let mut status = sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE;
        // SAFETY: the stream is alive, and `status` is a place to write to.
        let asked = unsafe { sys::cuStreamIsCapturing(self.raw(), &raw mut status) };
        checked("asking whether a graph captures the stream", asked.result())?;
        Ok(status != sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE)
    }

    pub(super) fn raw(&self) -> sys::CUstream {
        self.inner.cu_stream()
    }

    pub(super) fn context(&self) -> &Arc<CudaContext> {
        self.inner.context()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Stream({:p})", self.raw())
    }
}

/// PTX ISA versions by CUDA version, from the release history in NVIDIA's PTX manual. A newer
/// CUDA accepts at least what the newest one here does.
fn ptx_of_cuda(major: u32, minor: u32) -> (u32, u32) {
    match (major, minor) {
        (..=10, _) => (6, 0),
        (11, minor) => (7, minor.min(8)),
        (12, minor @ 0..=5) => (8, minor),
        (12, minor) => (8, (minor - 1).min(8)),
        (13, minor) => (9, minor.min(1)),
        (14.., _) => (9, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ptx_versions_follow_the_release_history() {
        let history = [
            ((11, 8), (7, 8)),
            ((12, 0), (8, 0)),
            ((12, 5), (8, 5)),
            ((12, 6), (8, 5)),
            ((12, 8), (8, 7)),
            ((12, 9), (8, 8)),
            ((13, 0), (9, 0)),
        ];
        for ((major, minor), expected) in history {
            assert_eq!(ptx_of_cuda(major, minor), expected);
        }
    }

    #[test]
    fn a_machine_without_a_driver_gets_an_error() {
        if is_available() {
            println!("skipped: this machine has an NVIDIA driver");
            return;
        }
        assert_eq!(CudaDevice::open(0).unwrap_err(), CudaError::NoDriver);
        let message = CudaDevice::count().unwrap_err().to_string();
        assert_eq!(message, "no NVIDIA driver on this machine: libcuda was not found");
    }
}
