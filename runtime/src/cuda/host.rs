//! Execution of a loss on host tensors, by way of the device.

use std::sync::Arc;

use super::call::{DeviceCall, Upstream};
use super::device::Stream;
use super::error::CudaError;
use super::executor::CudaExecutor;
use super::memory::{DeviceBuffer, download};
use super::residuals::DeviceResiduals;
use super::tensor::DeviceTensor;
use crate::error::RuntimeError;
use crate::executor::{Call, Executor, Residuals, check_gradients, check_pixels, upstream_slot};
use crate::manifest::Manifest;
use crate::tensor::{ElementType, TensorView, TensorViewMut};

impl Executor for CudaExecutor {
    fn manifest(&self) -> &Arc<Manifest> {
        self.kernels.manifest()
    }

    fn forward_reusing(&mut self, call: &Call<'_>, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        residuals.reset(self.manifest(), call)?;
        let stream = self.begin()?;
        let _wait = WaitOnDrop(&stream);
        let inputs = Copies::upload(&stream, call.pixels)?;
        let call = device_call(call, &inputs.tensors);
        Ok(self.forward_on_device(&call, &stream)?.read_into(residuals)?)
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
        upstream_slot(&manifest, upstream)?;
        let stream = self.begin()?;
        let _wait = WaitOnDrop(&stream);
        let inputs = Copies::upload(&stream, pixels)?;
        let outputs = Copies::allocate(&stream, gradients)?;
        let mut sums = DeviceResiduals::upload(&stream, residuals.clone())?;
        let upstream = Upstream::Value(upstream);
        self.backward_on_device(&inputs.tensors, &mut sums, upstream, &outputs.tensors, &stream)?;
        outputs.download(&stream, gradients)
    }

    fn forward_backward_reusing(
        &mut self,
        call: &Call<'_>,
        gradients: &mut [TensorViewMut<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        residuals.reset(self.manifest(), call)?;
        check_gradients(self.manifest(), gradients, call.pixels[0].shape())?;
        let stream = self.begin()?;
        let _wait = WaitOnDrop(&stream);
        let inputs = Copies::upload(&stream, call.pixels)?;
        let outputs = Copies::allocate(&stream, gradients)?;
        let call = device_call(call, &inputs.tensors);
        let sums = self.forward_backward_on_device(&call, &outputs.tensors, &stream)?;
        outputs.download(&stream, gradients)?;
        Ok(sums.read_into(residuals)?)
    }

    fn partials_of_pass(
        &mut self,
        pass: usize,
        pixels: &[TensorView<'_>],
        residuals: &mut Residuals,
    ) -> Result<(), RuntimeError> {
        residuals.check_loss(self.manifest())?;
        check_pixels(self.manifest(), pixels)?;
        let stream = self.begin()?;
        let _wait = WaitOnDrop(&stream);
        let inputs = Copies::upload(&stream, pixels)?;
        let mut sums = DeviceResiduals::upload(&stream, residuals.clone())?;
        self.partials_of_pass_on_device(pass, &inputs.tensors, &mut sums, &stream)?;
        Ok(sums.read_into(residuals)?)
    }

    fn finish_pass(&mut self, pass: usize, residuals: &mut Residuals) -> Result<(), RuntimeError> {
        residuals.check_loss(self.manifest())?;
        let stream = self.begin()?;
        let _wait = WaitOnDrop(&stream);
        let mut sums = DeviceResiduals::upload(&stream, residuals.clone())?;
        self.finish_pass_on_device(pass, &mut sums, &stream)?;
        Ok(sums.read_into(residuals)?)
    }
}

impl CudaExecutor {
    fn begin(&self) -> Result<Stream, CudaError> {
        self.kernels.device().bind()?;
        Ok(self.own_stream.clone())
    }
}

/// Waits for a stream when a call ends, successfully or not: copies to and from the caller's
/// memory must not outlive its borrow.
struct WaitOnDrop<'a>(&'a Stream);

impl Drop for WaitOnDrop<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.synchronize() {
            tracing::warn!("work on the device failed: {error}");
        }
    }
}

fn device_call<'a>(call: &Call<'a>, pixels: &'a [DeviceTensor]) -> DeviceCall<'a> {
    DeviceCall { pixels, balance: call.balance, random: call.random, scalars: call.scalars }
}

/// Device tensors that stand in for host tensors during a call.
struct Copies {
    tensors: Vec<DeviceTensor>,
    buffers: Vec<DeviceBuffer>,
}

impl Copies {
    fn upload(stream: &Stream, views: &[TensorView<'_>]) -> Result<Self, RuntimeError> {
        let buffers = views.iter().map(|view| DeviceBuffer::upload(stream, view.bytes()));
        let buffers: Vec<_> = buffers.collect::<Result<_, _>>()?;
        let described = views.iter().map(|view| (view.element_type(), view.shape()));
        Self::of(buffers, described)
    }

    fn allocate(stream: &Stream, views: &[TensorViewMut<'_>]) -> Result<Self, RuntimeError> {
        let lengths = views.iter().map(|view| view.as_view().bytes().len());
        let buffers = lengths.map(|length| DeviceBuffer::new(stream, length));
        let buffers: Vec<_> = buffers.collect::<Result<_, _>>()?;
        let described = views.iter().map(|view| (view.element_type(), view.shape()));
        Self::of(buffers, described)
    }

    fn of<'a>(
        buffers: Vec<DeviceBuffer>,
        described: impl Iterator<Item = (ElementType, &'a [usize])>,
    ) -> Result<Self, RuntimeError> {
        let tensors = buffers.iter().zip(described);
        let tensors = tensors.map(|(buffer, (element, shape))| {
            // SAFETY: the buffer has the tensor's bytes and is freed in the
            // order of the stream that the call runs on, after the call's work.
            unsafe { DeviceTensor::from_raw(buffer.pointer(), element, shape) }
        });
        Ok(Self { tensors: tensors.collect::<Result<_, _>>()?, buffers })
    }

    /// Copies the tensors out and waits for them.
    fn download(&self, stream: &Stream, views: &mut [TensorViewMut<'_>]) -> Result<(), RuntimeError> {
        for (buffer, view) in self.buffers.iter().zip(views) {
            download(stream, view.bytes_mut(), buffer.pointer())?;
        }
        Ok(stream.synchronize()?)
    }
}
