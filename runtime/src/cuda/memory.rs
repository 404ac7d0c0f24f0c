//! Device memory.

use cudarc::driver::{result, sys};

use super::device::Stream;
use super::error::{CudaError, checked};

/// A block of device memory, allocated and freed in a stream's order.
///
/// It is freed on the stream it was last moved to, after all work queued there by then: no
/// kernel outlives its memory, and no free makes the host wait.
#[derive(Debug)]
pub(super) struct DeviceBuffer {
    pointer: sys::CUdeviceptr,
    length: usize,
    stream: Stream,
    asynchronous: bool,
}

impl DeviceBuffer {
    /// `length` uninitialised bytes. Drivers allocate no empty block, so an empty buffer owns
    /// one byte. The device must be current.
    pub(super) fn new(stream: &Stream, length: usize) -> Result<Self, CudaError> {
        let asynchronous = stream.context().has_async_alloc();
        let bytes = length.max(1);
        // SAFETY: the stream is alive, and its context is current.
        let pointer = unsafe {
            if asynchronous { result::malloc_async(stream.raw(), bytes) } else { result::malloc_sync(bytes) }
        };
        Ok(Self {
            pointer: checked("allocating device memory", pointer)?,
            length,
            stream: stream.clone(),
            asynchronous,
        })
    }

    /// A copy of host memory. The copy may still be in progress on return, but a driver stages
    /// memory that is not page-locked before it returns. Callers keep `bytes` until the stream
    /// is synchronised where they can.
    pub(super) fn upload(stream: &Stream, bytes: &[u8]) -> Result<Self, CudaError> {
        let buffer = Self::new(stream, bytes.len())?;
        upload(stream, buffer.pointer, bytes)?;
        Ok(buffer)
    }

    pub(super) fn pointer(&self) -> sys::CUdeviceptr {
        self.pointer
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Orders later work on `stream` after the work that uses this buffer, and the freeing of
    /// the buffer after `stream`'s work.
    pub(super) fn move_to(&mut self, stream: &Stream) -> Result<(), CudaError> {
        stream.wait_for(&self.stream)?;
        self.stream = stream.clone();
        Ok(())
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        let context = self.stream.context();
        context.record_err(context.bind_to_thread());
        // SAFETY: the block was allocated by `new`, is freed once, and work
        // that uses it is on its stream or was joined to it; the synchronous
        // form waits for all work of the device by itself.
        let freed = unsafe {
            if self.asynchronous {
                result::free_async(self.pointer, self.stream.raw())
            } else {
                result::free_sync(self.pointer)
            }
        };
        context.record_err(freed);
    }
}

/// Queues a copy from host memory to the device.
pub(super) fn upload(stream: &Stream, destination: sys::CUdeviceptr, bytes: &[u8]) -> Result<(), CudaError> {
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: callers pass a block of at least as many bytes, used on this
    // stream; see `DeviceBuffer::upload` for the source's lifetime.
    let copied = unsafe { result::memcpy_htod_async(destination, bytes, stream.raw()) };
    checked("copying to the device", copied)
}

/// Queues a copy from the device to host memory, which the caller must not
/// touch or free before the stream is synchronised.
pub(super) fn download(stream: &Stream, bytes: &mut [u8], source: sys::CUdeviceptr) -> Result<(), CudaError> {
    if bytes.is_empty() {
        return Ok(());
    }
    // SAFETY: callers pass a block of at least as many bytes, used on this
    // stream, and synchronise before `bytes` is used again.
    let copied = unsafe { result::memcpy_dtoh_async(bytes, source, stream.raw()) };
    checked("copying from the device", copied)
}

/// Queues a copy within the device.
pub(super) fn copy(
    stream: &Stream,
    destination: sys::CUdeviceptr,
    source: sys::CUdeviceptr,
    length: usize,
) -> Result<(), CudaError> {
    // SAFETY: callers pass two blocks of at least `length` bytes.
    let copied = unsafe { result::memcpy_dtod_async(destination, source, length, stream.raw()) };
    checked("copying within the device", copied)
}

/// Queues the filling of a buffer with zeros.
pub(super) fn clear(stream: &Stream, buffer: &DeviceBuffer) -> Result<(), CudaError> {
    // SAFETY: the block has that many bytes; an empty buffer's has one.
    let cleared = unsafe { result::memset_d8_async(buffer.pointer, 0, buffer.length.max(1), stream.raw()) };
    checked("clearing device memory", cleared)
}

/// Queues a write of four bytes. They travel in the command, so no host memory has to outlive
/// the call.
pub(super) fn store_word(stream: &Stream, destination: sys::CUdeviceptr, word: u32) -> Result<(), CudaError> {
    // SAFETY: callers pass an address, a multiple of four, in a block they own.
    let stored = unsafe { sys::cuMemsetD32Async(destination, word, 1, stream.raw()) };
    checked("storing a scalar", stored.result())
}
