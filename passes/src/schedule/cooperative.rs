//! Both passes of `forward_backward` in one launch.
//!
//! A GPU's multiprocessors have memory of their own, which does not outlive a launch. If one
//! launch is both passes, the first can leave values there that the second needs of a pixel,
//! instead of reading and computing them again: a minimum cut chooses them, see `remat`. For
//! pixels beyond the memory's capacity, the second pass is the one of `backward`.

use super::{Kernel, Schedule, remat};
use crate::saturate::costs::CostModel;

/// The passes of a cooperative launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooperative {
    /// The index of the first pass alone, of which `saving` is a version.
    pub first: usize,
    /// The first pass: it reduces, and keeps pixels resident.
    pub saving: Kernel,
    /// The second pass for resident pixels.
    pub reading: Kernel,
    /// The index of the second pass for all other pixels.
    pub second: usize,
}

/// The launch, if the first of two passes reduces and the second only writes: a single launch
/// cannot wait for more.
pub(super) fn plan(schedule: &mut Schedule, costs: CostModel) -> Option<Cooperative> {
    let [first, second] = schedule.forward_backward[..] else { return None };
    let mut passes = [first, second].map(|index| schedule.kernels[index].clone());
    if passes[0].reductions.is_empty() || !passes[1].reductions.is_empty() {
        return None;
    }
    remat::save(schedule, &mut passes, remat::Home::SharedMemory, costs);
    let [saving, reading] = passes;
    Some(Cooperative { first, saving, reading, second })
}
