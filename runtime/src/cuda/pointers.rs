//! The pixel pointers that kernels get.

use super::error::CudaError;
use super::tensor::DeviceTensor;
use crate::manifest::{Manifest, PixelArgument};

/// The pixel pointers of a call: the tensors' own, wherever they start. Kernels load
/// pixels one by one where vectors would not be aligned.
///
/// # Errors
/// If a tensor is not aligned to its elements, or an output overlaps another tensor.
pub(super) fn pixel_pointers(
    manifest: &Manifest,
    pixels: &[DeviceTensor],
    gradients: &[DeviceTensor],
) -> Result<Vec<u64>, CudaError> {
    let inputs = manifest.pixel_inputs.iter().zip(pixels);
    let outputs = manifest.pixel_outputs.iter().zip(gradients);
    check_pointers(&inputs.collect::<Vec<_>>(), &outputs.collect::<Vec<_>>())?;
    let mut pointers: Vec<_> = pixels.iter().chain(gradients).map(DeviceTensor::pointer).collect();
    pointers.resize(manifest.pixel_inputs.len() + manifest.pixel_outputs.len(), 0);
    Ok(pointers)
}

type Named<'a> = (&'a PixelArgument, &'a DeviceTensor);

/// Checks alignment to the element, and that no output overlaps another tensor.
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
