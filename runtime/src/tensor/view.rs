//! Borrowed tensors.

use ndarray::{ArrayView, ArrayViewD, ArrayViewMut, Dimension, IxDyn};

use super::{Element, ElementType, Shape, TensorError, as_bytes, check_bytes, check_element};

/// A borrowed, read-only, contiguous tensor.
#[derive(Debug, Clone)]
pub struct TensorView<'a> {
    element: ElementType,
    shape: Shape,
    bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// A view of raw plane-major bytes.
    ///
    /// # Errors
    /// If the length, the alignment or a `bool` byte is not right.
    pub fn from_bytes(element: ElementType, shape: &[usize], bytes: &'a [u8]) -> Result<Self, TensorError> {
        check_bytes(element, shape, bytes)?;
        Ok(Self::from_checked(element, Shape::from_slice(shape), bytes))
    }

    /// A view of `elements` in plane-major order.
    ///
    /// # Errors
    /// If `elements` is not as long as `shape` needs.
    pub fn from_slice<T: Element>(shape: &[usize], elements: &'a [T]) -> Result<Self, TensorError> {
        Self::from_bytes(T::ELEMENT, shape, as_bytes(elements))
    }

    /// A view of an array's memory, without a copy.
    ///
    /// # Errors
    /// [`TensorError::NotContiguous`] if the array is not in standard layout;
    /// [`super::Tensor::from_array`] copies such an array.
    #[expect(clippy::needless_pass_by_value, reason = "views are passed by value")]
    pub fn from_array<T: Element, D: Dimension>(array: ArrayView<'a, T, D>) -> Result<Self, TensorError> {
        let shape = Shape::from_slice(array.shape());
        match array.to_slice() {
            Some(elements) => Ok(Self::from_checked(T::ELEMENT, shape, as_bytes(elements))),
            None => Err(TensorError::NotContiguous(shape.into_vec())),
        }
    }

    /// A view of bytes that were checked, or that come from typed memory.
    pub(super) fn from_checked(element: ElementType, shape: Shape, bytes: &'a [u8]) -> Self {
        Self { element, shape, bytes }
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
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.element.size()
    }

    /// Returns whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements as a slice.
    ///
    /// # Errors
    /// If the tensor does not hold `T`.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T], TensorError> {
        check_element::<T>(self.element)?;
        if self.is_empty() {
            return Ok(&[]);
        }
        // SAFETY: length and alignment were checked when the view was made, the
        // bytes are valid `T` (bools were checked to be 0 or 1, all other
        // elements take any bits), and the lifetime is that of the borrow.
        Ok(unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.len()) })
    }

    /// The elements as an array of the view's shape.
    ///
    /// # Errors
    /// If the tensor does not hold `T`.
    pub fn to_array_view<T: Element>(&self) -> Result<ArrayViewD<'a, T>, TensorError> {
        let elements = self.as_slice::<T>()?;
        ArrayViewD::from_shape(IxDyn(&self.shape), elements)
            .map_err(|_| TensorError::TooLarge(self.shape.to_vec()))
    }
}

/// A borrowed, writable, contiguous tensor, for a gradient.
#[derive(Debug)]
pub struct TensorViewMut<'a> {
    element: ElementType,
    shape: Shape,
    bytes: &'a mut [u8],
}

impl<'a> TensorViewMut<'a> {
    /// A writable view of `elements` in plane-major order.
    ///
    /// # Errors
    /// If `elements` is not as long as `shape` needs.
    pub fn from_slice<T: Element>(shape: &[usize], elements: &'a mut [T]) -> Result<Self, TensorError> {
        check_bytes(T::ELEMENT, shape, as_bytes(elements))?;
        Ok(Self::from_typed(Shape::from_slice(shape), elements))
    }

    /// A writable view of an array's memory.
    ///
    /// # Errors
    /// [`TensorError::NotContiguous`] if the array is not in standard layout.
    pub fn from_array<T: Element, D: Dimension>(array: ArrayViewMut<'a, T, D>) -> Result<Self, TensorError> {
        let shape = Shape::from_slice(array.shape());
        match array.into_slice() {
            Some(elements) => Ok(Self::from_typed(shape, elements)),
            None => Err(TensorError::NotContiguous(shape.into_vec())),
        }
    }

    fn from_typed<T: Element>(shape: Shape, elements: &'a mut [T]) -> Self {
        let length = size_of_val(elements);
        // SAFETY: no implementor of `Element` has padding. Only executors of
        // this crate write through the view, and they write whole values of
        // `T::ELEMENT`, so the slice holds valid `T` afterwards.
        let bytes = unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), length) };
        Self::from_checked(T::ELEMENT, shape, bytes)
    }

    /// A view of bytes of the right length and alignment.
    pub(super) fn from_checked(element: ElementType, shape: Shape, bytes: &'a mut [u8]) -> Self {
        Self { element, shape, bytes }
    }

    /// The type of every element.
    pub fn element_type(&self) -> ElementType {
        self.element
    }

    /// The dimensions, slowest first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// A read-only view of the same memory.
    pub fn as_view(&self) -> TensorView<'_> {
        TensorView::from_checked(self.element, self.shape.clone(), self.bytes)
    }

    /// The memory to write. Crate-private: arbitrary bytes could make an
    /// invalid `bool` behind a safe slice.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}
