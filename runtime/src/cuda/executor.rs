//! Execution of a loss on device tensors.

use std::sync::Arc;

use super::arguments::Arguments;
use super::call::{DeviceCall, Upstream, store_upstream};
use super::capacity::Capacity;
use super::device::Stream;
use super::error::CudaError;
use super::kernels::CudaKernels;
use super::memory::DeviceBuffer;
use super::plan::{self, Arrays, LaunchOverrides};
use super::pointers::pixel_pointers;
use super::residuals::{DeviceResiduals, bytes};
use super::tensor::DeviceTensor;
use crate::error::RuntimeError;
use crate::executor::{Residuals, check_gradients, check_pixels, forward_kernel, kernels_of, layout_of};
use crate::layout::Layout;
use crate::manifest::{Direction, Manifest};

/// Executor of a loss on an NVIDIA GPU.
///
/// As a [`crate::Executor`] it takes host tensors and copies them both ways on
/// a stream of its own. The methods here take device tensors and a stream; they
/// queue work and return without waiting for it.
///
/// All calls share one workspace. They may come on different streams: each then waits, on the
/// device, for the one before.
#[derive(Debug)]
pub struct CudaExecutor {
    pub(super) kernels: CudaKernels,
    pub(super) own_stream: Stream,
    pub(super) capacity: Capacity,
    overrides: LaunchOverrides,
    workspace: DeviceBuffer,
    planes: DeviceBuffer,
    /// The layout of `planes`, and its source, which a transfer may still read.
    layout: Option<(Layout, Vec<i64>)>,
}

impl CudaExecutor {
    /// An executor on the kernels' device.
    ///
    /// # Errors
    /// The driver's error.
    pub fn new(kernels: CudaKernels) -> Result<Self, RuntimeError> {
        kernels.device().bind()?;
        let own_stream = kernels.device().new_stream()?;
        let capacity = Capacity::new(&kernels)?;
        Ok(Self {
            capacity,
            overrides: LaunchOverrides::default(),
            workspace: DeviceBuffer::new(&own_stream, 0)?,
            planes: DeviceBuffer::new(&own_stream, 0)?,
            layout: None,
            kernels,
            own_stream,
        })
    }

    /// The kernels it runs.
    pub fn kernels(&self) -> &CudaKernels {
        &self.kernels
    }

    /// Sets overrides for the plans of later calls, for comparison. The results are the same.
    pub fn set_overrides(&mut self, overrides: LaunchOverrides) {
        self.overrides = overrides;
    }

    /// Queues the forward direction. [`DeviceResiduals::loss_pointer`] is the address of the
    /// loss, and [`DeviceResiduals::read`] waits for it.
    ///
    /// A graph can capture this and the other directions once a call of the same
    /// direction, shape and balance has been made outside of the capture: that call
    /// allocates workspace and loads what launches need, which a capture must not.
    ///
    /// # Errors
    /// If an argument does not fit the manifest, or the driver refuses.
    pub fn forward_on_device(
        &mut self,
        call: &DeviceCall<'_>,
        stream: &Stream,
    ) -> Result<DeviceResiduals, RuntimeError> {
        let mut residuals = self.begin_on_device(call, stream)?;
        self.run(stream, call.pixels, &[], &mut residuals, Direction::Forward)?;
        Ok(residuals)
    }

    /// Like [`CudaExecutor::forward_on_device`], written over an earlier call's residuals. If
    /// that call had the same shape, balance and scalars, only the kernels are queued and no
    /// memory is allocated: a graph that captures it has the kernels as its only nodes. Such a
    /// graph reads the scalars that the residuals hold when it is replayed, so the residuals
    /// should be its own.
    ///
    /// # Errors
    /// As for [`CudaExecutor::forward_on_device`]; the residuals are then of no use.
    pub fn forward_reusing_on_device(
        &mut self,
        call: &DeviceCall<'_>,
        residuals: &mut DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        self.reset(call, residuals, stream)?;
        self.run(stream, call.pixels, &[], residuals, Direction::Forward)
    }

    /// Queues both directions; `upstream` is the call's scalar of that name.
    ///
    /// # Errors
    /// As for [`CudaExecutor::forward_on_device`], and if a gradient overlaps
    /// another tensor.
    pub fn forward_backward_on_device(
        &mut self,
        call: &DeviceCall<'_>,
        gradients: &[DeviceTensor],
        stream: &Stream,
    ) -> Result<DeviceResiduals, RuntimeError> {
        let mut residuals = self.begin_on_device(call, stream)?;
        check_gradients(self.kernels.manifest(), gradients, call.pixels[0].shape())?;
        self.run(stream, call.pixels, gradients, &mut residuals, Direction::ForwardBackward)?;
        Ok(residuals)
    }

    /// Like [`CudaExecutor::forward_backward_on_device`], written over an earlier call's
    /// residuals as [`CudaExecutor::forward_reusing_on_device`] does.
    ///
    /// # Errors
    /// As for [`CudaExecutor::forward_backward_on_device`]; the residuals are then of no
    /// use.
    pub fn forward_backward_reusing_on_device(
        &mut self,
        call: &DeviceCall<'_>,
        gradients: &[DeviceTensor],
        residuals: &mut DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        self.reset(call, residuals, stream)?;
        check_gradients(self.kernels.manifest(), gradients, call.pixels[0].shape())?;
        self.run(stream, call.pixels, gradients, residuals, Direction::ForwardBackward)
    }

    /// Queues the backward direction; see
    /// [`crate::Executor::backward_into`].
    ///
    /// # Errors
    /// As for [`CudaExecutor::forward_backward_on_device`].
    pub fn backward_on_device(
        &mut self,
        pixels: &[DeviceTensor],
        residuals: &mut DeviceResiduals,
        upstream: Upstream<'_>,
        gradients: &[DeviceTensor],
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        let manifest = self.manifest_handle();
        self.check_call(pixels, residuals, stream)?;
        check_gradients(&manifest, gradients, pixels[0].shape())?;
        residuals.move_to(stream)?;
        store_upstream(&manifest, residuals, upstream)?;
        self.run(stream, pixels, gradients, residuals, Direction::Backward)
    }

    /// Zero sums for `call`; see [`Residuals::new`].
    ///
    /// # Errors
    /// If an argument does not fit the manifest, or the driver refuses.
    pub fn begin_on_device(
        &self,
        call: &DeviceCall<'_>,
        stream: &Stream,
    ) -> Result<DeviceResiduals, RuntimeError> {
        Ok(DeviceResiduals::new(stream, self.host_residuals(call, stream)?)?)
    }

    /// Queues one forward pass up to its totals; see
    /// [`crate::Executor::partials_of_pass`].
    ///
    /// # Errors
    /// As for [`CudaExecutor::forward_on_device`].
    pub fn partials_of_pass_on_device(
        &mut self,
        pass: usize,
        pixels: &[DeviceTensor],
        residuals: &mut DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        let kernel = forward_kernel(self.kernels.manifest(), pass)?;
        self.check_call(pixels, residuals, stream)?;
        residuals.move_to(stream)?;
        let pixels = pixel_pointers(self.kernels.manifest(), pixels, &[])?;
        let arguments = self.prepare(stream, residuals, &pixels, &[kernel])?;
        let layout = residuals.host().layout();
        let team = plan::team(self.kernels.manifest(), layout, &self.capacity, self.overrides);
        let launch = plan::totals(layout, kernel, team);
        Ok(arguments.launch(stream, &self.kernels, launch)?)
    }

    /// Queues the computation from the totals of a forward pass; see
    /// [`crate::Executor::finish_pass`].
    ///
    /// # Errors
    /// If there is no such forward pass, or the driver refuses.
    pub fn finish_pass_on_device(
        &mut self,
        pass: usize,
        residuals: &mut DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        let kernel = forward_kernel(self.kernels.manifest(), pass)?;
        self.check_stream(stream)?;
        self.check_residuals(residuals)?;
        residuals.move_to(stream)?;
        let arguments = self.prepare(stream, residuals, &[], &[])?;
        Ok(arguments.launch(stream, &self.kernels, [plan::epilogue(kernel)])?)
    }

    /// Queues the passes of a direction.
    fn run(
        &mut self,
        stream: &Stream,
        pixels: &[DeviceTensor],
        gradients: &[DeviceTensor],
        residuals: &mut DeviceResiduals,
        direction: Direction,
    ) -> Result<(), RuntimeError> {
        let manifest = self.manifest_handle();
        let kernels = kernels_of(&manifest, direction)?;
        let pixels = pixel_pointers(&manifest, pixels, gradients)?;
        let arguments = self.prepare(stream, residuals, &pixels, kernels)?;
        let layout = residuals.host().layout();
        let launches = plan::launches(&manifest, layout, direction, &self.capacity, self.overrides);
        Ok(arguments.launch(stream, &self.kernels, launches)?)
    }

    /// Prepares the workspace for this stream and layout, and returns the kernels' parameters.
    fn prepare(
        &mut self,
        stream: &Stream,
        residuals: &DeviceResiduals,
        pixels: &[u64],
        kernels: &[usize],
    ) -> Result<Arguments, RuntimeError> {
        self.workspace.move_to(stream)?;
        self.planes.move_to(stream)?;
        let layout = residuals.host().layout();
        let manifest = self.kernels.manifest();
        let lengths = kernels.iter().map(|&kernel| plan::workspace_bytes(manifest, layout, kernel));
        let lengths: Option<Vec<_>> = lengths.collect();
        let lengths = lengths.ok_or(RuntimeError::Workspace(layout.chunks()))?;
        let length = lengths.into_iter().max().unwrap_or(0);
        if length > self.workspace.length() {
            self.workspace = DeviceBuffer::new(stream, length)?;
        }
        if self.layout.as_ref().is_none_or(|(known, _)| known != layout) {
            let (_, source) = self.layout.insert((layout.clone(), plan::planes(layout)));
            self.planes = DeviceBuffer::upload(stream, bytes(source))?;
        }
        let arrays = Arrays {
            planes: self.planes.pointer(),
            scalars: residuals.scalars_pointer(),
            group_totals: residuals.group_totals_pointer(),
            workspace: self.workspace.pointer(),
            results: residuals.results_pointer(),
        };
        Ok(Arguments(plan::parameters(layout, residuals.host().random(), &arrays, pixels)))
    }

    /// The residuals that a call starts from.
    fn host_residuals(&self, call: &DeviceCall<'_>, stream: &Stream) -> Result<Residuals, RuntimeError> {
        self.check_stream(stream)?;
        let manifest = self.kernels.manifest();
        check_pixels(manifest, call.pixels)?;
        let layout = layout_of(manifest, call.pixels[0].shape(), call.balance)?;
        Residuals::with_layout(manifest, layout, call.random, call.scalars)
    }

    fn reset(
        &self,
        call: &DeviceCall<'_>,
        residuals: &mut DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        let host = self.host_residuals(call, stream)?;
        self.check_device(residuals)?;
        Ok(residuals.reset(stream, host)?)
    }

    fn check_call(
        &self,
        pixels: &[DeviceTensor],
        residuals: &DeviceResiduals,
        stream: &Stream,
    ) -> Result<(), RuntimeError> {
        let manifest = self.kernels.manifest();
        self.check_stream(stream)?;
        self.check_residuals(residuals)?;
        check_pixels(manifest, pixels)?;
        residuals.host().check_shape(pixels[0].shape())
    }

    fn check_residuals(&self, residuals: &DeviceResiduals) -> Result<(), RuntimeError> {
        self.check_device(residuals)?;
        residuals.host().check_loss(self.kernels.manifest())
    }

    fn check_device(&self, residuals: &DeviceResiduals) -> Result<(), CudaError> {
        match residuals.stream().context() == self.kernels.device().context() {
            true => Ok(()),
            false => Err(CudaError::OtherDevice("a residual")),
        }
    }

    fn check_stream(&self, stream: &Stream) -> Result<(), CudaError> {
        self.kernels.device().bind()?;
        match stream.context() == self.kernels.device().context() {
            true => Ok(()),
            false => Err(CudaError::OtherDevice("the stream")),
        }
    }

    fn manifest_handle(&self) -> Arc<Manifest> {
        Arc::clone(self.kernels.manifest())
    }
}

impl Drop for CudaExecutor {
    /// Waits for the last call, whose kernels may be unloaded next. A failure cannot be
    /// returned here; the memory's owner meets it again.
    fn drop(&mut self) {
        if let Err(error) = self.workspace.stream().synchronize() {
            tracing::warn!("a CUDA executor was dropped with failed work: {error}");
        }
    }
}
