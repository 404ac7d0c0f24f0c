//! The binary interface of compiled CPU kernels.

/// Computes one chunk of one plane: `kernel_k(arguments, plane, chunk)`.
///
/// Distinct chunks write distinct memory, so calls may run at the same time.
pub type KernelFunction = unsafe extern "C" fn(arguments: *const KernelArguments, plane: i64, chunk: i64);

/// Computes what follows from a pass's totals: `epilogue_k(arguments)`.
pub type EpilogueFunction = unsafe extern "C" fn(arguments: *const KernelArguments);

/// The arguments of a kernel: all that it sees of a call. Compiled code reads the fields at
/// fixed offsets, so their order and sizes never change.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct KernelArguments {
    /// Pixels in a plane.
    pub plane_length: i64,
    /// The number of planes.
    pub planes: i64,
    /// The number of groups.
    pub groups: i64,
    /// Chunks that each plane is cut into.
    pub chunks_per_plane: i64,
    /// The random key.
    pub seed: u64,
    /// The random stream.
    pub stream: u64,
    /// The pixel inputs in the manifest's order, then the pixel outputs. Each
    /// is aligned to its element; inputs are never written.
    pub pixels: *const *mut u8,
    /// The group of each plane: `[planes]`.
    pub plane_group: *const i64,
    /// The scalar slots, as in [`crate::Residuals::scalars`].
    pub scalars: *mut u64,
    /// The totals: `[group_totals][groups]`, f64 bits or i64.
    pub group_totals: *mut u64,
    /// The partials of the current pass: `[reductions][planes][chunks_per_plane]`,
    /// f32 bits or u32.
    pub partials: *mut u32,
    /// The result slots.
    pub results: *mut u64,
}

const _: () = {
    assert!(std::mem::offset_of!(KernelArguments, chunks_per_plane) == 24);
    assert!(std::mem::offset_of!(KernelArguments, stream) == 40);
    assert!(std::mem::offset_of!(KernelArguments, pixels) == 48);
    assert!(std::mem::offset_of!(KernelArguments, group_totals) == 72);
    assert!(std::mem::offset_of!(KernelArguments, results) == 88);
    assert!(size_of::<KernelArguments>() == 96);
};
