//! Tensors as callers have them.

use lossc_runtime::tensor::TensorError;
use lossc_runtime::{Element, Tensor, TensorView};
use ndarray::{ArrayBase, Data, Dimension};

/// A tensor of pixels: a view if the memory is contiguous, else a copy.
#[derive(Debug)]
pub struct Input<'a>(Result<Source<'a>, TensorError>);

#[derive(Debug)]
enum Source<'a> {
    View(TensorView<'a>),
    Copy(Tensor),
}

impl Input<'_> {
    /// The tensor, or why it could not be taken.
    pub(crate) fn view(&self) -> Result<TensorView<'_>, TensorError> {
        match &self.0 {
            Ok(Source::View(view)) => Ok(view.clone()),
            Ok(Source::Copy(tensor)) => Ok(tensor.view()),
            Err(error) => Err(error.clone()),
        }
    }
}

impl<'a> From<TensorView<'a>> for Input<'a> {
    fn from(view: TensorView<'a>) -> Self {
        Self(Ok(Source::View(view)))
    }
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        tensor.view().into()
    }
}

/// Transposed and sliced arrays are copied into standard layout.
impl<'a, T: Element, S: Data<Elem = T>, D: Dimension> From<&'a ArrayBase<S, D>> for Input<'a> {
    fn from(array: &'a ArrayBase<S, D>) -> Self {
        if array.is_standard_layout() {
            return Self(TensorView::from_array(array.view()).map(Source::View));
        }
        Self(Tensor::from_array(array).map(Source::Copy))
    }
}
