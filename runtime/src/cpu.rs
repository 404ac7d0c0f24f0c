//! Running compiled kernels on the threads of this machine.

mod combine;
mod launch;

use std::sync::Arc;

use rayon::ThreadPool;

use crate::error::RuntimeError;
use crate::executor::{
    Call, Executor, Outcome, Residuals, check_gradients, check_pixels, forward_kernel, kernels_of,
    upstream_slot,
};
use crate::manifest::{Direction, Manifest};
use crate::native::NativeKernels;
use crate::tensor::{TensorView, TensorViewMut};
use launch::Workspace;

/// Runs a loss on the CPU.
///
/// Chunks are computed by the threads of a rayon pool: the one given to
/// [`CpuExecutor::with_pool`], else the current one (the global pool, unless
/// the call is inside another's `install`). The partials of chunks are combined
/// in a fixed order, so the number of threads never shows in a result. The
/// workspace grows to the largest call seen and is reused.
#[derive(Debug)]
pub struct CpuExecutor {
    kernels: NativeKernels,
    workspace: Workspace,
}

impl CpuExecutor {
    /// An executor on the current rayon pool.
    pub fn new(kernels: NativeKernels) -> Self {
        Self { kernels, workspace: Workspace::new(None) }
    }

    /// An executor on `pool`.
    pub fn with_pool(kernels: NativeKernels, pool: Arc<ThreadPool>) -> Self {
        Self { kernels, workspace: Workspace::new(Some(pool)) }
    }

    /// Each kernel's pass and its finish step.
    fn run(
        &mut self,
        kernels: &[usize],
        mut pixels: Vec<*mut u8>,
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let temporaries = &self.kernels.manifest().temporaries;
        pixels.extend(self.workspace.temporaries(temporaries, residuals.layout().chunks())?);
        for &kernel in kernels {
            self.workspace.reduce(&self.kernels, kernel, &pixels, residuals)?;
            self.workspace.finish(&self.kernels, kernel, residuals);
        }
        Ok(())
    }
}

impl Executor for CpuExecutor {
    fn manifest(&self) -> &Arc<Manifest> {
        self.kernels.manifest()
    }

    fn forward(&mut self, call: &Call<'_>) -> Result<Outcome, RuntimeError> {
        let manifest = Arc::clone(self.manifest());
        let mut residuals = Residuals::new(&manifest, call)?;
        let pointers = pixel_pointers(&manifest, call.pixels, &mut []);
        self.run(kernels_of(&manifest, Direction::Forward)?, pointers, &mut residuals)?;
        Ok(Outcome::new(residuals))
    }

    fn backward_into(
        &mut self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<(), RuntimeError> {
        let manifest = Arc::clone(self.manifest());
        residuals.check_loss(&manifest)?;
        check_pixels(&manifest, pixels)?;
        residuals.check_shape(pixels[0].shape())?;
        check_gradients(&manifest, gradients, pixels[0].shape())?;
        let mut residuals = residuals.clone();
        if let Some(slot) = upstream_slot(&manifest, upstream)? {
            residuals.set_scalar(slot, upstream);
        }
        let pointers = pixel_pointers(&manifest, pixels, gradients);
        self.run(kernels_of(&manifest, Direction::Backward)?, pointers, &mut residuals)
    }

    fn forward_backward_into(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<Outcome, RuntimeError> {
        let manifest = Arc::clone(self.manifest());
        let mut residuals = Residuals::new(&manifest, call)?;
        check_gradients(&manifest, gradients, call.pixels[0].shape())?;
        let pointers = pixel_pointers(&manifest, call.pixels, gradients);
        self.run(kernels_of(&manifest, Direction::ForwardBackward)?, pointers, &mut residuals)?;
        Ok(Outcome::new(residuals))
    }

    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let manifest = self.manifest();
        let kernel = forward_kernel(manifest, pass)?;
        residuals.check_loss(manifest)?;
        check_pixels(manifest, pixels)?;
        residuals.check_shape(pixels[0].shape())?;
        let pointers = pixel_pointers(manifest, pixels, &mut []);
        self.workspace.reduce(&self.kernels, kernel, &pointers, residuals)
    }

    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        let kernel = forward_kernel(self.manifest(), pass)?;
        residuals.check_loss(self.manifest())?;
        self.workspace.finish(&self.kernels, kernel, residuals);
        Ok(())
    }
}

/// Inputs, then outputs; null where a call has no outputs, which passes that
/// write none never read.
fn pixel_pointers(
    manifest: &Manifest,
    pixels: &[TensorView<'_>],
    gradients: &mut [TensorViewMut<'_>],
) -> Vec<*mut u8> {
    let count = manifest.pixel_inputs.len() + manifest.pixel_outputs.len();
    let inputs = pixels.iter().map(|view| view.bytes().as_ptr().cast_mut());
    let outputs = gradients.iter_mut().map(|view| view.bytes_mut().as_mut_ptr());
    let mut pointers: Vec<_> = inputs.chain(outputs).collect();
    pointers.resize(count, std::ptr::null_mut());
    pointers
}

#[cfg(test)]
pub(crate) mod tests;
