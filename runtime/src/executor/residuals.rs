//! What one direction of a loss leaves for the other.

use std::sync::Arc;

use crate::error::RuntimeError;
use crate::executor::check::{check_pixels, layout_of, unknown_scalar};
use crate::executor::{Call, Random};
use crate::layout::Layout;
use crate::manifest::{Manifest, ReductionKind};

/// The sums and scalars of a call: bytes, not tensors.
///
/// Between [`crate::Executor::forward_partials`] and
/// [`crate::Executor::finish`] they are the sums of one worker; after a
/// forward call they are all that the backward direction needs besides the
/// pixel inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    manifest: Arc<Manifest>,
    layout: Arc<Layout>,
    random: Random,
    cells: Vec<u64>,
    scalars: Vec<f32>,
    results: Vec<u64>,
}

impl Residuals {
    /// Zero sums for `call`, with its scalar arguments filled in.
    ///
    /// # Errors
    /// If an argument does not fit the manifest.
    pub fn new(manifest: &Arc<Manifest>, call: &Call<'_>) -> Result<Self, RuntimeError> {
        check_pixels(manifest, call.pixels)?;
        let layout = layout_of(manifest, call.pixels[0].shape(), call.balance)?;
        Self::with_layout(manifest, layout, call.random, call.scalars)
    }

    /// Zero sums for a call whose layout is known.
    pub(crate) fn with_layout(
        manifest: &Arc<Manifest>,
        layout: Layout,
        random: Random,
        scalars: &[(&str, f32)],
    ) -> Result<Self, RuntimeError> {
        let groups = layout.groups();
        Ok(Self {
            random,
            cells: vec![0; manifest.cells * groups],
            scalars: initial_scalars(manifest, scalars)?,
            results: vec![0; manifest.result_slots(groups)],
            manifest: Arc::clone(manifest),
            layout: Arc::new(layout),
        })
    }

    /// The manifest of the loss they are of.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The layout of the call they are of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the call's random draws come from.
    pub fn random(&self) -> Random {
        self.random
    }

    /// One total a cell and group, cell-major: f64 bits for a sum, an i64 for
    /// a count.
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// The totals, for workers that add them up by their own means.
    pub fn cells_mut(&mut self) -> &mut [u64] {
        &mut self.cells
    }

    /// The scalar slots: arguments, then what finish steps computed.
    pub fn scalars(&self) -> &[f32] {
        &self.scalars
    }

    /// The result slots: the loss's f32 bits, then one slot a result and group.
    pub fn results(&self) -> &[u64] {
        &self.results
    }

    /// Adds the sums that another worker made in forward pass `pass`.
    ///
    /// Sums are added in f64: fix the order of workers to fix the bits. The
    /// layout stays that of `self`.
    ///
    /// # Errors
    /// If the other sums are of another loss, or over another number of groups.
    pub fn merge(&mut self, pass: usize, other: &Self) -> Result<(), RuntimeError> {
        other.check_loss(&self.manifest)?;
        let groups = self.layout.groups();
        if groups != other.layout.groups() {
            return Err(RuntimeError::Groups { expected: groups, found: other.layout.groups() });
        }
        let kernel = forward_kernel(&self.manifest, pass)?;
        for reduction in &self.manifest.kernels[kernel].reductions {
            for slot in reduction.cell * groups..(reduction.cell + 1) * groups {
                self.cells[slot] = add(reduction.kind, self.cells[slot], other.cells[slot]);
            }
        }
        Ok(())
    }

    /// Whether they are residuals of the loss that `manifest` describes.
    pub(crate) fn check_loss(&self, manifest: &Arc<Manifest>) -> Result<(), RuntimeError> {
        if Arc::ptr_eq(&self.manifest, manifest) || self.manifest == *manifest {
            return Ok(());
        }
        Err(RuntimeError::ForeignResiduals {
            expected: manifest.name.clone(),
            found: self.manifest.name.clone(),
        })
    }

    /// Whether `pixels` could be those of the call they are of.
    pub(crate) fn check_shape(&self, shape: &[usize]) -> Result<(), RuntimeError> {
        if shape == self.layout.shape() {
            return Ok(());
        }
        Err(RuntimeError::Shape {
            argument: self.manifest.pixel_inputs[0].name.clone(),
            found: shape.to_vec(),
            reference: "the forward call".to_owned(),
            expected: self.layout.shape().to_vec(),
        })
    }

    pub(crate) fn shared_layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(crate) fn set_scalar(&mut self, slot: usize, value: f32) {
        self.scalars[slot] = value;
    }

    /// The three arrays kernels write: cells, scalars, results.
    pub(crate) fn buffers_mut(&mut self) -> (&mut [u64], &mut [f32], &mut [u64]) {
        (&mut self.cells, &mut self.scalars, &mut self.results)
    }
}

/// The kernel of forward pass `pass`.
pub(crate) fn forward_kernel(manifest: &Manifest, pass: usize) -> Result<usize, RuntimeError> {
    let passes = manifest.forward.len();
    let none = || RuntimeError::NoSuchPass { loss: manifest.name.clone(), passes, pass };
    manifest.forward.get(pass).copied().ok_or_else(none)
}

fn initial_scalars(manifest: &Manifest, given: &[(&str, f32)]) -> Result<Vec<f32>, RuntimeError> {
    let mut slots = vec![0.0; manifest.scalar_slots];
    for (slot, scalar) in slots.iter_mut().zip(&manifest.scalars) {
        *slot = scalar.default;
    }
    for &(name, value) in given {
        let slot = manifest.scalar_slot(name);
        slots[slot.ok_or_else(|| unknown_scalar(manifest, name))?] = value;
    }
    Ok(slots)
}

fn add(kind: ReductionKind, left: u64, right: u64) -> u64 {
    match kind {
        ReductionKind::Sum => (f64::from_bits(left) + f64::from_bits(right)).to_bits(),
        ReductionKind::Count => left.wrapping_add(right),
    }
}
