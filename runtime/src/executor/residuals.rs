//! Sums and scalars that one direction of a loss leaves for the other.

use std::sync::Arc;

use crate::error::RuntimeError;
use crate::executor::check::{check_pixels, check_scalars, layout_of};
use crate::executor::outcome::low_float;
use crate::executor::{Call, Random};
use crate::layout::Layout;
use crate::manifest::{Manifest, ReductionKind, ResultDescription};

/// The sums and scalars of a call: bytes, not tensors.
///
/// Between [`crate::Executor::forward_partials`] and
/// [`crate::Executor::finish`] they are the sums of one worker; after a
/// forward call they are all that the backward direction needs besides the
/// pixel inputs. Calls may also be written over those of an earlier call, in the same
/// memory: see [`crate::Executor::forward_reusing`].
#[derive(Debug, PartialEq)]
pub struct Residuals {
    manifest: Arc<Manifest>,
    layout: Arc<Layout>,
    random: Random,
    group_totals: Vec<u64>,
    scalars: Vec<u64>,
    results: Vec<u64>,
    /// True if the pixels of other workers are among those counted.
    has_all_sizes: bool,
}

impl Default for Residuals {
    /// The residuals of no call, for one to be written over. No loss takes them as its own.
    fn default() -> Self {
        let manifest = Manifest { name: "no call".into(), ..Manifest::default() };
        Self {
            manifest: Arc::new(manifest),
            layout: Arc::default(),
            random: Random::default(),
            group_totals: vec![],
            scalars: vec![],
            results: vec![],
            has_all_sizes: false,
        }
    }
}

impl Clone for Residuals {
    fn clone(&self) -> Self {
        Self {
            manifest: Arc::clone(&self.manifest),
            layout: Arc::clone(&self.layout),
            random: self.random,
            group_totals: self.group_totals.clone(),
            scalars: self.scalars.clone(),
            results: self.results.clone(),
            has_all_sizes: self.has_all_sizes,
        }
    }

    /// Allocates nothing where the existing memory suffices.
    fn clone_from(&mut self, source: &Self) {
        self.manifest.clone_from(&source.manifest);
        self.layout.clone_from(&source.layout);
        self.random = source.random;
        self.group_totals.clone_from(&source.group_totals);
        self.scalars.clone_from(&source.scalars);
        self.results.clone_from(&source.results);
        self.has_all_sizes = source.has_all_sizes;
    }
}

impl Residuals {
    /// Zero sums for `call`, with its scalar arguments filled in.
    ///
    /// # Errors
    /// If an argument does not fit the manifest.
    pub fn new(manifest: &Arc<Manifest>, call: &Call<'_>) -> Result<Self, RuntimeError> {
        let mut residuals = Self::default();
        residuals.reset(manifest, call)?;
        Ok(residuals)
    }

    /// Resets them to [`Residuals::new`]. Nothing is allocated if they were of a call of this
    /// loss with the same layout.
    ///
    /// # Errors
    /// If an argument does not fit the manifest; they are then unchanged.
    pub(crate) fn reset(&mut self, manifest: &Arc<Manifest>, call: &Call<'_>) -> Result<(), RuntimeError> {
        check_pixels(manifest, call.pixels)?;
        check_scalars(manifest, call.scalars)?;
        let shape = call.pixels[0].shape();
        if (self.layout.shape(), self.layout.balance()) != (shape, call.balance) {
            self.layout = Arc::new(layout_of(manifest, shape, call.balance)?);
        }
        self.begin(manifest, call.random, call.scalars);
        Ok(())
    }

    /// Zero sums for a call whose layout is known.
    pub(crate) fn with_layout(
        manifest: &Arc<Manifest>,
        layout: Layout,
        random: Random,
        scalars: &[(&str, f32)],
    ) -> Result<Self, RuntimeError> {
        check_scalars(manifest, scalars)?;
        let mut residuals = Self { layout: Arc::new(layout), ..Self::default() };
        residuals.begin(manifest, random, scalars);
        Ok(residuals)
    }

    /// Sizes the arrays by `manifest` and the layout. It cannot fail: otherwise kernels could
    /// be given arrays of another call's size.
    fn begin(&mut self, manifest: &Arc<Manifest>, random: Random, scalars: &[(&str, f32)]) {
        let groups = self.layout.groups();
        zero(&mut self.group_totals, manifest.group_totals * groups);
        zero(&mut self.results, manifest.result_slots(groups));
        zero(&mut self.scalars, manifest.scalar_slots);
        for (slot, scalar) in manifest.scalars.iter().enumerate() {
            self.set_scalar(slot, scalar.default);
        }
        for &(name, value) in scalars {
            manifest.scalar_slot(name).into_iter().for_each(|slot| self.set_scalar(slot, value));
        }
        let sizes = [groups, self.layout.pixels()].map(|size| (size as f64).to_bits());
        self.scalars[manifest.size_slots()].copy_from_slice(&sizes);
        self.manifest.clone_from(manifest);
        self.random = random;
        self.has_all_sizes = false;
    }

    /// The manifest of their loss.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// The layout of their call.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The source of the call's random draws.
    pub fn random(&self) -> Random {
        self.random
    }

    /// One total per reduction and group, reduction-major: f64 bits for a sum, an i64 for a
    /// count.
    pub fn group_totals(&self) -> &[u64] {
        &self.group_totals
    }

    /// The totals, for workers that add them up by their own means.
    pub fn group_totals_mut(&mut self) -> &mut [u64] {
        &mut self.group_totals
    }

    /// The scalar slots: arguments, f32 bits in the low half of each; the number of groups, the
    /// number of all pixels, and what epilogues computed, f64 bits.
    pub fn scalars(&self) -> &[u64] {
        &self.scalars
    }

    /// The result slots: the loss's f32 bits, then one slot per result and group.
    pub fn results(&self) -> &[u64] {
        &self.results
    }

    /// The loss, once the call has run.
    pub fn loss(&self) -> f32 {
        self.results.first().copied().map(low_float).unwrap_or_default()
    }

    /// The named results with their slots, one per group: the bits of an f32 in the low four
    /// bytes, or an i64.
    pub fn group_results(&self) -> impl Iterator<Item = (&ResultDescription, &[u64])> + Clone {
        let groups = self.layout.groups();
        let slots = move |index| &self.results[1 + index * groups..][..groups];
        self.manifest.results.iter().enumerate().map(move |(index, result)| (result, slots(index)))
    }

    /// Adds the number of pixels of another worker, for workers that exchange it before the
    /// first pass. If no pixel of that pass depends on the number, the first
    /// [`Residuals::merge`] does it. Workers that add up totals by their own means do it here.
    ///
    /// # Errors
    /// If the other residuals are of another loss, or over another number of groups.
    pub fn merge_sizes(&mut self, other: &Self) -> Result<(), RuntimeError> {
        self.check_worker(other)?;
        self.add_pixels(other);
        self.has_all_sizes = true;
        Ok(())
    }

    fn add_pixels(&mut self, other: &Self) {
        let slot = self.manifest.size_slots().end - 1;
        self.scalars[slot] = add(ReductionKind::Sum, self.scalars[slot], other.scalars[slot]);
    }

    fn check_worker(&self, other: &Self) -> Result<(), RuntimeError> {
        other.check_loss(&self.manifest)?;
        let (expected, found) = (self.layout.groups(), other.layout.groups());
        if expected == found { Ok(()) } else { Err(RuntimeError::Groups { expected, found }) }
    }

    /// Adds the sums that another worker made in forward pass `pass`, and, with those of the
    /// first pass, the number of its pixels, unless [`Residuals::merge_sizes`] has.
    ///
    /// Sums are added in f64: fix the order of workers to fix the bits. The layout remains that
    /// of `self`.
    ///
    /// # Errors
    /// If the other sums are of another loss, or over another number of groups, or depend
    /// on the number of pixels and were made before it was known.
    pub fn merge(&mut self, pass: usize, other: &Self) -> Result<(), RuntimeError> {
        self.check_worker(other)?;
        let groups = self.layout.groups();
        let kernel = forward_kernel(&self.manifest, pass)?;
        if pass == 0 && !self.has_all_sizes {
            if self.manifest.kernels[kernel].needs_sizes {
                return Err(RuntimeError::SizesFirst(self.manifest.name.clone()));
            }
            self.add_pixels(other);
        }
        for reduction in &self.manifest.kernels[kernel].reductions {
            for slot in reduction.group_total * groups..(reduction.group_total + 1) * groups {
                self.group_totals[slot] =
                    add(reduction.kind, self.group_totals[slot], other.group_totals[slot]);
            }
        }
        Ok(())
    }

    /// Checks that they are residuals of the loss that `manifest` describes.
    pub(crate) fn check_loss(&self, manifest: &Arc<Manifest>) -> Result<(), RuntimeError> {
        if Arc::ptr_eq(&self.manifest, manifest) || self.manifest.is_of_the_loss_of(manifest) {
            return Ok(());
        }
        Err(RuntimeError::ForeignResiduals {
            expected: manifest.name.clone(),
            found: self.manifest.name.clone(),
        })
    }

    /// Checks that `shape` is that of their call.
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
        self.scalars[slot] = u64::from(value.to_bits());
    }

    /// The three arrays that kernels write: group totals, scalars, results.
    pub(crate) fn buffers_mut(&mut self) -> (&mut [u64], &mut [u64], &mut [u64]) {
        (&mut self.group_totals, &mut self.scalars, &mut self.results)
    }
}

/// The kernel of forward pass `pass`.
pub(crate) fn forward_kernel(manifest: &Manifest, pass: usize) -> Result<usize, RuntimeError> {
    let passes = manifest.forward.len();
    let none = || RuntimeError::NoSuchPass { loss: manifest.name.clone(), passes, pass };
    manifest.forward.get(pass).copied().ok_or_else(none)
}

/// Sets `slots` to `count` zeros.
fn zero<T: Clone + Default>(slots: &mut Vec<T>, count: usize) {
    slots.clear();
    slots.resize(count, T::default());
}

fn add(kind: ReductionKind, left: u64, right: u64) -> u64 {
    match kind {
        ReductionKind::Sum => (f64::from_bits(left) + f64::from_bits(right)).to_bits(),
        ReductionKind::Count => left.wrapping_add(right),
    }
}
