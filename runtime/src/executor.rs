//! What CPU and CUDA executors have in common.

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

/// Where a call's random draws come from; see [`crate::philox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Random {
    /// The key.
    pub seed: u64,
    /// Tells calls under one seed apart: a step or rank number.
    pub stream: u64,
}

/// The arguments of a forward call on host tensors.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The pixel inputs in the manifest's order, all of one shape.
    pub pixels: &'a [TensorView<'a>],
    /// Which pixels share a group.
    pub balance: Balance,
    /// Where random draws come from.
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

/// Runs one compiled loss on host tensors.
///
/// Every method gives the same bits for the same arguments, whatever the
/// executor's threads or device. A tensor without pixels is no error: its sums
/// are zero, and the loss is what the epilogue makes of that.
pub trait Executor: Send {
    /// The manifest of the loss.
    fn manifest(&self) -> &Arc<Manifest>;

    /// The loss, and what the backward direction needs of it, written over `residuals`
    /// of whatever call. Where that had this one's layout, the processor's executor
    /// allocates nothing. [`Residuals::loss`] then gives the loss.
    ///
    /// # Errors
    /// If an argument does not fit the manifest, or the device fails; `residuals` are
    /// then of no use.
    fn forward_reusing(&mut self, call: &Call<'_>, residuals: &mut Residuals) -> Result<(), RuntimeError>;

    /// The gradient of a forward call, written over `gradients`.
    ///
    /// `pixels` must hold what they held in the forward call; draws are
    /// recomputed from the seed that `residuals` carry. `upstream` scales the
    /// gradient.
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

    /// As [`Executor::forward_reusing`], and the gradient written over `gradients`. The
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

    /// The sums of forward pass `pass` over `pixels`, written into their group totals
    /// of `residuals`, which start as [`Residuals::new`]. Sums of several
    /// workers are then added with [`Residuals::merge`], and
    /// [`Executor::finish_pass`] goes on from the totals.
    ///
    /// # Errors
    /// As for [`Executor::forward`], and if there is no such forward pass.
    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError>;

    /// What follows from the totals of forward pass `pass`: scalars that later
    /// passes read, and results.
    ///
    /// # Errors
    /// If there is no such forward pass, or the device fails.
    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError>;

    /// The loss, and what the backward direction needs of it.
    ///
    /// # Errors
    /// As for [`Executor::forward_reusing`].
    fn forward(&mut self, call: &Call<'_>) -> Result<Outcome, RuntimeError> {
        let mut residuals = Residuals::default();
        self.forward_reusing(call, &mut residuals)?;
        Ok(Outcome::new(residuals))
    }

    /// The loss and, written over `gradients`, its gradient.
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

    /// A gradient tensor for each output, as
    /// [`Executor::backward_into`] does it.
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

    /// The loss and a gradient tensor for each output, as
    /// [`Executor::forward_backward_into`] does it.
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

    /// The sums of a loss that takes one forward pass, before anything is
    /// computed from them.
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

    /// The loss from the sums of [`Executor::forward_partials`], perhaps with
    /// those of other workers merged in.
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
