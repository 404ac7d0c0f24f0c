//! The common interface of CPU and CUDA executors.

mod check;
mod outcome;
mod residuals;

pub(crate) use check::{
    Described, check_gradients, check_pixels, kernels_of, layout_of, upstream_slot, validated,
};
pub use outcome::{GroupResult, GroupValues, Outcome};
pub use residuals::Residuals;
pub(crate) use residuals::forward_kernel;

use std::sync::Arc;

use crate::error::RuntimeError;
use crate::layout::Balance;
use crate::manifest::Manifest;
use crate::tensor::{Tensor, TensorView, TensorViewMut};

/// Source of a call's random draws; see [`crate::philox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Random {
    /// The key.
    pub seed: u64,
    /// Distinguishes calls under one seed: a step or rank number.
    pub stream: u64,
}

/// The arguments of a forward call on host tensors.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The pixel inputs in the manifest's order, all of one shape.
    pub pixels: &'a [TensorView<'a>],
    /// The choice of pixels that share a group.
    pub balance: Balance,
    /// The source of random draws.
    pub random: Random,
    /// Scalar arguments by name; those left out take their defaults.
    pub scalars: &'a [(&'a str, f32)],
}

impl<'a> Call<'a> {
    /// A call with balance `image`, seed 0 and every scalar at its default.
    pub fn new(pixels: &'a [TensorView<'a>]) -> Self {
        Self { pixels, balance: Balance::default(), random: Random::default(), scalars: &[] }
    }
}

/// Executor of one compiled loss on host tensors.
///
/// Every method returns the same bits for the same arguments, whatever the executor's threads
/// or device. A tensor without pixels is not an error: its sums are zero, and the epilogue
/// computes the loss from these.
pub trait Executor: Send {
    /// The manifest of the loss.
    fn manifest(&self) -> &Arc<Manifest>;

    /// Computes the loss and the residuals that the backward direction needs, written over
    /// `residuals` of any call. If that call had this one's layout, the CPU's executor
    /// allocates nothing. [`Residuals::loss`] then returns the loss.
    ///
    /// # Errors
    /// If an argument does not fit the manifest, or the device fails; `residuals` are then of
    /// no use.
    fn forward_reusing(&mut self, call: &Call<'_>, residuals: &mut Residuals) -> Result<(), RuntimeError>;

    /// Computes the gradient of a forward call, written over `gradients`.
    ///
    /// `pixels` must hold what they held in the forward call; draws are recomputed from the
    /// seed in `residuals`. `upstream` scales the gradient.
    ///
    /// # Errors
    /// As for [`Executor::forward_reusing`], and if the loss has no gradient.
    fn backward_into(
        &mut self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<(), RuntimeError>;

    /// Like [`Executor::forward_reusing`], with the gradient also written over `gradients`. The
    /// upstream gradient is the call's scalar `upstream`.
    ///
    /// # Errors
    /// As for [`Executor::backward_into`].
    fn forward_backward_reusing(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError>;

    /// Computes the sums of forward pass `pass` over `pixels`, written into their group totals
    /// of `residuals`, which start as [`Residuals::new`]. Sums of several workers are then
    /// added with [`Residuals::merge`], and [`Executor::finish_pass`] continues from the
    /// totals.
    ///
    /// # Errors
    /// As for [`Executor::forward`], and if there is no such forward pass.
    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError>;

    /// Computes what follows from the totals of forward pass `pass`: scalars that later passes
    /// read, and results.
    ///
    /// # Errors
    /// If there is no such forward pass, or the device fails.
    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError>;

    /// Computes the loss and the residuals that the backward direction needs.
    ///
    /// # Errors
    /// As for [`Executor::forward_reusing`].
    fn forward(&mut self, call: &Call<'_>) -> Result<Outcome, RuntimeError> {
        let mut residuals = Residuals::default();
        self.forward_reusing(call, &mut residuals)?;
        Ok(Outcome::new(residuals))
    }

    /// Computes the loss and, written over `gradients`, its gradient.
    ///
    /// # Errors
    /// As for [`Executor::backward_into`].
    fn forward_backward_into(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
    ) -> Result<Outcome, RuntimeError> {
        let mut residuals = Residuals::default();
        self.forward_backward_reusing(call, gradients, &mut residuals)?;
        Ok(Outcome::new(residuals))
    }

    /// Computes a gradient tensor for each output, like [`Executor::backward_into`].
    ///
    /// # Errors
    /// As for [`Executor::backward_into`].
    fn backward(
        &mut self,
        pixels: &[TensorView<'_>],
        residuals: &Residuals,
        upstream: f32,
    ) -> Result<Vec<Tensor>, RuntimeError> {
        let mut gradients = allocate_gradients(self.manifest(), residuals.layout().shape())?;
        let mut views: Vec<_> = gradients.iter_mut().map(Tensor::view_mut).collect();
        self.backward_into(pixels, residuals, upstream, &mut views)?;
        Ok(gradients)
    }

    /// Computes the loss and a gradient tensor for each output, like
    /// [`Executor::forward_backward_into`].
    ///
    /// # Errors
    /// As for [`Executor::backward_into`].
    fn forward_backward(&mut self, call: &Call<'_>) -> Result<(Outcome, Vec<Tensor>), RuntimeError> {
        check_pixels(self.manifest(), call.pixels)?;
        let mut gradients = allocate_gradients(self.manifest(), call.pixels[0].shape())?;
        let mut views: Vec<_> = gradients.iter_mut().map(Tensor::view_mut).collect();
        let outcome = self.forward_backward_into(call, &mut views)?;
        Ok((outcome, gradients))
    }

    /// Computes the sums of a loss that takes one forward pass, before anything is computed
    /// from them.
    ///
    /// # Errors
    /// As for [`Executor::forward`], and if the loss takes several passes.
    fn forward_partials(&mut self, call: &Call<'_>) -> Result<Residuals, RuntimeError> {
        let manifest = self.manifest();
        let passes = manifest.forward.len();
        if passes != 1 {
            return Err(RuntimeError::SeveralPasses { loss: manifest.name.clone(), passes });
        }
        let mut residuals = Residuals::new(manifest, call)?;
        self.partials_of_pass(0, call.pixels, &mut residuals)?;
        Ok(residuals)
    }

    /// Computes the loss from the sums of [`Executor::forward_partials`], perhaps with those of
    /// other workers merged in.
    ///
    /// # Errors
    /// If the sums are of another loss, or the device fails.
    fn finish(&mut self, mut residuals: Residuals) -> Result<Outcome, RuntimeError> {
        for pass in 0..self.manifest().forward.len() {
            self.finish_pass(pass, &mut residuals)?;
        }
        Ok(Outcome::new(residuals))
    }
}

fn allocate_gradients(manifest: &Manifest, shape: &[usize]) -> Result<Vec<Tensor>, RuntimeError> {
    let outputs = manifest.pixel_outputs.iter();
    Ok(outputs.map(|output| Tensor::zeros(output.element, shape)).collect::<Result<_, _>>()?)
}
