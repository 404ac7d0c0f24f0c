//! The kernels of one entry point.

use lossc_dialect::{Level, ValueId};

use super::remat::{self, Home};
use super::{Depths, Fusion, Kernel, Options, SavedIn, Schedule, fusion};

impl Schedule {
    /// The kernels that compute `roots` if the reductions that `given` needs are known; new
    /// kernels are added to the list.
    pub(super) fn plan(&mut self, roots: &[ValueId], given: &[ValueId], options: Options) -> Vec<usize> {
        let mut kernels = self.passes(roots, given);
        self.compact(&mut kernels);
        if let SavedIn::Memory(costs) = options.saved_in {
            remat::save(self, &mut kernels, Home::Memory, costs);
        }
        if options.fusion == Fusion::Op {
            kernels = fusion::split(self, &kernels);
        }
        kernels.into_iter().map(|kernel| self.kernel(kernel)).collect()
    }

    /// Lets all kernels compact, or none if one after the first must compute something
    /// everywhere.
    fn compact(&self, kernels: &mut [Kernel]) {
        let Some(compaction) = &self.compaction else { return };
        let is_everywhere =
            |&group_total: &usize| compaction.everywhere.contains(&self.group_totals[group_total].value);
        let mut later = kernels.iter().skip(1).flat_map(|kernel| &kernel.reductions);
        if !later.any(is_everywhere) {
            kernels.iter_mut().for_each(|kernel| kernel.compaction = Some(compaction.active));
        }
    }

    /// One kernel per pass.
    fn passes(&self, roots: &[ValueId], given: &[ValueId]) -> Vec<Kernel> {
        let program = &self.program;
        let depths = Depths::of(program, given);
        let needed = depths.needed(roots);
        let count = roots.iter().map(|&root| depths.passes(program, root)).max().unwrap_or(0);
        let mut kernels = vec![Kernel::default(); count];
        let pass_of = |value: ValueId| depths.pass_of_reduction(value).filter(|_| needed[value.index()]);
        for (index, group_total) in self.group_totals.iter().enumerate() {
            if let Some(pass) = pass_of(group_total.value) {
                kernels[pass].reductions.push(index);
            }
        }
        for (index, &value) in self.group_reductions.iter().enumerate() {
            if let Some(pass) = pass_of(value) {
                kernels[pass].group_reductions.push(index);
            }
        }
        let results = program.results().iter().enumerate().filter(|(_, it)| roots.contains(&it.value));
        for (index, result) in results {
            let pass = depths.passes(program, result.value) - 1;
            match program.ty(result.value).level {
                Level::Pixel => kernels[pass].outputs.push(result.value),
                _ => kernels[pass].results.push(index),
            }
        }
        kernels
    }
}
