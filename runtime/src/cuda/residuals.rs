//! Residuals in device memory.

use super::device::Stream;
use super::error::CudaError;
use super::memory::{DeviceBuffer, clear, copy, download, store_word, upload};
use crate::error::RuntimeError;
use crate::executor::{Outcome, Residuals};

/// Residuals of a forward call on the device, for the backward direction: the counterpart of
/// [`Residuals`].
#[derive(Debug)]
pub struct DeviceResiduals {
    /// Manifest, layout and seed, and the scalars as they were before the
    /// call; its sums are stale.
    host: Residuals,
    /// Group totals, then results, then scalars.
    block: DeviceBuffer,
    /// The bits of the scalar arguments and the sizes on the device, where they are known.
    known: Vec<Option<u64>>,
}

impl DeviceResiduals {
    /// Zero sums and the scalar arguments of `host`, without a copy from host
    /// memory.
    pub(super) fn new(stream: &Stream, host: Residuals) -> Result<Self, CudaError> {
        let mut residuals = Self::allocate(stream, host)?;
        clear(stream, &residuals.block)?;
        residuals.store_arguments()?;
        Ok(residuals)
    }

    /// Resets them for another call. If they were of one with the same layout and scalars,
    /// nothing is queued: the call's launches write the sums that they read, and those of other
    /// directions stay.
    pub(super) fn reset(&mut self, stream: &Stream, host: Residuals) -> Result<(), CudaError> {
        if host.manifest() != self.host.manifest() || host.layout() != self.host.layout() {
            *self = Self::new(stream, host)?;
            return Ok(());
        }
        self.move_to(stream)?;
        self.host = host;
        if self.host.layout().pixels() == 0 {
            // No launch writes sums then.
            clear(stream, &self.block)?;
            self.known.fill(None);
        }
        self.store_arguments()
    }

    /// A copy of everything in `host`.
    pub(super) fn upload(stream: &Stream, host: Residuals) -> Result<Self, CudaError> {
        let residuals = Self::allocate(stream, host)?;
        let host = &residuals.host;
        upload(stream, residuals.group_totals_pointer(), bytes(host.group_totals()))?;
        upload(stream, residuals.results_pointer(), bytes(host.results()))?;
        upload(stream, residuals.scalars_pointer(), bytes(host.scalars()))?;
        Ok(residuals)
    }

    fn allocate(stream: &Stream, host: Residuals) -> Result<Self, CudaError> {
        let slots = host.group_totals().len() + host.results().len();
        let length = slots * size_of::<u64>() + size_of_val(host.scalars());
        let known = vec![None; host.manifest().size_slots().end];
        Ok(Self { block: DeviceBuffer::new(stream, length)?, host, known })
    }

    fn store_arguments(&mut self) -> Result<(), CudaError> {
        (0..self.known.len()).try_for_each(|slot| self.store_slot(slot, self.host.scalars()[slot]))
    }

    /// The device address of the loss, an f32.
    pub fn loss_pointer(&self) -> u64 {
        // Result slot 0 holds it in its low bytes, which come first.
        self.results_pointer()
    }

    /// The device address of the totals, `[group_totals][groups]`: f64 for a sum,
    /// i64 for a count. Workers may add theirs up here between
    /// `partials_of_pass_on_device` and `finish_pass_on_device`.
    pub fn group_totals_pointer(&self) -> u64 {
        self.block.pointer()
    }

    /// Waits for their call and copies its outcome to the host.
    ///
    /// # Errors
    /// The driver's error, which may be a fault of the call's kernels.
    pub fn read(&self) -> Result<Outcome, RuntimeError> {
        let mut host = self.host.clone();
        self.read_into(&mut host)?;
        Ok(Outcome::new(host))
    }

    /// Like [`DeviceResiduals::read`], into residuals of the same loss and layout.
    pub(super) fn read_into(&self, host: &mut Residuals) -> Result<(), CudaError> {
        let stream = self.block.stream();
        let (results, scalars) = (self.results_pointer(), self.scalars_pointer());
        let (group_total_values, scalar_values, result_values) = host.buffers_mut();
        let copied = download(stream, bytes_mut(group_total_values), self.group_totals_pointer())
            .and_then(|()| download(stream, bytes_mut(result_values), results))
            .and_then(|()| download(stream, bytes_mut(scalar_values), scalars));
        // A copy may be in progress even if a later one could not be queued.
        stream.synchronize().and(copied)
    }

    /// Manifest, layout and random key of the call, and the scalars as it began.
    pub(super) fn host(&self) -> &Residuals {
        &self.host
    }

    pub(super) fn stream(&self) -> &Stream {
        self.block.stream()
    }

    pub(super) fn move_to(&mut self, stream: &Stream) -> Result<(), CudaError> {
        self.block.move_to(stream)
    }

    /// Queues writing a scalar argument, unless it is known to have that value.
    pub(super) fn store_scalar(&mut self, slot: usize, value: f32) -> Result<(), CudaError> {
        self.store_slot(slot, u64::from(value.to_bits()))
    }

    /// Like [`Self::store_scalar`], for any slot that a call sets.
    fn store_slot(&mut self, slot: usize, bits: u64) -> Result<(), CudaError> {
        if self.known[slot] == Some(bits) {
            return Ok(());
        }
        self.known[slot] = None;
        let at = self.scalar_pointer(slot);
        store_word(self.stream(), at, bits as u32)?;
        // Nobody reads the upper half of an argument.
        if self.host.manifest().size_slots().contains(&slot) {
            store_word(self.stream(), at + size_of::<u32>() as u64, (bits >> 32) as u32)?;
        }
        // Work that a graph captures is done only when it is replayed.
        if !self.stream().is_capturing()? {
            self.known[slot] = Some(bits);
        }
        Ok(())
    }

    pub(super) fn copy_scalar(&mut self, slot: usize, source: u64) -> Result<(), CudaError> {
        self.known[slot] = None;
        copy(self.stream(), self.scalar_pointer(slot), source, size_of::<f32>())
    }

    pub(super) fn results_pointer(&self) -> u64 {
        self.group_totals_pointer() + size_of_val(self.host.group_totals()) as u64
    }

    pub(super) fn scalars_pointer(&self) -> u64 {
        self.results_pointer() + size_of_val(self.host.results()) as u64
    }

    fn scalar_pointer(&self, slot: usize) -> u64 {
        self.scalars_pointer() + (slot * size_of::<u64>()) as u64
    }
}

/// Numbers for which any bits are valid, and that have no padding.
trait Plain: Copy {}
impl Plain for u64 {}
impl Plain for i64 {}

#[expect(private_bounds, reason = "only this module and its siblings call it")]
pub(super) fn bytes<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `T` has no padding, and `u8` has no alignment to violate.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    let length = size_of_val(values);
    // SAFETY: as in `bytes`, and any bits written are a valid `T`.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), length) }
}
