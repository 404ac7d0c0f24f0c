//! The fixed shape of a sum. It is part of the IR's meaning: with it a loss has
//! the same bits on every thread count, vector width, grid and device.
//!
//! A row's pixels are numbered by *padded position* `q = position + phase`, with
//! `phase = (row · row_length) mod 4`, so that blocks of four pixels that share
//! a Philox block start at a multiple of four in every row. Positions are cut
//! into chunks of [`CHUNK`]. In a chunk, lane `q mod LANES` adds its values in
//! order of `q`, and [`chunk_tree`] adds the lanes, all in f32. The chunks of a
//! row are dealt to [`COMBINE_LANES`] f64 accumulators, added by halves; rows of
//! a group and groups of a call are added in ascending order in f64.

/// Padded positions in a chunk.
pub const CHUNK: usize = 2048;

/// Partial sums in a chunk.
pub const LANES: usize = 128;

/// Accumulators over the chunks of a row.
pub const COMBINE_LANES: usize = 256;

/// Adds the lanes of a chunk: neighbours twice, as a GPU thread does with the
/// four pixels it loads, then by halves, as a warp does with its shuffles.
pub fn chunk_tree(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES;
    for _ in 0..2 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = lanes[2 * lane] + lanes[2 * lane + 1];
        }
    }
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// Adds the partials of a row's chunks, in order of the chunks.
pub fn combine_chunks(partials: impl IntoIterator<Item = f32>) -> f64 {
    let mut lanes = [0.0f64; COMBINE_LANES];
    for (chunk, partial) in partials.into_iter().enumerate() {
        lanes[chunk % COMBINE_LANES] += f64::from(partial);
    }
    let mut width = COMBINE_LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// The position of a row's first pixel in its first block of four.
pub fn phase(row: usize, row_length: usize) -> usize {
    // Only the low bits count, so wrapping is harmless.
    row.wrapping_mul(row_length) % 4
}

/// The sum of one row of pixels in f64, as every target computes it.
pub fn sum_row(row: usize, values: &[f32]) -> f64 {
    let phase = phase(row, values.len());
    let chunks = (phase + values.len()).div_ceil(CHUNK);
    combine_chunks((0..chunks).map(|chunk| {
        let mut lanes = [0.0f32; LANES];
        let first = chunk * CHUNK;
        for q in first.max(phase)..(first + CHUNK).min(phase + values.len()) {
            lanes[q % LANES] += values[q - phase];
        }
        chunk_tree(lanes)
    }))
}
