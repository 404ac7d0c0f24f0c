//! Tensors in device memory.

use crate::executor::Described;
use crate::tensor::{ElementType, TensorError};

/// A contiguous tensor in a device's memory that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTensor {
    pointer: u64,
    element: ElementType,
    shape: Vec<usize>,
    length: usize,
}

impl DeviceTensor {
    /// A tensor of `shape` at the device address `pointer` (a `CUdeviceptr`).
    ///
    /// # Errors
    /// If the shape does not fit in memory.
    ///
    /// # Safety
    /// The memory must be on the executor's device and hold the tensor, plane-major,
    /// until the work of every call that it is passed to is done; nothing else
    /// may write to it meanwhile, nor read it if the call writes to it.
    pub unsafe fn from_raw(pointer: u64, element: ElementType, shape: &[usize]) -> Result<Self, TensorError> {
        Ok(Self {
            pointer,
            element,
            shape: shape.to_vec(),
            length: crate::tensor::byte_length(element, shape)?,
        })
    }

    /// The device address.
    pub fn pointer(&self) -> u64 {
        self.pointer
    }

    /// The type of every element.
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// The dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of bytes of the tensor.
    pub fn byte_length(&self) -> usize {
        self.length
    }

    pub(super) fn is_aligned_to(&self, alignment: usize) -> bool {
        self.length == 0 || self.pointer.is_multiple_of(alignment as u64)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let end = |tensor: &Self| tensor.pointer.saturating_add(tensor.length as u64);
        let both = self.length > 0 && other.length > 0;
        both && self.pointer < end(other) && other.pointer < end(self)
    }
}

impl Described for DeviceTensor {
    fn element_type(&self) -> ElementType {
        self.element
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(pointer: u64, length: usize) -> DeviceTensor {
        // SAFETY: the tensor is passed to no call.
        unsafe { DeviceTensor::from_raw(pointer, ElementType::F16, &[length, 1]).unwrap() }
    }

    #[test]
    fn overlap_is_of_bytes() {
        assert!(tensor(100, 4).overlaps(&tensor(106, 4)));
        assert!(tensor(106, 4).overlaps(&tensor(100, 4)));
        assert!(!tensor(100, 4).overlaps(&tensor(108, 4)));
        assert!(!tensor(100, 4).overlaps(&tensor(102, 0)));
    }

    #[test]
    fn an_empty_tensor_is_aligned() {
        assert!(tensor(16, 4).is_aligned_to(8));
        assert!(!tensor(18, 4).is_aligned_to(8));
        assert!(tensor(18, 0).is_aligned_to(8));
    }
}
