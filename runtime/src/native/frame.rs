//! The binary interface of compiled CPU kernels.

/// Computes one chunk of one row: `kernel_k(frame, row, chunk)`.
///
/// Distinct chunks write distinct memory, so calls may run at the same time.
pub type KernelFunction = unsafe extern "C" fn(frame: *const Frame, row: i64, chunk: i64);

/// Computes what follows from a pass's totals: `finish_k(frame)`.
pub type FinishFunction = unsafe extern "C" fn(frame: *const Frame);

/// All that a kernel sees of a call. Compiled code reads the fields at fixed
/// offsets, so their order and sizes never change.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// Pixels in a row.
    pub row_length: i64,
    /// Rows.
    pub rows: i64,
    /// Groups.
    pub groups: i64,
    /// Chunks every row is cut into.
    pub chunks_per_row: i64,
    /// The random key.
    pub seed: u64,
    /// The random stream.
    pub stream: u64,
    /// The pixel inputs in the manifest's order, then the pixel outputs. Each
    /// is aligned to its element; inputs are never written.
    pub pixels: *const *mut u8,
    /// The group of each row: `[rows]`.
    pub row_group: *const i64,
    /// The scalar slots, as [`crate::Residuals::scalars`] has them.
    pub scalars: *mut u64,
    /// The totals: `[cells][groups]`, f64 bits or i64.
    pub cells: *mut u64,
    /// The partials of the current pass: `[reductions][rows][chunks_per_row]`,
    /// f32 bits or u32.
    pub partials: *mut u32,
    /// The result slots.
    pub results: *mut u64,
}

const _: () = {
    assert!(std::mem::offset_of!(Frame, chunks_per_row) == 24);
    assert!(std::mem::offset_of!(Frame, stream) == 40);
    assert!(std::mem::offset_of!(Frame, pixels) == 48);
    assert!(std::mem::offset_of!(Frame, cells) == 72);
    assert!(std::mem::offset_of!(Frame, results) == 88);
    assert!(size_of::<Frame>() == 96);
};
