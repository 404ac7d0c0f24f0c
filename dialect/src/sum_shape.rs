//! The fixed shape of a sum. It is part of the IR's meaning: with it a loss has
//! the same bits on every thread count, vector width, grid and device.
//!
//! A plane's pixels are numbered by *padded position* `q = position + phase`, with
//! `phase = (plane · plane_length) mod 4`: the four pixels that share a Philox block start at a
//! multiple of four in every plane. Positions are cut into chunks of [`CHUNK`]. In a chunk,
//! accumulator `q mod CHUNK_ACCUMULATORS` adds its values in order of `q`, and
//! [`chunk_tree`] adds the accumulators, all in f32. The chunks of a plane are dealt in turn to
//! [`PLANE_ACCUMULATORS`] f64 accumulators, which are added by halves. Planes of a group and
//! groups of a call are added in ascending order in f64.

/// Padded positions in a chunk.
pub const CHUNK: usize = 2048;

/// Accumulators of a chunk.
pub const CHUNK_ACCUMULATORS: usize = 128;

/// Accumulators of a plane.
pub const PLANE_ACCUMULATORS: usize = 256;

/// Adds the accumulators of a chunk: neighbours twice, as a GPU thread does with the four
/// pixels it loads, then by halves, as a warp does with its shuffles.
pub fn chunk_tree(mut accumulators: [f32; CHUNK_ACCUMULATORS]) -> f32 {
    let mut width = CHUNK_ACCUMULATORS;
    for _ in 0..2 {
        width /= 2;
        for index in 0..width {
            accumulators[index] = accumulators[2 * index] + accumulators[2 * index + 1];
        }
    }
    while width > 1 {
        width /= 2;
        for index in 0..width {
            accumulators[index] += accumulators[index + width];
        }
    }
    accumulators[0]
}

/// Adds the partials of a plane's chunks, in order of the chunks.
pub fn combine_chunks(partials: impl IntoIterator<Item = f32>) -> f64 {
    let mut accumulators = [0.0f64; PLANE_ACCUMULATORS];
    for (chunk, partial) in partials.into_iter().enumerate() {
        accumulators[chunk % PLANE_ACCUMULATORS] += f64::from(partial);
    }
    let mut width = PLANE_ACCUMULATORS;
    while width > 1 {
        width /= 2;
        for index in 0..width {
            accumulators[index] += accumulators[index + width];
        }
    }
    accumulators[0]
}

/// The position of a plane's first pixel in its first block of four.
pub fn phase(plane: usize, plane_length: usize) -> usize {
    // Only the low bits count, so wrapping is harmless.
    plane.wrapping_mul(plane_length) % 4
}

/// The sum of one plane of pixels in f64, as every target computes it.
pub fn sum_plane(plane: usize, values: &[f32]) -> f64 {
    let phase = phase(plane, values.len());
    let chunks = (phase + values.len()).div_ceil(CHUNK);
    combine_chunks((0..chunks).map(|chunk| {
        let mut accumulators = [0.0f32; CHUNK_ACCUMULATORS];
        let first = chunk * CHUNK;
        for q in first.max(phase)..(first + CHUNK).min(phase + values.len()) {
            accumulators[q % CHUNK_ACCUMULATORS] += values[q - phase];
        }
        chunk_tree(accumulators)
    }))
}
