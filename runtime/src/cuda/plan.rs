//! Which kernels a call launches, on which grids and with which parameters.
//!
//! No driver is needed to ask, so that whatever runs a loss's kernels, this
//! crate's executor or a simulator, runs the same ones.

use crate::executor::Random;
use crate::layout::Layout;
use crate::manifest::{KernelManifest, Manifest};

/// Parameters before the pixel pointers, which all kernels take.
const COMMON: usize = 11;

/// Chunks that one block of a pass sums: one a warp.
const CHUNKS_PER_BLOCK: usize = 8;

/// Threads in a block of a pass or combination.
const THREADS: u32 = 256;

/// What a kernel function of a pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Sums the chunks and writes the pixel outputs.
    Pass,
    /// Adds the chunks' sums up.
    Combine,
    /// Computes what follows from the totals.
    Finish,
}

impl Entry {
    /// The name of the function in the code, for pass `kernel`.
    pub fn function(self, kernel: usize) -> String {
        let stem = match self {
            Self::Pass => "kernel",
            Self::Combine => "combine",
            Self::Finish => "finish",
        };
        format!("{stem}_{kernel}")
    }
}

/// All kernel functions that the code of a loss has.
pub fn entries(manifest: &Manifest) -> Vec<(usize, Entry)> {
    let of_kernel = |(index, kernel): (usize, &KernelManifest)| {
        let combine = (!kernel.reductions.is_empty()).then_some(Entry::Combine);
        [Some(Entry::Pass), combine, Some(Entry::Finish)]
            .into_iter()
            .flatten()
            .map(move |entry| (index, entry))
    };
    manifest.kernels.iter().enumerate().flat_map(of_kernel).collect()
}

/// One launch of a kernel function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The pass it is of.
    pub kernel: usize,
    /// The function of that pass.
    pub entry: Entry,
    /// Blocks in the grid.
    pub blocks: usize,
    /// Threads in a block.
    pub threads: u32,
}

impl Launch {
    /// The parameters that its function takes of a call's.
    pub fn parameters(self, all: &[u64]) -> &[u64] {
        match self.entry {
            Entry::Pass => all,
            Entry::Combine | Entry::Finish => &all[..COMMON],
        }
    }
}

/// The launches that give the totals of pass `kernel`, and its pixel outputs.
pub fn totals(manifest: &Manifest, layout: &Layout, kernel: usize) -> Vec<Launch> {
    let reductions = manifest.kernels[kernel].reductions.len();
    let pass = Launch {
        kernel,
        entry: Entry::Pass,
        blocks: layout.chunks().div_ceil(CHUNKS_PER_BLOCK),
        threads: THREADS,
    };
    let combine =
        Launch { kernel, entry: Entry::Combine, blocks: reductions * layout.groups(), threads: THREADS };
    // A call without pixels has nothing to sum.
    [pass, combine].into_iter().filter(|launch| launch.blocks > 0).collect()
}

/// The launch that computes what follows from the totals of pass `kernel`.
pub fn finish(kernel: usize) -> Launch {
    Launch { kernel, entry: Entry::Finish, blocks: 1, threads: 1 }
}

/// All launches of pass `kernel`.
pub fn pass(manifest: &Manifest, layout: &Layout, kernel: usize) -> Vec<Launch> {
    let mut launches = totals(manifest, layout, kernel);
    launches.push(finish(kernel));
    launches
}

/// Bytes that the partials of pass `kernel` take; none if that overflows.
pub fn partials_bytes(manifest: &Manifest, layout: &Layout, kernel: usize) -> Option<usize> {
    let reductions = manifest.kernels[kernel].reductions.len();
    reductions.checked_mul(layout.chunks())?.checked_mul(size_of::<u32>())
}

/// Where a call's arrays are in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Arrays {
    /// The group of each row, i64.
    pub row_group: u64,
    /// The scalar slots, f32.
    pub scalars: u64,
    /// The totals, 8 bytes each.
    pub cells: u64,
    /// The sums of chunks; see [`partials_bytes`].
    pub partials: u64,
    /// The result slots, 8 bytes each.
    pub results: u64,
}

/// The parameters of a call's kernels, each of 8 bytes, of which a launch takes
/// [`Launch::parameters`].
pub fn parameters(layout: &Layout, random: Random, arrays: &Arrays, pixels: &[u64]) -> Vec<u64> {
    let common: [u64; COMMON] = [
        layout.row_length() as u64,
        layout.rows() as u64,
        layout.groups() as u64,
        layout.chunks_per_row() as u64,
        random.seed,
        random.stream,
        arrays.row_group,
        arrays.scalars,
        arrays.cells,
        arrays.partials,
        arrays.results,
    ];
    common.iter().chain(pixels).copied().collect()
}
