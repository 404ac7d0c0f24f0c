//! The arguments of calls on device tensors.

use super::residuals::DeviceResiduals;
use super::tensor::DeviceTensor;
use crate::error::RuntimeError;
use crate::executor::{Random, upstream_slot};
use crate::layout::Balance;
use crate::manifest::{Manifest, UPSTREAM};
use crate::tensor::ElementType;

/// The arguments of a forward call on device tensors; see [`crate::Call`].
#[derive(Debug, Clone, Copy)]
pub struct DeviceCall<'a> {
    /// The pixel inputs in the manifest's order, all of one shape.
    pub pixels: &'a [DeviceTensor],
    /// The choice of pixels that share a group.
    pub balance: Balance,
    /// The source of random draws.
    pub random: Random,
    /// Scalar arguments by name; those left out take their defaults.
    pub scalars: &'a [(&'a str, f32)],
}

/// The upstream gradient of a backward call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Upstream<'a> {
    /// A number that the host knows.
    Value(f32),
    /// One f32 in device memory. It is read in stream order: the host need not
    /// know the number yet.
    Device(&'a DeviceTensor),
}

/// Writes the upstream gradient to its slot, if the loss has one.
pub(super) fn store_upstream(
    manifest: &Manifest,
    residuals: &mut DeviceResiduals,
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
