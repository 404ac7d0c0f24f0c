//! Running compiled kernels on the threads of this machine.

mod combine;
mod launch;

use std::sync::Arc;

use rayon::ThreadPool;

use crate::error::RuntimeError;
use crate::executor::{
    Call, Executor, Outcome, Residuals, check_forward_pass, check_gradients, check_pixels, upstream_slot,
};
use crate::manifest::Manifest;
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

    /// Pass `pass` and its finish step.
    fn run_pass(
        &mut self,
        pass: usize,
        pixels: &[*mut u8],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        self.workspace.reduce(&self.kernels, pass, pixels, residuals)?;
        self.workspace.finish(&self.kernels, pass, residuals);
        Ok(())
    }
}

impl Executor for CpuExecutor {
    fn manifest(&self) -> &Arc<Manifest> {
        self.kernels.manifest()
    }

    fn forward(&mut self, call: &Call<'_>) -> Result<Outcome, RuntimeError> {
        let mut residuals = Residuals::new(self.manifest(), call)?;
        let pointers = pixel_pointers(self.manifest(), call.pixels, &mut []);
        for pass in 0..self.manifest().forward_passes {
            self.run_pass(pass, &pointers, &mut residuals)?;
        }
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
        for pass in manifest.forward_passes..manifest.passes.len() {
            self.run_pass(pass, &pointers, &mut residuals)?;
        }
        Ok(())
    }

    fn forward_backward_into(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<Outcome, RuntimeError> {
        let mut residuals = Residuals::new(self.manifest(), call)?;
        check_gradients(self.manifest(), gradients, call.pixels[0].shape())?;
        let pointers = pixel_pointers(self.manifest(), call.pixels, gradients);
        for pass in 0..self.manifest().passes.len() {
            self.run_pass(pass, &pointers, &mut residuals)?;
        }
        Ok(Outcome::new(residuals))
    }

    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        let manifest = self.manifest();
        check_forward_pass(manifest, pass)?;
        residuals.check_loss(manifest)?;
        check_pixels(manifest, pixels)?;
        residuals.check_shape(pixels[0].shape())?;
        let pointers = pixel_pointers(manifest, pixels, &mut []);
        self.workspace.reduce(&self.kernels, pass, &pointers, residuals)
    }

    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        check_forward_pass(self.manifest(), pass)?;
        residuals.check_loss(self.manifest())?;
        self.workspace.finish(&self.kernels, pass, residuals);
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
