//! Running a loss on device tensors.

use std::sync::Arc;

use super::arguments::Arguments;
use super::device::Stream;
use super::error::CudaError;
use super::kernels::CudaKernels;
use super::memory::DeviceBuffer;
use super::plan::{self, Arrays, Wish};
use super::pointers::pixel_pointers;
use super::residuals::{DeviceResiduals, bytes};
use super::room::Room;
use super::tensor::DeviceTensor;
use crate::error::RuntimeError;
use crate::executor::{
    Random, Residuals, check_gradients, check_pixels, forward_kernel, kernels_of, layout_of, upstream_slot,
};
use crate::layout::{Balance, Layout};
use crate::manifest::{Direction, Manifest, UPSTREAM};
use crate::tensor::ElementType;

/// The arguments of a forward call on device tensors; see [`crate::Call`].
#[derive(Debug, Clone, Copy)]
pub struct DeviceCall<'a> {
    /// The pixel inputs in the manifest's order, all of one shape.
    pub pixels: &'a [DeviceTensor],
    /// Which pixels share a group.
    pub balance: Balance,
    /// Where random draws come from.
    pub random: Random,
    /// Scalar arguments by name; those left out take their defaults.
    pub scalars: &'a [(&'a str, f32)],
}

/// The upstream gradient of a backward call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Upstream<'a> {
    /// A number the host knows.
    Value(f32),
    /// One f32 in device memory. It is read in stream order: the host need not
    /// know the number yet.
    Device(&'a DeviceTensor),
}

/// Runs a loss on an NVIDIA GPU.
///
/// As a [`crate::Executor`] it takes host tensors and copies them both ways on
/// a stream of its own. The methods here take device tensors and a stream; they
/// queue work and return without waiting for it.
///
/// The workspace is one for all calls, which may come on different streams:
/// each then waits, on the device, for the one before.
#[derive(Debug)]
pub struct CudaExecutor {
    pub(super) kernels: CudaKernels,
    pub(super) own_stream: Stream,
    pub(super) room: Room,
    wish: Wish,
    workspace: DeviceBuffer,
    rows: DeviceBuffer,
    /// The layout that `rows` is of, and its source, which a transfer may still read.
    layout: Option<(Layout, Vec<i64>)>,
}

impl CudaExecutor {
    /// An executor on the kernels' device.
    ///
    /// # Errors
    /// What the driver says.
    pub fn new(kernels: CudaKernels) -> Result<Self, RuntimeError> {
        kernels.device().bind()?;
        let own_stream = kernels.device().new_stream()?;
        let room = Room::new(&kernels)?;
        Ok(Self {
            room,
            wish: Wish::default(),
            workspace: DeviceBuffer::new(&own_stream, 0)?,
            rows: DeviceBuffer::new(&own_stream, 0)?,
            layout: None,
            kernels,
            own_stream,
        })
    }

    /// The kernels it runs.
    pub fn kernels(&self) -> &CudaKernels {
        &self.kernels
    }

    /// Lets later calls be planned as wished, for comparison. Their results are the same.
    pub fn set_wish(&mut self, wish: Wish) {
        self.wish = wish;
    }

    /// Queues the forward direction. [`DeviceResiduals::loss_pointer`] is where
    /// the loss will be, and [`DeviceResiduals::read`] waits for it.
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
        let manifest = self.manifest_handle();
        check_gradients(&manifest, gradients, call.pixels[0].shape())?;
        self.run(stream, call.pixels, gradients, &mut residuals, Direction::ForwardBackward)?;
        Ok(residuals)
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
        self.check_stream(stream)?;
        let manifest = self.kernels.manifest();
        check_pixels(manifest, call.pixels)?;
        let layout = layout_of(manifest, call.pixels[0].shape(), call.balance)?;
        let host = Residuals::with_layout(manifest, layout, call.random, call.scalars)?;
        Ok(DeviceResiduals::new(stream, host)?)
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
        let team = plan::team(self.kernels.manifest(), layout, &self.room, self.wish);
        let launch = plan::totals(layout, kernel, team);
        Ok(arguments.launch(stream, &self.kernels, launch)?)
    }

    /// Queues what follows from the totals of a forward pass; see
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
        Ok(arguments.launch(stream, &self.kernels, [plan::finish(kernel)])?)
    }

    /// Queues passes.
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
        let launches = plan::launches(&manifest, layout, direction, &self.room, self.wish);
        Ok(arguments.launch(stream, &self.kernels, launches)?)
    }

    /// Brings the workspace to this stream and layout.
    fn prepare(
        &mut self,
        stream: &Stream,
        residuals: &DeviceResiduals,
        pixels: &[u64],
        kernels: &[usize],
    ) -> Result<Arguments, RuntimeError> {
        self.workspace.move_to(stream)?;
        self.rows.move_to(stream)?;
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
            let (_, source) = self.layout.insert((layout.clone(), plan::rows(layout)));
            self.rows = DeviceBuffer::upload(stream, bytes(source))?;
        }
        let arrays = Arrays {
            rows: self.rows.pointer(),
            scalars: residuals.scalars_pointer(),
            cells: residuals.cells_pointer(),
            workspace: self.workspace.pointer(),
            results: residuals.results_pointer(),
        };
        Ok(Arguments(plan::parameters(layout, residuals.host().random(), &arrays, pixels)))
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
        if residuals.stream().context() != self.kernels.device().context() {
            return Err(CudaError::OtherDevice("a residual").into());
        }
        residuals.host().check_loss(self.kernels.manifest())
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
    /// Waits for the last call, whose kernels may be unloaded next. A failure
    /// has nowhere to go; the memory's owner meets it again.
    fn drop(&mut self) {
        if let Err(error) = self.workspace.stream().synchronize() {
            tracing::warn!("a CUDA executor was dropped with failed work: {error}");
        }
    }
}

/// Puts the upstream gradient in its slot, if the loss has one.
fn store_upstream(
    manifest: &Manifest,
    residuals: &DeviceResiduals,
    upstream: Upstream<'_>,
) -> Result<(), RuntimeError> {
    match upstream {
        Upstream::Value(value) => {
            if let Some(slot) = upstream_slot(manifest, value)? {
                residuals.store_scalar(slot, value)?;
            }
        }
        Upstream::Device(tensor) => {
            check_upstream(tensor)?;
            // Nobody knows the number yet; NaN stands for "perhaps not 1".
            if let Some(slot) = upstream_slot(manifest, f32::NAN)? {
                residuals.copy_scalar(slot, tensor.pointer())?;
            }
        }
    }
    Ok(())
}

fn check_upstream(tensor: &DeviceTensor) -> Result<(), RuntimeError> {
    let (expected, found) = (ElementType::F32, tensor.element_type());
    let argument = UPSTREAM.to_owned();
    if found != expected {
        return Err(RuntimeError::ElementType { argument, expected, found });
    }
    if tensor.byte_length() != expected.size() {
        return Err(RuntimeError::Shape {
            argument,
            found: tensor.shape().to_vec(),
            reference: "a scalar".to_owned(),
            expected: Vec::new(),
        });
    }
    Ok(())
}
