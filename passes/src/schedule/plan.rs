//! The kernels of one entry point.

use lossc_dialect::{Level, ValueId};

use super::storage::{self, Place};
use super::{Fusion, Kernel, Options, Schedule, Stages, Storage, fusion};

impl Schedule {
    /// The kernels that compute `roots`, where the reductions that `given` needs
    /// are known; new kernels are added to the list.
    pub(super) fn plan(&mut self, roots: &[ValueId], given: &[ValueId], options: Options) -> Vec<usize> {
        let mut kernels = self.passes(roots, given);
        self.sift(&mut kernels);
        if let Storage::Memory(prices) = options.storage {
            storage::store(self, &mut kernels, Place::Memory, prices);
        }
        if options.fusion == Fusion::Op {
            kernels = fusion::split(self, &kernels);
        }
        kernels.into_iter().map(|kernel| self.kernel(kernel)).collect()
    }

    /// Lets all kernels sift, or none if one after the first has something to do
    /// everywhere.
    fn sift(&self, kernels: &mut [Kernel]) {
        let Some(sieve) = &self.sieve else { return };
        let is_everywhere = |&cell: &usize| sieve.everywhere.contains(&self.cells[cell].value);
        let mut later = kernels.iter().skip(1).flat_map(|kernel| &kernel.reductions);
        if !later.any(is_everywhere) {
            kernels.iter_mut().for_each(|kernel| kernel.sieve = Some(sieve.survivors));
        }
    }

    /// One kernel a pass.
    fn passes(&self, roots: &[ValueId], given: &[ValueId]) -> Vec<Kernel> {
        let program = &self.program;
        let stages = Stages::of(program, given);
        let needed = stages.needed(roots);
        let count = roots.iter().map(|&root| stages.passes(program, root)).max().unwrap_or(0);
        let mut kernels = vec![Kernel::default(); count];
        let pass_of = |value: ValueId| stages.pass_of_reduction(value).filter(|_| needed[value.index()]);
        for (index, cell) in self.cells.iter().enumerate() {
            if let Some(pass) = pass_of(cell.value) {
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
            let pass = stages.passes(program, result.value) - 1;
            match program.ty(result.value).level {
                Level::Pixel => kernels[pass].outputs.push(result.value),
                _ => kernels[pass].results.push(index),
            }
        }
        kernels
    }
}
