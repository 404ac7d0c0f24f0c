//! The pixel pointers that kernels get.

use super::device::Stream;
use super::error::CudaError;
use super::memory::{DeviceBuffer, copy};
use super::tensor::DeviceTensor;
use crate::manifest::{Manifest, PixelArgument};

/// The pixel pointers of a call. A tensor that does not start where vector
/// loads may (a slice of a larger one, say) takes a detour through an aligned
/// copy.
pub(super) struct Staged {
    pub pointers: Vec<u64>,
    /// Aligned copies of inputs: kept to be freed, in stream order, after the call.
    inputs: Vec<DeviceBuffer>,
    /// Aligned gradients, with where each goes and its bytes.
    outputs: Vec<(DeviceBuffer, u64, usize)>,
}

impl Staged {
    pub(super) fn new(
        manifest: &Manifest,
        pixels: &[DeviceTensor],
        gradients: &[DeviceTensor],
        stream: &Stream,
    ) -> Result<Self, CudaError> {
        let inputs = manifest.pixel_inputs.iter().zip(pixels);
        let outputs = manifest.pixel_outputs.iter().zip(gradients);
        check_pointers(&inputs.collect::<Vec<_>>(), &outputs.collect::<Vec<_>>())?;
        let mut staged = Self { pointers: Vec::new(), inputs: Vec::new(), outputs: Vec::new() };
        for tensor in pixels {
            staged.add_input(tensor, stream)?;
        }
        for tensor in gradients {
            staged.add_output(tensor, stream)?;
        }
        let arguments = manifest.pixel_inputs.len() + manifest.pixel_outputs.len();
        staged.pointers.resize(arguments, 0);
        Ok(staged)
    }

    fn add_input(&mut self, tensor: &DeviceTensor, stream: &Stream) -> Result<(), CudaError> {
        if tensor.is_aligned_to(tensor.vector_alignment()) {
            self.pointers.push(tensor.pointer());
            return Ok(());
        }
        let length = tensor.byte_length();
        let buffer = DeviceBuffer::new(stream, length)?;
        copy(stream, buffer.pointer(), tensor.pointer(), length)?;
        self.pointers.push(buffer.pointer());
        self.inputs.push(buffer);
        Ok(())
    }

    fn add_output(&mut self, tensor: &DeviceTensor, stream: &Stream) -> Result<(), CudaError> {
        if tensor.is_aligned_to(tensor.vector_alignment()) {
            self.pointers.push(tensor.pointer());
            return Ok(());
        }
        let length = tensor.byte_length();
        let buffer = DeviceBuffer::new(stream, length)?;
        self.pointers.push(buffer.pointer());
        self.outputs.push((buffer, tensor.pointer(), length));
        Ok(())
    }

    pub(super) fn copy_back(&self, stream: &Stream) -> Result<(), CudaError> {
        for (buffer, destination, length) in &self.outputs {
            copy(stream, *destination, buffer.pointer(), *length)?;
        }
        Ok(())
    }
}

type Named<'a> = (&'a PixelArgument, &'a DeviceTensor);

/// Alignment to the element, and no output over another tensor.
fn check_pointers(inputs: &[Named<'_>], outputs: &[Named<'_>]) -> Result<(), CudaError> {
    for (argument, tensor) in inputs.iter().chain(outputs) {
        let alignment = tensor.element_type().size();
        if !tensor.is_aligned_to(alignment) {
            return Err(CudaError::Misaligned {
                argument: argument.name.clone(),
                pointer: tensor.pointer(),
                alignment,
            });
        }
    }
    for (index, (output, written)) in outputs.iter().enumerate() {
        let mut others = inputs.iter().chain(&outputs[..index]);
        if let Some((other, _)) = others.find(|(_, tensor)| written.overlaps(tensor)) {
            return Err(CudaError::Overlap { output: output.name.clone(), input: other.name.clone() });
        }
    }
    Ok(())
}
