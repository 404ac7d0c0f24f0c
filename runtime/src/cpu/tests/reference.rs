//! The variance loss of `variance.c`, evaluated directly in Rust.

use crate::layout::{CHUNK, CHUNK_ACCUMULATORS, Layout};

pub struct Reference {
    pub sums: Vec<f64>,
    pub counts: Vec<i64>,
    pub mean: f32,
    pub loss: f32,
    pub gradient: Vec<f32>,
}

pub fn variance(layout: &Layout, inputs: &[f32], labels: &[u8], upstream: f32) -> Reference {
    let value = |e: usize| if labels[e] != 0 { inputs[e] } else { 0.0 };
    let sums = group_sums(layout, value);
    let mut counts = vec![0; layout.groups()];
    for (e, &label) in labels.iter().enumerate() {
        counts[layout.plane_group()[e / layout.plane_length()] as usize] += i64::from(label);
    }
    let count: i64 = counts.iter().sum();
    let mean = match count {
        0 => 0.0,
        _ => (sums.iter().sum::<f64>() / count as f64) as f32,
    };
    let distance = |e: usize| if labels[e] != 0 { inputs[e] - mean } else { 0.0 };
    let squares = group_sums(layout, |e| distance(e) * distance(e));
    Reference {
        loss: squares.iter().fold(0.0, |sum, square| sum + square) as f32,
        gradient: (0..inputs.len())
            .map(|e| if labels[e] != 0 { 2.0 * upstream * distance(e) } else { 0.0 })
            .collect(),
        sums,
        counts,
        mean,
    }
}

fn group_sums(layout: &Layout, value: impl Fn(usize) -> f32) -> Vec<f64> {
    let mut sums = vec![0.0; layout.groups()];
    for plane in 0..layout.planes() {
        let mut accumulators = [0.0_f64; 256];
        for chunk in 0..layout.chunks_per_plane() {
            accumulators[chunk % 256] += f64::from(chunk_sum(layout, plane, chunk, &value));
        }
        for half in [128, 64, 32, 16, 8, 4, 2, 1] {
            for index in 0..half {
                accumulators[index] += accumulators[index + half];
            }
        }
        sums[layout.plane_group()[plane] as usize] += accumulators[0];
    }
    sums
}

fn chunk_sum(layout: &Layout, plane: usize, chunk: usize, value: impl Fn(usize) -> f32) -> f32 {
    let mut accumulators = vec![0.0_f32; CHUNK_ACCUMULATORS];
    for q in chunk * CHUNK..(chunk + 1) * CHUNK {
        let position = q.wrapping_sub(layout.phase(plane));
        if position < layout.plane_length() {
            accumulators[q % CHUNK_ACCUMULATORS] += value(plane * layout.plane_length() + position);
        }
    }
    for _ in 0..2 {
        accumulators = accumulators.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    }
    while accumulators.len() > 1 {
        let (low, high) = accumulators.split_at(accumulators.len() / 2);
        accumulators = low.iter().zip(high).map(|(a, b)| a + b).collect();
    }
    accumulators[0]
}
