//! Checks of arguments against the manifest.

use crate::error::RuntimeError;
use crate::layout::{Balance, Layout};
use crate::manifest::{Direction, Manifest, PixelArgument, UPSTREAM};
use crate::tensor::{ElementType, TensorView, TensorViewMut};

/// Something with an element type and a shape.
pub(crate) trait Described {
    fn element_type(&self) -> ElementType;
    fn shape(&self) -> &[usize];
}

impl Described for TensorView<'_> {
    fn element_type(&self) -> ElementType {
        self.element_type()
    }

    fn shape(&self) -> &[usize] {
        self.shape()
    }
}

impl Described for TensorViewMut<'_> {
    fn element_type(&self) -> ElementType {
        self.element_type()
    }

    fn shape(&self) -> &[usize] {
        self.shape()
    }
}

/// Returns the manifest, if its parts fit together.
pub(crate) fn validated(manifest: Manifest) -> Result<Manifest, RuntimeError> {
    match manifest.validate() {
        Ok(()) => Ok(manifest),
        Err(error) => Err(RuntimeError::Manifest { loss: manifest.name, error }),
    }
}

/// Checks number, types and common shape of the pixel inputs.
pub(crate) fn check_pixels<T: Described>(manifest: &Manifest, pixels: &[T]) -> Result<(), RuntimeError> {
    let arguments = &manifest.pixel_inputs;
    check_count("pixel inputs", arguments, pixels.len())?;
    check_each(manifest, arguments, pixels, pixels[0].shape())
}

/// The layout of a call whose pixel inputs have `shape`.
pub(crate) fn layout_of(
    manifest: &Manifest,
    shape: &[usize],
    balance: Balance,
) -> Result<Layout, RuntimeError> {
    Layout::new(shape, balance)
        .map_err(|error| RuntimeError::Layout { argument: manifest.pixel_inputs[0].name.clone(), error })
}

/// Checks number, types and shape of the gradients of a loss that has some.
pub(crate) fn check_gradients<T: Described>(
    manifest: &Manifest,
    gradients: &[T],
    shape: &[usize],
) -> Result<(), RuntimeError> {
    if !manifest.kernels.iter().any(|kernel| kernel.outputs) {
        return Err(RuntimeError::NoGradient(manifest.name.clone()));
    }
    check_count("gradients", &manifest.pixel_outputs, gradients.len())?;
    check_each(manifest, &manifest.pixel_outputs, gradients, shape)
}

/// The slot of the upstream gradient; `None` if the loss has no such slot and `upstream` is 1,
/// which then changes nothing.
pub(crate) fn upstream_slot(manifest: &Manifest, upstream: f32) -> Result<Option<usize>, RuntimeError> {
    match manifest.scalar_slot(UPSTREAM) {
        None if upstream != 1.0 => Err(unknown_scalar(manifest, UPSTREAM)),
        slot => Ok(slot),
    }
}

/// Checks that the loss has all these scalar arguments.
pub(super) fn check_scalars(manifest: &Manifest, scalars: &[(&str, f32)]) -> Result<(), RuntimeError> {
    match scalars.iter().find(|(name, _)| manifest.scalar_slot(name).is_none()) {
        Some((name, _)) => Err(unknown_scalar(manifest, name)),
        None => Ok(()),
    }
}

fn unknown_scalar(manifest: &Manifest, name: &str) -> RuntimeError {
    let known = manifest.scalars.iter().map(|scalar| scalar.name.clone());
    RuntimeError::UnknownScalar { loss: manifest.name.clone(), name: name.to_owned(), known: known.collect() }
}

fn check_count(what: &'static str, arguments: &[PixelArgument], found: usize) -> Result<(), RuntimeError> {
    if arguments.len() == found {
        return Ok(());
    }
    let names = arguments.iter().map(|argument| argument.name.clone());
    Err(RuntimeError::ArgumentCount { what, names: names.collect(), found })
}

fn check_each<T: Described>(
    manifest: &Manifest,
    arguments: &[PixelArgument],
    tensors: &[T],
    shape: &[usize],
) -> Result<(), RuntimeError> {
    for (argument, tensor) in arguments.iter().zip(tensors) {
        if tensor.element_type() != argument.element {
            return Err(RuntimeError::ElementType {
                argument: argument.name.clone(),
                expected: argument.element,
                found: tensor.element_type(),
            });
        }
        if tensor.shape() != shape {
            return Err(RuntimeError::Shape {
                argument: argument.name.clone(),
                found: tensor.shape().to_vec(),
                reference: manifest.pixel_inputs[0].name.clone(),
                expected: shape.to_vec(),
            });
        }
    }
    Ok(())
}

/// The kernels of a direction, if the code has them.
pub(crate) fn kernels_of(manifest: &Manifest, direction: Direction) -> Result<&[usize], RuntimeError> {
    let kernels = manifest.kernels_of(direction);
    if kernels.is_empty() {
        return Err(RuntimeError::NoDirection { loss: manifest.name.clone(), direction: direction.name() });
    }
    Ok(kernels)
}
