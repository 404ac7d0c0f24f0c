//! Spreading the chunks of a pass over threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering, fence};

use lossc_faults::{Fault, is_seeded};
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::combine::combine;
use crate::error::RuntimeError;
use crate::executor::Residuals;
use crate::layout::{CHUNK, Layout};
use crate::manifest::Manifest;
use crate::native::{Frame, KernelFunction, NativeKernels};

/// A call with fewer pixels runs on the calling thread, since waking others
/// takes longer than the work.
const SERIAL_PIXELS: usize = 16 * 1024;

/// The pixels a thread takes at a time, at least.
const TASK_PIXELS: usize = 8 * CHUNK;

/// What temporaries are aligned to.
const CACHE_LINE: usize = 64;

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct CacheLine(#[expect(dead_code, reason = "kernels write it")] [u8; CACHE_LINE]);

/// The memory and threads of an executor.
#[derive(Debug)]
pub(super) struct Workspace {
    /// The pixel arguments of the call's kernels: tensors, then temporaries. Atomic
    /// pointers are plain ones in memory, and may go from thread to thread between calls.
    pixels: Vec<AtomicPtr<u8>>,
    partials: Vec<u32>,
    temporaries: Vec<Vec<CacheLine>>,
    pool: Option<Arc<ThreadPool>>,
}

impl Workspace {
    pub(super) fn new(pool: Option<Arc<ThreadPool>>) -> Self {
        Self { pixels: Vec::new(), partials: Vec::new(), temporaries: Vec::new(), pool }
    }

    /// The pass and the finish step of each of the kernels in `order`, on `tensors`: see
    /// [`Workspace::prepare`].
    pub(super) fn run(
        &mut self,
        kernels: &NativeKernels,
        order: &[usize],
        tensors: impl Iterator<Item = *mut u8>,
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        self.prepare(kernels.manifest(), tensors, residuals.layout())?;
        for &kernel in order {
            self.reduce(kernels, kernel, residuals)?;
            self.finish(kernels, kernel, residuals);
        }
        Ok(())
    }

    /// Sets the pixel arguments of a call.
    ///
    /// `tensors` are as many valid pointers as the manifest has pixel arguments,
    /// each to a tensor of the type it says and of the layout's shape, the
    /// outputs not aliased; null outputs only if no kernel that is run writes any. The
    /// executor checks all that before it makes them.
    pub(super) fn prepare(
        &mut self,
        manifest: &Manifest,
        tensors: impl Iterator<Item = *mut u8>,
        layout: &Layout,
    ) -> Result<(), RuntimeError> {
        self.reserve_temporaries(&manifest.temporaries, layout.chunks())?;
        let temporaries = self.temporaries.iter_mut().map(|it| it.as_mut_ptr().cast());
        self.pixels.clear();
        self.pixels.extend(tensors.chain(temporaries).map(AtomicPtr::new));
        Ok(())
    }

    /// Memory for the temporaries of so many chunks, where `chunk_bytes` says what
    /// a chunk takes of each.
    fn reserve_temporaries(&mut self, chunk_bytes: &[usize], chunks: usize) -> Result<(), RuntimeError> {
        self.temporaries.resize_with(chunk_bytes.len(), Vec::new);
        let too_large = || RuntimeError::Workspace(chunks);
        for (temporary, bytes) in self.temporaries.iter_mut().zip(chunk_bytes) {
            let bytes = bytes.checked_mul(chunks).ok_or_else(too_large)?;
            let missing = bytes.div_ceil(CACHE_LINE).saturating_sub(temporary.len());
            temporary.try_reserve(missing).map_err(|_| too_large())?;
            temporary.resize(temporary.len() + missing, CacheLine([0; CACHE_LINE]));
        }
        Ok(())
    }

    /// Runs the chunks of a kernel on the pixels of [`Workspace::prepare`] and combines
    /// its partials into cells.
    pub(super) fn reduce(
        &mut self,
        kernels: &NativeKernels,
        kernel: usize,
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let reductions = &kernels.manifest().kernels[kernel].reductions;
        let chunks = residuals.layout().chunks();
        self.reserve(reductions.len(), chunks)?;
        let frame = self.frame(residuals);
        self.run_chunks(kernels.functions(kernel).run, frame, residuals.layout());
        let layout = Arc::clone(residuals.shared_layout());
        let groups = layout.groups();
        let (cells, _, _) = residuals.buffers_mut();
        for (index, reduction) in reductions.iter().enumerate() {
            let place = if is_seeded(Fault::PartialsAreMixedUp) { 0 } else { index };
            let partials = &self.partials[place * chunks..][..chunks];
            let cells = &mut cells[reduction.cell * groups..][..groups];
            combine(reduction.kind, &layout, partials, cells);
        }
        Ok(())
    }

    /// Runs the finish step of a kernel.
    pub(super) fn finish(&mut self, kernels: &NativeKernels, kernel: usize, residuals: &mut Residuals) {
        let frame = self.frame(residuals);
        // SAFETY: `NativeKernels` vouches for the function; the frame's arrays
        // have the sizes its manifest gives and live through the call. A finish
        // step reads no pixels and no partials.
        unsafe { (kernels.functions(kernel).finish)(&raw const frame) };
    }

    fn reserve(&mut self, reductions: usize, chunks: usize) -> Result<(), RuntimeError> {
        let length = reductions.checked_mul(chunks);
        let length = length.ok_or(RuntimeError::Workspace(chunks))?;
        let missing = length.saturating_sub(self.partials.len());
        self.partials.try_reserve(missing).map_err(|_| RuntimeError::Workspace(chunks))?;
        self.partials.resize(self.partials.len() + missing, 0);
        Ok(())
    }

    fn frame(&mut self, residuals: &mut Residuals) -> Frame {
        let random = residuals.random();
        let layout = Arc::clone(residuals.shared_layout());
        let (cells, scalars, results) = residuals.buffers_mut();
        Frame {
            row_length: layout.row_length() as i64,
            rows: layout.rows() as i64,
            groups: layout.groups() as i64,
            chunks_per_row: layout.chunks_per_row() as i64,
            seed: random.seed,
            stream: random.stream,
            pixels: self.pixels.as_ptr().cast(),
            row_group: layout.row_group().as_ptr(),
            scalars: scalars.as_mut_ptr(),
            cells: cells.as_mut_ptr(),
            partials: self.partials.as_mut_ptr(),
            results: results.as_mut_ptr(),
        }
    }

    fn run_chunks(&self, run: KernelFunction, frame: Frame, layout: &Layout) {
        let (chunks, chunks_per_row) = (layout.chunks(), layout.chunks_per_row());
        let frame = SharedFrame(frame);
        let run_chunk = |index: usize| {
            let (row, chunk) = (index / chunks_per_row, index % chunks_per_row);
            // SAFETY: `NativeKernels` vouches for the function; the frame's
            // arrays have the sizes its manifest and the layout give and live
            // through the call; row and chunk are in range.
            unsafe { run(frame.pointer(), row as i64, chunk as i64) };
        };
        if layout.pixels() < SERIAL_PIXELS {
            let _fence = WriteFence;
            return (0..chunks).for_each(run_chunk);
        }
        let least = TASK_PIXELS / layout.row_length().min(CHUNK);
        let run_all = || {
            let chunks = (0..chunks).into_par_iter().with_min_len(least);
            chunks.for_each_init(|| WriteFence, |_, chunk| run_chunk(chunk));
        };
        match &self.pool {
            Some(pool) => pool.install(run_all),
            None => run_all(),
        }
    }
}

/// Once dropped, what its thread wrote past the caches is there for every thread that
/// learns of it: such writes keep no order with others.
struct WriteFence;

impl Drop for WriteFence {
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
    }
}

/// A frame that threads share.
struct SharedFrame(Frame);

// SAFETY: kernels of distinct chunks write distinct memory, as `KernelFunction`
// demands, and what they read nobody writes meanwhile.
unsafe impl Sync for SharedFrame {}

impl SharedFrame {
    fn pointer(&self) -> *const Frame {
        &raw const self.0
    }
}
