//! The arrays of a call in device memory.

use super::COMMON;
use crate::executor::Random;
use crate::layout::Layout;
use crate::manifest::Manifest;

/// Bytes of workspace that pass `kernel` takes: for each of its reductions 8 per plane and 4
/// per chunk. `None` if that overflows.
pub fn workspace_bytes(manifest: &Manifest, layout: &Layout, kernel: usize) -> Option<usize> {
    let totals = layout.planes().checked_mul(size_of::<u64>())?;
    let partials = layout.chunks().checked_mul(size_of::<u32>())?;
    manifest.kernels[kernel].reductions.len().checked_mul(totals.checked_add(partials)?)
}

/// The array that describes the planes to kernels: the group of each plane; for each group the
/// number of planes in groups before it, and then the number of planes; the planes by group,
/// ascending; a ticket of 0 for each plane and for all planes, by which the blocks of a launch
/// count each other; and a flag. Every launch leaves tickets of 0 behind, and the flag of
/// [`Entry::Cooperative`](super::Entry::Cooperative) higher by 1.
pub fn planes(layout: &Layout) -> Vec<i64> {
    let group_of = layout.plane_group();
    let mut by_group: Vec<_> = (0..layout.planes()).collect();
    by_group.sort_by_key(|&plane| group_of[plane]);
    let before = |group: i64| by_group.partition_point(|&plane| group_of[plane] < group) as i64;
    let groups = (0..=layout.groups() as i64).map(before);
    let tickets = std::iter::repeat_n(0, layout.planes() + 1 + 1);
    let members = by_group.iter().map(|&plane| plane as i64);
    group_of.iter().copied().chain(groups).chain(members).chain(tickets).collect()
}

/// Addresses of a call's arrays in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Arrays {
    /// The array of [`planes`].
    pub planes: u64,
    /// The scalar slots, 8 bytes each, as in [`crate::Residuals::scalars`].
    pub scalars: u64,
    /// The totals, 8 bytes each.
    pub group_totals: u64,
    /// [`workspace_bytes`] uninitialised bytes.
    pub workspace: u64,
    /// The result slots, 8 bytes each.
    pub results: u64,
}

/// The parameters of a call's kernels, each of 8 bytes, from which a launch takes
/// [`Launch::parameters`](super::Launch::parameters).
pub fn parameters(layout: &Layout, random: Random, arrays: &Arrays, pixels: &[u64]) -> Vec<u64> {
    let common: [u64; COMMON] = [
        layout.plane_length() as u64,
        layout.planes() as u64,
        layout.groups() as u64,
        layout.chunks_per_plane() as u64,
        random.seed,
        random.stream,
        arrays.planes,
        arrays.scalars,
        arrays.group_totals,
        arrays.workspace,
        arrays.results,
    ];
    common.iter().chain(pixels).copied().collect()
}
