//! The parameters of a call's kernels, and their launch.

use std::ffi::c_void;

use cudarc::driver::result;

use super::device::Stream;
use super::error::{CudaError, checked};
use super::kernels::CudaKernels;
use super::plan::{Entry, Launch, THREADS};

/// The largest number of blocks that a one-dimensional grid may have.
const LARGEST_GRID: usize = i32::MAX as usize;

/// The parameters of all kernels of one call, each of 8 bytes.
pub(super) struct Arguments(pub(super) Vec<u64>);

impl Arguments {
    /// Queues launches one after the other.
    pub(super) fn launch(
        &self,
        stream: &Stream,
        kernels: &CudaKernels,
        launches: impl IntoIterator<Item = Launch>,
    ) -> Result<(), CudaError> {
        launches
            .into_iter()
            .try_for_each(|launch| queue(stream, kernels, launch, &launch.parameters(&self.0)))
    }
}

fn queue(stream: &Stream, kernels: &CudaKernels, launch: Launch, values: &[u64]) -> Result<(), CudaError> {
    let Launch { kernel, entry, blocks, shared_bytes, .. } = launch;
    if blocks > LARGEST_GRID {
        return Err(CudaError::GridTooLarge(blocks));
    }
    let function = kernels.function(kernel, entry);
    let mut pointers: Vec<*mut c_void> =
        values.iter().map(|value| std::ptr::from_ref(value).cast_mut().cast()).collect();
    // SAFETY: the kernel is of a loaded module whose interface the caller of
    // `CudaKernels::from_ptx` vouches for; the driver copies the parameters before it returns
    // and does not write to them; the memory they point to is freed or reused in stream order,
    // after the kernel.
    let launched = unsafe {
        let (grid, block, shared) = ((blocks as u32, 1, 1), (THREADS, 1, 1), shared_bytes as u32);
        if matches!(entry, Entry::Cooperative(_)) {
            result::launch_cooperative_kernel(function, grid, block, shared, stream.raw(), &mut pointers)
        } else {
            result::launch_kernel(function, grid, block, shared, stream.raw(), &mut pointers)
        }
    };
    checked("launching a kernel", launched)
}
