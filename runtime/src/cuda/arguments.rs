//! The parameters of a kernel, and its launch.

use std::ffi::c_void;

use cudarc::driver::{result, sys};

use super::device::Stream;
use super::error::{CudaError, checked};
use super::residuals::DeviceResiduals;

/// Parameters before the pixel pointers, which all kernels take.
const COMMON: usize = 11;

/// Chunks that one block of a pass sums: one a warp.
const CHUNKS_PER_BLOCK: usize = 8;

/// Threads in a block of a pass or combination.
const THREADS: u32 = 256;

/// The largest number of blocks a one-dimensional grid may have.
const LARGEST_GRID: usize = i32::MAX as usize;

/// The parameters of all kernels of one call, each of 8 bytes.
pub(super) struct Arguments {
    values: Vec<u64>,
    chunks: usize,
    groups: usize,
}

impl Arguments {
    /// `row_group` and `partials` are device pointers of the workspace,
    /// `pixels` those of the pixel inputs and outputs.
    pub(super) fn new(residuals: &DeviceResiduals, row_group: u64, partials: u64, pixels: &[u64]) -> Self {
        let layout = residuals.host().layout();
        let random = residuals.host().random();
        let common: [u64; COMMON] = [
            layout.row_length() as u64,
            layout.rows() as u64,
            layout.groups() as u64,
            layout.chunks_per_row() as u64,
            random.seed,
            random.stream,
            row_group,
            residuals.scalars_pointer(),
            residuals.cells_pointer(),
            partials,
            residuals.results_pointer(),
        ];
        Self {
            values: common.iter().chain(pixels).copied().collect(),
            chunks: layout.chunks(),
            groups: layout.groups(),
        }
    }

    /// Queues `kernel_k`; a call without pixels has nothing to queue.
    pub(super) fn launch_pass(&self, stream: &Stream, kernel: sys::CUfunction) -> Result<(), CudaError> {
        let blocks = self.chunks.div_ceil(CHUNKS_PER_BLOCK);
        launch(stream, kernel, blocks, THREADS, &self.values)
    }

    /// Queues `combine_k` of a pass with so many reductions.
    pub(super) fn launch_combine(
        &self,
        stream: &Stream,
        kernel: sys::CUfunction,
        reductions: usize,
    ) -> Result<(), CudaError> {
        let blocks = reductions * self.groups;
        launch(stream, kernel, blocks, THREADS, &self.values[..COMMON])
    }

    /// Queues `finish_k`.
    pub(super) fn launch_finish(&self, stream: &Stream, kernel: sys::CUfunction) -> Result<(), CudaError> {
        launch(stream, kernel, 1, 1, &self.values[..COMMON])
    }
}

fn launch(
    stream: &Stream,
    kernel: sys::CUfunction,
    blocks: usize,
    threads: u32,
    values: &[u64],
) -> Result<(), CudaError> {
    if blocks == 0 {
        return Ok(());
    }
    if blocks > LARGEST_GRID {
        return Err(CudaError::GridTooLarge(blocks));
    }
    let mut pointers: Vec<*mut c_void> =
        values.iter().map(|value| std::ptr::from_ref(value).cast_mut().cast()).collect();
    // SAFETY: the kernel is of a loaded module whose interface
    // `CudaKernels::from_ptx`'s caller vouches for; the driver copies the
    // parameters before it returns and does not write to them; the memory
    // they point to is freed or reused in stream order, after the kernel.
    let launched = unsafe {
        result::launch_kernel(kernel, (blocks as u32, 1, 1), (threads, 1, 1), 0, stream.raw(), &mut pointers)
    };
    checked("launching a kernel", launched)
}
