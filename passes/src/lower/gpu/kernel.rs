//! `kernel_K`: a pass.

use lossc_dialect::ops::Numerics;

use super::arrival::is_last;
use super::combine::Combine;
use super::pixels::{self, Kept};
use super::thread::{barrier, block, blocks_per_row, thread_of_block, warp_of_block};
use super::{BLOCK, Entry, WARPS, both, groups};
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, Value};
use crate::lower::pixel::arrays;
use crate::lower::{LowerError, finish};
use crate::schedule::{Kernel, Schedule};

pub(super) fn function(
    schedule: &Schedule,
    kernel: &Kernel,
    index: usize,
    numerics: Numerics,
) -> Result<String, LowerError> {
    let entry = Entry { name: "kernel", index, threads: BLOCK, tensors: arrays(schedule), numerics };
    entry.function(|emitter, call| {
        let number = block(emitter);
        let pass = Pass { schedule, kernel, call, flag: None };
        pass.tile(emitter, number, None)
    })
}

/// A pass over the data.
pub(super) struct Pass<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) kernel: &'a Kernel,
    pub(super) call: &'a Call,
    /// What is raised when all is done, if anybody waits for it.
    pub(super) flag: Option<Value>,
}

impl Pass<'_> {
    /// Computes tile `number`: up to eight chunks of a row, a warp each. The block
    /// that does the last tile goes on to what follows from the totals.
    pub(super) fn tile(
        &self,
        emitter: &mut Emitter,
        number: Value,
        kept: Option<&Kept<'_>>,
    ) -> Result<(), LowerError> {
        let call = self.call;
        let per_row = blocks_per_row(emitter, call.chunks_per_row);
        let row = emitter.apply("arith.divui", &[number, per_row]);
        let in_row = emitter.apply("arith.remui", &[number, per_row]);
        let warps = emitter.index(WARPS);
        let first = emitter.mul(in_row, warps);
        let warp = warp_of_block(emitter);
        let chunk = emitter.add(first, warp);
        let has_chunk = emitter.compare("ult", chunk, call.chunks_per_row);
        emitter.when(has_chunk, |emitter| {
            pixels::chunk(emitter, self.schedule, self.kernel, call, [row, chunk], kept)
        })?;
        self.after_pixels(emitter, number, row, per_row)
    }

    fn after_pixels(
        &self,
        emitter: &mut Emitter,
        number: Value,
        row: Value,
        per_row: Value,
    ) -> Result<(), LowerError> {
        if self.kernel.reductions.is_empty() {
            let zero = emitter.index(0);
            let is_first = emitter.compare("eq", number, zero);
            return emitter.when(is_first, |emitter| self.finish(emitter));
        }
        let combine = Combine::new(self.schedule, self.kernel, self.call);
        let workspace = combine.workspace;
        let ticket = workspace.ticket(emitter, row);
        let is_last_of_row = is_last(emitter, ticket, per_row)?;
        emitter.when(is_last_of_row, |emitter| {
            combine.row(emitter, row)?;
            let ticket = workspace.ticket(emitter, self.call.rows);
            let is_last_row = is_last(emitter, ticket, self.call.rows)?;
            emitter.when(is_last_row, |emitter| {
                groups::cells(emitter, &combine)?;
                barrier(emitter);
                self.finish(emitter)
            })
        })
    }

    /// The block's first thread computes what follows from the totals.
    fn finish(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let has_results = !self.kernel.group_reductions.is_empty() || !self.kernel.results.is_empty();
        if !has_results && self.flag.is_none() {
            return Ok(());
        }
        let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
        let is_first = emitter.compare("eq", thread, zero);
        emitter.when(is_first, |emitter| {
            finish::body(emitter, self.schedule, self.kernel, self.call)?;
            self.flag.into_iter().for_each(|flag| both::raise(emitter, flag));
            Ok(())
        })
    }
}
