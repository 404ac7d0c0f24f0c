//! Addition of the partials of chunks to the totals of groups, in the order that
//! [`crate::layout`] fixes.

use lossc_faults::{Fault, is_seeded};

use crate::layout::{Layout, PLANE_ACCUMULATORS};
use crate::manifest::ReductionKind;

/// Adds the partials of one reduction, `[planes][chunks_per_plane]`, into one total per group.
pub(super) fn combine(kind: ReductionKind, layout: &Layout, partials: &[u32], group_totals: &mut [u64]) {
    match kind {
        ReductionKind::Sum => combine_sums(layout, partials, group_totals),
        ReductionKind::Count => combine_counts(layout, partials, group_totals),
    }
}

fn combine_sums(layout: &Layout, partials: &[u32], group_totals: &mut [u64]) {
    group_totals.fill(0.0_f64.to_bits());
    for (plane, group) in planes(layout, partials) {
        let before =
            if is_seeded(Fault::PlanesReplaceOneAnother) { 0.0 } else { f64::from_bits(group_totals[group]) };
        let total = before + plane_sum(plane);
        group_totals[group] = total.to_bits();
    }
}

fn combine_counts(layout: &Layout, partials: &[u32], group_totals: &mut [u64]) {
    group_totals.fill(0);
    for (plane, group) in planes(layout, partials) {
        group_totals[group] += plane.iter().map(|&count| u64::from(count)).sum::<u64>();
    }
}

/// The partials of each plane with the plane's group; empty if planes have no chunks.
fn planes<'a>(layout: &'a Layout, partials: &'a [u32]) -> impl Iterator<Item = (&'a [u32], usize)> {
    let groups = layout.plane_group().iter().map(|&group| group as usize);
    partials.chunks_exact(layout.chunks_per_plane().max(1)).zip(groups)
}

/// The sum of a plane's partials.
///
/// Accumulators that no chunk reaches hold +0. No accumulator ever holds -0, as each starts
/// from +0, so adding an unreached one changes no bit. Hence the tree may start at the smallest
/// power of two that holds all chunks.
fn plane_sum(partials: &[u32]) -> f64 {
    let width = partials.len().next_power_of_two().min(PLANE_ACCUMULATORS);
    let mut accumulators = [0.0_f64; PLANE_ACCUMULATORS];
    let accumulators = &mut accumulators[..width];
    for block in partials.chunks(width) {
        for (accumulator, &partial) in accumulators.iter_mut().zip(block) {
            *accumulator += f64::from(f32::from_bits(partial));
        }
    }
    let mut half = width / 2;
    while half > 0 {
        for index in 0..half {
            accumulators[index] += accumulators[index + half];
        }
        half /= 2;
    }
    accumulators[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The contract word for word: 256 accumulators, then halves from 128.
    fn plane_sum_by_the_contract(partials: &[u32]) -> f64 {
        let mut accumulators = [0.0_f64; 256];
        for (chunk, &partial) in partials.iter().enumerate() {
            accumulators[chunk % 256] += f64::from(f32::from_bits(partial));
        }
        for half in [128, 64, 32, 16, 8, 4, 2, 1] {
            for index in 0..half {
                accumulators[index] += accumulators[index + half];
            }
        }
        accumulators[0]
    }

    proptest! {
        #[test]
        fn short_planes_take_a_smaller_tree_to_the_same_bits(
            values in prop::collection::vec(prop_oneof![
                prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL,
                Just(-0.0_f32),
                -1.0_f32..1.0,
            ], 0..700),
        ) {
            let partials: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            let expected = plane_sum_by_the_contract(&partials);
            prop_assert_eq!(plane_sum(&partials).to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn a_nan_stays_a_nan() {
        for length in [1, 2, 300] {
            let mut partials = vec![1.0_f32.to_bits(); length];
            partials[length - 1] = f32::NAN.to_bits();
            assert!(plane_sum(&partials).is_nan());
        }
    }

    #[test]
    fn counts_pass_32_bits() {
        let layout = Layout::new(&[3, 1, 4096], crate::Balance::Batch).unwrap();
        let mut group_totals = [7];
        combine(ReductionKind::Count, &layout, &[u32::MAX; 6], &mut group_totals);
        assert_eq!(group_totals, [6 * u64::from(u32::MAX)]);
    }
}
