//! Owned tensors.

use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use super::{
    Element, ElementType, Shape, TensorError, TensorView, TensorViewMut, as_bytes, byte_length, check_bytes,
};

/// The unit of a tensor's storage: a cache line, which is also the widest
/// vector register, so that no vector of a kernel straddles two lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// An owned tensor, aligned to [`Tensor::ALIGNMENT`] bytes.
#[derive(Clone)]
pub struct Tensor {
    element: ElementType,
    shape: Vec<usize>,
    length: usize,
    lines: Vec<Line>,
}

impl Tensor {
    /// The alignment of a tensor's first byte.
    pub const ALIGNMENT: usize = align_of::<Line>();

    /// A tensor of zeros (`false` for `bool`).
    ///
    /// # Errors
    /// If the shape does not fit in memory.
    pub fn zeros(element: ElementType, shape: &[usize]) -> Result<Self, TensorError> {
        let length = byte_length(element, shape)?;
        let count = length.div_ceil(size_of::<Line>());
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).map_err(|_| TensorError::TooLarge(shape.to_vec()))?;
        lines.resize(count, Line([0; 64]));
        Ok(Self { element, shape: shape.to_vec(), length, lines })
    }

    /// A copy of raw plane-major bytes, which may be misaligned.
    ///
    /// # Errors
    /// If the length or a `bool` byte is not right.
    pub fn from_bytes(element: ElementType, shape: &[usize], bytes: &[u8]) -> Result<Self, TensorError> {
        let mut tensor = Self::zeros(element, shape)?;
        if bytes.len() == tensor.length {
            tensor.bytes_mut().copy_from_slice(bytes);
            check_bytes(element, shape, tensor.bytes())?;
            return Ok(tensor);
        }
        Err(TensorError::Length {
            element,
            shape: shape.to_vec(),
            expected: tensor.length,
            found: bytes.len(),
        })
    }

    /// A copy of `elements` in plane-major order.
    ///
    /// # Errors
    /// If `elements` is not as long as `shape` needs.
    pub fn from_slice<T: Element>(shape: &[usize], elements: &[T]) -> Result<Self, TensorError> {
        Self::from_bytes(T::ELEMENT, shape, as_bytes(elements))
    }

    /// A copy of an array of any layout: transposed, sliced or reversed.
    ///
    /// # Errors
    /// If the shape does not fit in memory, which can happen only for a broadcast array.
    pub fn from_array<T, S, D>(array: &ArrayBase<S, D>) -> Result<Self, TensorError>
    where
        T: Element,
        S: Data<Elem = T>,
        D: Dimension,
    {
        byte_length(T::ELEMENT, array.shape())?;
        let standard = array.as_standard_layout();
        match standard.as_slice() {
            Some(elements) => Self::from_slice(array.shape(), elements),
            None => Err(TensorError::NotContiguous(array.shape().to_vec())),
        }
    }

    /// The type of every element.
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// The dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements' memory, plane-major.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lines are `length` initialised bytes and a tail.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `self` is borrowed mutably for as long.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }

    /// A read-only view.
    pub fn view(&self) -> TensorView<'_> {
        TensorView::from_checked(self.element, Shape::from_slice(&self.shape), self.bytes())
    }

    /// A writable view.
    pub fn view_mut(&mut self) -> TensorViewMut<'_> {
        let shape = Shape::from_slice(&self.shape);
        TensorViewMut::from_checked(self.element, shape, self.bytes_mut())
    }

    /// A copy as an array.
    ///
    /// # Errors
    /// If the tensor does not hold `T`.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>, TensorError> {
        Ok(self.view().to_array_view::<T>()?.to_owned())
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tensor")
            .field("element", &self.element)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Tensor {
    /// Equality of type, shape and bits: NaN equals the same NaN, and -0 is
    /// not 0.
    fn eq(&self, other: &Self) -> bool {
        self.element == other.element && self.shape == other.shape && self.bytes() == other.bytes()
    }
}
