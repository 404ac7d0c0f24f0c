//! Dense host tensors, typed at run time.
//!
//! Kernels take any shape and one of seven element types: a tensor here is an element type, a
//! shape and contiguous bytes in plane-major order. [`TensorView`] and [`TensorViewMut`] borrow
//! a caller's memory, [`Tensor`] owns its own. Every pointer is aligned at least to its
//! element.

mod element;
mod owned;
mod view;

pub use element::{Element, ElementType};
pub use owned::Tensor;
pub use view::{TensorView, TensorViewMut};

use smallvec::SmallVec;

/// The dimensions of a view. A loss takes up to four, and those stay inside the view:
/// making one allocates nothing.
type Shape = SmallVec<[usize; 4]>;

/// Reason why bytes and a shape do not make a tensor, or a tensor not an array.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The product of the dimensions does not fit the address space.
    #[error("a tensor of shape {0:?} does not fit in memory")]
    TooLarge(Vec<usize>),
    /// The number of bytes is not what the shape needs.
    #[error("a tensor of shape {shape:?} and type {element} takes {expected} bytes, got {found}")]
    Length {
        /// The element type asked for.
        element: ElementType,
        /// The shape asked for.
        shape: Vec<usize>,
        /// Bytes that the shape takes.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The bytes do not start on a multiple of the element size.
    #[error("{0} data must start at a multiple of {size} bytes", size = .0.size())]
    Misaligned(ElementType),
    /// A byte of a `bool` tensor is neither 0 nor 1.
    #[error("byte {value} at element {index} is not a bool: expected 0 or 1")]
    NotBool {
        /// Linear index of the first such element.
        index: usize,
        /// The byte found there.
        value: u8,
    },
    /// The array is transposed, sliced or reversed, so its elements are not
    /// one run of memory; [`Tensor::from_array`] copies such an array.
    #[error("the array of shape {0:?} is not contiguous in plane-major order")]
    NotContiguous(Vec<usize>),
    /// The tensor holds another element type than the one asked for.
    #[error("expected a tensor of {expected}, this one holds {found}")]
    ElementType {
        /// The element type asked for.
        expected: ElementType,
        /// The element type of the tensor.
        found: ElementType,
    },
    /// No element type has this name.
    #[error("unknown element type `{0}`: expected f32, f16, bf16, u8, bool, i32 or i64")]
    UnknownElementType(String),
}

/// Bytes that a tensor takes, or an error if that number overflows `isize`.
pub(crate) fn byte_length(element: ElementType, shape: &[usize]) -> Result<usize, TensorError> {
    shape
        .iter()
        .try_fold(element.size(), |bytes, &extent| bytes.checked_mul(extent))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| TensorError::TooLarge(shape.to_vec()))
}

fn check_bytes(element: ElementType, shape: &[usize], bytes: &[u8]) -> Result<(), TensorError> {
    let expected = byte_length(element, shape)?;
    if bytes.len() != expected {
        return Err(TensorError::Length { element, shape: shape.to_vec(), expected, found: bytes.len() });
    }
    if !bytes.is_empty() && !bytes.as_ptr().addr().is_multiple_of(element.size()) {
        return Err(TensorError::Misaligned(element));
    }
    match element {
        ElementType::Bool => check_bools(bytes),
        _ => Ok(()),
    }
}

fn check_bools(bytes: &[u8]) -> Result<(), TensorError> {
    match bytes.iter().position(|&byte| byte > 1) {
        Some(index) => Err(TensorError::NotBool { index, value: bytes[index] }),
        None => Ok(()),
    }
}

fn check_element<T: Element>(found: ElementType) -> Result<(), TensorError> {
    let expected = T::ELEMENT;
    if expected == found { Ok(()) } else { Err(TensorError::ElementType { expected, found }) }
}

/// The memory of `elements` as bytes.
fn as_bytes<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: the sealed implementors of `Element` have no padding, so every
    // byte is initialised, and `u8` has no alignment to violate.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

#[cfg(test)]
mod tests;
