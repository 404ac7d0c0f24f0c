//! The threads that sum a chunk.

use lossc_dialect::sum_shape::{CHUNK, CHUNK_ACCUMULATORS};

use super::thread::warp_of_block;
use super::{AHEAD, WARPS};
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, Value};

/// Steps per chunk: in a step, a warp covers each chunk accumulator once.
pub(super) const STEPS: usize = CHUNK / CHUNK_ACCUMULATORS;

/// A block's warps divide a chunk's steps evenly, and each does its own at once.
const _: () = assert!(STEPS == AHEAD * WARPS);

/// The threads that share a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Team {
    /// A warp, for images with enough chunks for all warps of a device.
    Warp,
    /// A block, for smaller images: each warp has [`AHEAD`] steps, and their terms are added in
    /// shared memory, in the same order.
    Block,
}

impl Team {
    pub(super) const ALL: [Self; 2] = [Self::Warp, Self::Block];

    /// The number of chunks that a block sums at the same time: its *tile*.
    pub(super) fn chunks_per_tile(self) -> usize {
        match self {
            Self::Warp => WARPS,
            Self::Block => 1,
        }
    }

    /// The number of steps of a tile that a warp does.
    pub(super) fn steps_per_warp(self) -> usize {
        match self {
            Self::Warp => STEPS,
            Self::Block => AHEAD,
        }
    }

    /// The number of tiles of a plane: no tile has chunks of two planes.
    pub(super) fn tiles_per_plane(self, emitter: &mut Emitter, call: &Call) -> Value {
        let chunks = self.chunks_per_tile();
        let (most, bits) = (emitter.index(chunks - 1), emitter.index(chunks.ilog2() as usize));
        let rounded = emitter.add(call.chunks_per_plane, most);
        emitter.apply("arith.shrui", &[rounded, bits])
    }

    /// The chunk of a plane that this warp sums, alone or with its team, in the plane's tile
    /// `tile`.
    pub(super) fn chunk(self, emitter: &mut Emitter, tile: Value) -> Value {
        match self {
            Self::Warp => {
                let warps = emitter.index(WARPS);
                let first = emitter.mul(tile, warps);
                let warp = warp_of_block(emitter);
                emitter.add(first, warp)
            }
            Self::Block => tile,
        }
    }

    /// The positions of a chunk that this warp computes, if `end` is the chunk's end: the first,
    /// and the one after the last. A block does all steps of a chunk, so that each has terms.
    pub(super) fn span(self, emitter: &mut Emitter, end: Value) -> [Value; 2] {
        match self {
            Self::Warp => [emitter.index(0), end],
            Self::Block => {
                let (warp, share) = (warp_of_block(emitter), emitter.index(AHEAD * CHUNK_ACCUMULATORS));
                let first = emitter.mul(warp, share);
                [first, emitter.add(first, share)]
            }
        }
    }
}
