//! Which kernels a call launches, on which grids and with which parameters.
//!
//! No driver is needed to ask, so that whatever runs a loss's kernels, this
//! crate's executor or a simulator, runs the same ones.

use crate::executor::Random;
use crate::layout::Layout;
use crate::manifest::Manifest;

/// Parameters before the pixel pointers, which all kernels take.
const COMMON: usize = 11;

/// Chunks that one block of a pass sums: one a warp.
const CHUNKS_PER_BLOCK: usize = 8;

/// Threads in a block of a pass.
pub(super) const THREADS: u32 = 256;

/// What a kernel function of a pass does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Writes the pixel outputs, adds up all that the pass reduces, and computes what
    /// follows from the totals.
    Pass,
    /// Only computes what follows from the totals.
    Finish,
    /// All passes of `forward_backward`, of which this is the first, on blocks that are
    /// on the device at the same time.
    Both,
}

impl Entry {
    /// The name of the function in the code, for pass `kernel`.
    pub fn function(self, kernel: usize) -> String {
        let stem = match self {
            Self::Pass => "kernel",
            Self::Finish => "finish",
            Self::Both => "both",
        };
        format!("{stem}_{kernel}")
    }
}

/// All kernel functions that the code of a loss has.
pub fn entries(manifest: &Manifest) -> impl Iterator<Item = (usize, Entry)> {
    let passes = (0..manifest.kernels.len())
        .flat_map(|kernel| [Entry::Pass, Entry::Finish].map(|entry| (kernel, entry)));
    let both = manifest.forward_backward.first().filter(|_| manifest.tile_bytes.is_some());
    passes.chain(both.map(|&kernel| (kernel, Entry::Both)))
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
    /// Bytes of shared memory that a block gets beyond what its function declares.
    pub shared_bytes: usize,
}

impl Launch {
    /// The parameters that its function takes of a call's.
    pub fn parameters(self, all: &[u64]) -> &[u64] {
        match self.entry {
            Entry::Pass | Entry::Both => all,
            Entry::Finish => &all[..COMMON],
        }
    }
}

/// The launch of pass `kernel`; none for a call without pixels.
pub fn totals(layout: &Layout, kernel: usize) -> Option<Launch> {
    let blocks = tiles(layout);
    (blocks > 0).then_some(Launch { kernel, entry: Entry::Pass, blocks, threads: THREADS, shared_bytes: 0 })
}

/// The launch that computes what follows from the totals of pass `kernel`, for
/// totals that did not come from a launch of it alone.
pub fn finish(kernel: usize) -> Launch {
    Launch { kernel, entry: Entry::Finish, blocks: 1, threads: 1, shared_bytes: 0 }
}

/// All of pass `kernel`, totals and what follows from them, in one launch.
pub fn pass(layout: &Layout, kernel: usize) -> Launch {
    totals(layout, kernel).unwrap_or_else(|| finish(kernel))
}

/// All of `forward_backward` in one cooperative launch, if the code can and the pixels
/// fit on the device. `resident` says how many blocks of [`Entry::Both`] it holds at
/// the same time if each has so many bytes of shared memory.
pub fn both(manifest: &Manifest, layout: &Layout, resident: impl Fn(usize) -> usize) -> Option<Launch> {
    let (tile, tiles) = (manifest.tile_bytes?, tiles(layout));
    let &kernel = manifest.forward_backward.first()?;
    let launch = |tiles_per_block: usize| {
        let shared_bytes = tiles_per_block * tile;
        Launch {
            kernel,
            entry: Entry::Both,
            blocks: resident(shared_bytes).min(tiles),
            threads: THREADS,
            shared_bytes,
        }
    };
    let possible = (1..=tiles).map(|tiles_per_block| (tiles_per_block, launch(tiles_per_block)));
    let mut possible = possible.take_while(|(_, launch)| launch.blocks > 0);
    let fits = |(tiles_per_block, launch): &(usize, Launch)| launch.blocks * tiles_per_block >= tiles;
    possible.find(fits).map(|(_, launch)| launch)
}

/// Blocks' worth of chunks: no block has chunks of two rows.
fn tiles(layout: &Layout) -> usize {
    layout.rows() * layout.chunks_per_row().div_ceil(CHUNKS_PER_BLOCK)
}

/// Bytes of workspace that pass `kernel` takes: for each of its reductions 8 a row
/// and 4 a chunk. None if that overflows.
pub fn workspace_bytes(manifest: &Manifest, layout: &Layout, kernel: usize) -> Option<usize> {
    let totals = layout.rows().checked_mul(size_of::<u64>())?;
    let partials = layout.chunks().checked_mul(size_of::<u32>())?;
    manifest.kernels[kernel].reductions.len().checked_mul(totals.checked_add(partials)?)
}

/// What kernels are told of the rows: the group of each row; for each group the
/// number of rows in groups before it, and then the number of rows; the rows by
/// group, ascending; a ticket of 0 for each row and for all rows, on which the blocks
/// of a launch count each other; and a flag. Every launch leaves tickets of 0 behind,
/// and the flag of [`Entry::Both`] higher by 1.
pub fn rows(layout: &Layout) -> Vec<i64> {
    let group_of = layout.row_group();
    let mut by_group: Vec<_> = (0..layout.rows()).collect();
    by_group.sort_by_key(|&row| group_of[row]);
    let before = |group: i64| by_group.partition_point(|&row| group_of[row] < group) as i64;
    let groups = (0..=layout.groups() as i64).map(before);
    let tickets = std::iter::repeat_n(0, layout.rows() + 1 + 1);
    let members = by_group.iter().map(|&row| row as i64);
    group_of.iter().copied().chain(groups).chain(members).chain(tickets).collect()
}

/// Where a call's arrays are in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Arrays {
    /// What [`rows`] gives.
    pub rows: u64,
    /// The scalar slots, f32.
    pub scalars: u64,
    /// The totals, 8 bytes each.
    pub cells: u64,
    /// [`workspace_bytes`], which nobody has written.
    pub workspace: u64,
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
        arrays.rows,
        arrays.scalars,
        arrays.cells,
        arrays.workspace,
        arrays.results,
    ];
    common.iter().chain(pixels).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Balance;

    #[test]
    fn rows_are_listed_by_group_in_ascending_order() {
        let layout = Layout::new(&[2, 3, 1, 1], Balance::Channel).unwrap();
        let groups = [0, 1, 2, 0, 1, 2];
        let (before, members, tickets) = ([0, 2, 4, 6], [0, 3, 1, 4, 2, 5], [0; 8]);
        let expected = groups.iter().chain(&before).chain(&members).chain(&tickets);
        assert_eq!(rows(&layout), expected.copied().collect::<Vec<i64>>());
    }

    #[test]
    fn a_pass_is_one_launch_of_blocks_that_share_no_row() {
        let layout = |shape: &[usize]| Layout::new(shape, Balance::Image).unwrap();
        for (shape, blocks) in [(&[1, 1][..], 1), (&[3, 1, 16384], 3), (&[3, 1, 16385], 6), (&[1, 70_001], 5)]
        {
            let expected = Launch { kernel: 4, entry: Entry::Pass, blocks, threads: 256, shared_bytes: 0 };
            assert_eq!(pass(&layout(shape), 4), expected, "{shape:?}");
        }
        assert_eq!(totals(&layout(&[2, 0, 5]), 0), None);
        assert_eq!(pass(&layout(&[2, 0, 5]), 0), finish(0));
    }

    /// A device with room for two blocks of 100 bytes or one of 300.
    fn resident(bytes: usize) -> usize {
        match bytes {
            0..=100 => 2,
            101..=300 => 1,
            _ => 0,
        }
    }

    #[test]
    fn one_launch_is_both_directions_where_all_tiles_fit() {
        let mut manifest = crate::cpu::tests::manifest(3);
        let plan = |manifest: &Manifest, pixels: usize| {
            let layout = Layout::new(&[1, pixels], Balance::Image).unwrap();
            both(manifest, &layout, resident).map(|launch| (launch.blocks, launch.shared_bytes))
        };
        manifest.tile_bytes = None;
        assert_eq!(plan(&manifest, 1), None);
        manifest.tile_bytes = Some(100);
        let tile = 8 * 2048;
        assert_eq!(plan(&manifest, 1), Some((1, 100)));
        assert_eq!(plan(&manifest, 2 * tile), Some((2, 100)));
        assert_eq!(plan(&manifest, 3 * tile), Some((1, 300)));
        assert_eq!(plan(&manifest, 4 * tile), None);
        assert_eq!(plan(&manifest, 0), None);
    }
}
