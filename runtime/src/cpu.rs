//! Execution of compiled kernels on the threads of this machine.

mod combine;
mod launch;

use std::sync::Arc;
use std::{iter, ptr};

use lossc_faults::{Fault, is_seeded};
use rayon::ThreadPool;

use crate::error::RuntimeError;
use crate::executor::{
    Call, Executor, Residuals, check_gradients, check_pixels, forward_kernel, kernels_of, upstream_slot,
};
use crate::manifest::{Direction, Manifest};
use crate::native::NativeKernels;
use crate::tensor::{TensorView, TensorViewMut};
use launch::Workspace;

/// Executor of a loss on the CPU.
///
/// Chunks are computed by the threads of a rayon pool: the one given to
/// [`CpuExecutor::with_pool`], else the current one (the global pool, unless the call is inside
/// another's `install`). The partials of chunks are combined in a fixed order, so the number of
/// threads never shows in a result. The workspace grows to the largest call seen and is reused.
/// After that, calls that write over a caller's gradients and residuals allocate nothing. (If
/// they come from a thread outside the pool, rayon's queue does now and then.)
#[derive(Debug)]
pub struct CpuExecutor {
    kernels: NativeKernels,
    workspace: Workspace,
    /// The residuals that backward calls write over in place of the caller's.
    scratch: Residuals,
}

impl CpuExecutor {
    /// An executor on the current rayon pool.
    pub fn new(kernels: NativeKernels) -> Self {
        Self { kernels, workspace: Workspace::new(None), scratch: Residuals::default() }
    }

    /// An executor on `pool`.
    pub fn with_pool(kernels: NativeKernels, pool: Arc<ThreadPool>) -> Self {
        Self { kernels, workspace: Workspace::new(Some(pool)), scratch: Residuals::default() }
    }
}

impl Executor for CpuExecutor {
    fn manifest(&self) -> &Arc<Manifest> {
        self.kernels.manifest()
    }

    fn forward_reusing(&mut self, call: &Call<'_>, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        let manifest = self.kernels.manifest();
        residuals.reset(manifest, call)?;
        let order = kernels_of(manifest, Direction::Forward)?;
        let tensors = pixel_pointers(manifest, call.pixels, &mut []);
        self.workspace.run(&self.kernels, order, tensors, residuals)
    }

    fn backward_into(
        &mut self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<(), RuntimeError> {
        let manifest = self.kernels.manifest();
        residuals.check_loss(manifest)?;
        check_pixels(manifest, pixels)?;
        residuals.check_shape(pixels[0].shape())?;
        check_gradients(manifest, gradients, pixels[0].shape())?;
        self.scratch.clone_from(residuals);
        if let Some(slot) = upstream_slot(manifest, upstream)? {
            let is_forgotten = is_seeded(Fault::UpstreamIsForgotten);
            self.scratch.set_scalar(slot, if is_forgotten { 1.0 } else { upstream });
        }
        let order = kernels_of(manifest, Direction::Backward)?;
        let tensors = pixel_pointers(manifest, pixels, gradients);
        self.workspace.run(&self.kernels, order, tensors, &mut self.scratch)
    }

    fn forward_backward_reusing(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let manifest = self.kernels.manifest();
        residuals.reset(manifest, call)?;
        check_gradients(manifest, gradients, call.pixels[0].shape())?;
        let order = kernels_of(manifest, Direction::ForwardBackward)?;
        let tensors = pixel_pointers(manifest, call.pixels, gradients);
        self.workspace.run(&self.kernels, order, tensors, residuals)
    }

    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let manifest = self.kernels.manifest();
        let kernel = forward_kernel(manifest, pass)?;
        residuals.check_loss(manifest)?;
        check_pixels(manifest, pixels)?;
        residuals.check_shape(pixels[0].shape())?;
        let tensors = pixel_pointers(manifest, pixels, &mut []);
        self.workspace.prepare(manifest, tensors, residuals.layout())?;
        self.workspace.reduce(&self.kernels, kernel, residuals)
    }

    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        let kernel = forward_kernel(self.manifest(), pass)?;
        residuals.check_loss(self.manifest())?;
        self.workspace.epilogue(&self.kernels, kernel, residuals);
        Ok(())
    }
}

/// The pointers of the inputs, then of the outputs. The latter are null where a call has no
/// outputs; passes that write none never read them.
fn pixel_pointers(
    manifest: &Manifest,
    pixels: &[TensorView<'_>],
    gradients: &mut [TensorViewMut<'_>],
) -> impl Iterator<Item = *mut u8> {
    let count = manifest.pixel_inputs.len() + manifest.pixel_outputs.len();
    let inputs = pixels.iter().map(|view| view.bytes().as_ptr().cast_mut());
    let outputs = gradients.iter_mut().map(|view| view.bytes_mut().as_mut_ptr());
    inputs.chain(outputs).chain(iter::repeat(ptr::null_mut())).take(count)
}

#[cfg(test)]
pub(crate) mod tests;
