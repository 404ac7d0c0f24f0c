//! Distribution of the chunks of a pass over threads.

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
use crate::native::{KernelArguments, KernelFunction, NativeKernels};

/// The pixels below which a call runs on the calling thread: waking others takes longer than
/// the work.
const SERIAL_PIXELS: usize = 16 * 1024;

/// The least number of pixels that a thread takes at a time.
const TASK_PIXELS: usize = 8 * CHUNK;

/// Alignment of buffers.
const CACHE_LINE: usize = 64;

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct CacheLine(#[expect(dead_code, reason = "kernels write it")] [u8; CACHE_LINE]);

/// The memory and threads of an executor.
#[derive(Debug)]
pub(super) struct Workspace {
    /// The pixel arguments of the call's kernels: tensors, then buffers. Atomic
    /// pointers are plain ones in memory, and may go from thread to thread between calls.
    pixels: Vec<AtomicPtr<u8>>,
    partials: Vec<u32>,
    buffers: Vec<Vec<CacheLine>>,
    pool: Option<Arc<ThreadPool>>,
}

impl Workspace {
    pub(super) fn new(pool: Option<Arc<ThreadPool>>) -> Self {
        Self { pixels: Vec::new(), partials: Vec::new(), buffers: Vec::new(), pool }
    }

    /// Runs the pass and the epilogue of each of the kernels in `order`, on `tensors`: see
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
            self.epilogue(kernels, kernel, residuals);
        }
        Ok(())
    }

    /// Sets the pixel arguments of a call.
    ///
    /// `tensors` are as many valid pointers as the manifest has pixel arguments, each to a
    /// tensor of the type that the manifest says and of the layout's shape, the outputs not
    /// aliased. Outputs are null only if no kernel that is run writes any. The executor checks
    /// all that before it makes them.
    pub(super) fn prepare(
        &mut self,
        manifest: &Manifest,
        tensors: impl Iterator<Item = *mut u8>,
        layout: &Layout,
    ) -> Result<(), RuntimeError> {
        self.reserve_buffers(&manifest.buffers, layout.chunks())?;
        let buffers = self.buffers.iter_mut().map(|it| it.as_mut_ptr().cast());
        self.pixels.clear();
        self.pixels.extend(tensors.chain(buffers).map(AtomicPtr::new));
        Ok(())
    }

    /// Reserves memory for the buffers of `chunks` chunks; `chunk_bytes` are the bytes per
    /// chunk of each.
    fn reserve_buffers(&mut self, chunk_bytes: &[usize], chunks: usize) -> Result<(), RuntimeError> {
        self.buffers.resize_with(chunk_bytes.len(), Vec::new);
        let too_large = || RuntimeError::Workspace(chunks);
        for (buffer, bytes) in self.buffers.iter_mut().zip(chunk_bytes) {
            let bytes = bytes.checked_mul(chunks).ok_or_else(too_large)?;
            let missing = bytes.div_ceil(CACHE_LINE).saturating_sub(buffer.len());
            buffer.try_reserve(missing).map_err(|_| too_large())?;
            buffer.resize(buffer.len() + missing, CacheLine([0; CACHE_LINE]));
        }
        Ok(())
    }

    /// Runs the chunks of a kernel on the pixels of [`Workspace::prepare`] and combines
    /// its partials into group totals.
    pub(super) fn reduce(
        &mut self,
        kernels: &NativeKernels,
        kernel: usize,
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let reductions = &kernels.manifest().kernels[kernel].reductions;
        let chunks = residuals.layout().chunks();
        self.reserve(reductions.len(), chunks)?;
        let arguments = self.arguments(residuals);
        self.run_chunks(kernels.functions(kernel).run, arguments, residuals.layout());
        let layout = Arc::clone(residuals.shared_layout());
        let groups = layout.groups();
        let (group_totals, _, _) = residuals.buffers_mut();
        for (index, reduction) in reductions.iter().enumerate() {
            let place = if is_seeded(Fault::PartialsAreMixedUp) { 0 } else { index };
            let partials = &self.partials[place * chunks..][..chunks];
            let group_totals = &mut group_totals[reduction.group_total * groups..][..groups];
            combine(reduction.kind, &layout, partials, group_totals);
        }
        Ok(())
    }

    /// Runs the epilogue of a kernel.
    pub(super) fn epilogue(&mut self, kernels: &NativeKernels, kernel: usize, residuals: &mut Residuals) {
        let arguments = self.arguments(residuals);
        // SAFETY: `NativeKernels` vouches for the function; the arrays of `arguments` have the
        // sizes that its manifest says and live through the call. An epilogue reads no pixels
        // and no partials.
        unsafe { (kernels.functions(kernel).epilogue)(&raw const arguments) };
    }

    fn reserve(&mut self, reductions: usize, chunks: usize) -> Result<(), RuntimeError> {
        let length = reductions.checked_mul(chunks);
        let length = length.ok_or(RuntimeError::Workspace(chunks))?;
        let missing = length.saturating_sub(self.partials.len());
        self.partials.try_reserve(missing).map_err(|_| RuntimeError::Workspace(chunks))?;
        self.partials.resize(self.partials.len() + missing, 0);
        Ok(())
    }

    fn arguments(&mut self, residuals: &mut Residuals) -> KernelArguments {
        let random = residuals.random();
        let layout = Arc::clone(residuals.shared_layout());
        let (group_totals, scalars, results) = residuals.buffers_mut();
        KernelArguments {
            plane_length: layout.plane_length() as i64,
            planes: layout.planes() as i64,
            groups: layout.groups() as i64,
            chunks_per_plane: layout.chunks_per_plane() as i64,
            seed: random.seed,
            stream: random.stream,
            pixels: self.pixels.as_ptr().cast(),
            plane_group: layout.plane_group().as_ptr(),
            scalars: scalars.as_mut_ptr(),
            group_totals: group_totals.as_mut_ptr(),
            partials: self.partials.as_mut_ptr(),
            results: results.as_mut_ptr(),
        }
    }

    fn run_chunks(&self, run: KernelFunction, arguments: KernelArguments, layout: &Layout) {
        let (chunks, chunks_per_plane) = (layout.chunks(), layout.chunks_per_plane());
        let arguments = SharedArguments(arguments);
        let run_chunk = |index: usize| {
            let (plane, chunk) = (index / chunks_per_plane, index % chunks_per_plane);
            // SAFETY: `NativeKernels` vouches for the function; the arrays of `arguments` have
            // the sizes that its manifest and the layout say and live through the call; plane
            // and chunk are in range.
            unsafe { run(arguments.pointer(), plane as i64, chunk as i64) };
        };
        if layout.pixels() < SERIAL_PIXELS {
            let _fence = WriteFence;
            return (0..chunks).for_each(run_chunk);
        }
        let least = TASK_PIXELS / layout.plane_length().min(CHUNK);
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

/// Guard whose drop makes visible what its thread wrote past the caches, to every thread that
/// learns of the drop: such writes keep no order with others.
struct WriteFence;

impl Drop for WriteFence {
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
    }
}

/// Kernel arguments that threads share.
struct SharedArguments(KernelArguments);

// SAFETY: kernels of distinct chunks write distinct memory, as `KernelFunction` demands, and
// nobody writes what they read meanwhile.
unsafe impl Sync for SharedArguments {}

impl SharedArguments {
    fn pointer(&self) -> *const KernelArguments {
        &raw const self.0
    }
}
