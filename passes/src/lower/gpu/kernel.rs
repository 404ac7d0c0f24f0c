//! `kernel_K`: a pass.

use super::arrival::is_last;
use super::combine::Combine;
use super::pixels;
use super::thread::{barrier, block, blocks_per_row, thread_of_block, warp_of_block};
use super::workspace::Workspace;
use super::{BLOCK, WARPS, entry, groups, kernel_arrays};
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, Value};
use crate::lower::{LowerError, finish};
use crate::schedule::{Kernel, Schedule};

pub(super) fn function(schedule: &Schedule, kernel: &Kernel, index: usize) -> Result<String, LowerError> {
    entry("kernel", index, BLOCK, kernel_arrays(schedule), |emitter, call| {
        let per_row = blocks_per_row(emitter, call.chunks_per_row);
        let block = block(emitter);
        let row = emitter.apply("arith.divui", &[block, per_row]);
        let number = emitter.apply("arith.remui", &[block, per_row]);
        let warps = emitter.index(WARPS);
        let first = emitter.mul(number, warps);
        let warp = warp_of_block(emitter);
        let chunk = emitter.add(first, warp);
        let has_chunk = emitter.compare("ult", chunk, call.chunks_per_row);
        emitter.when(has_chunk, |emitter| pixels::chunk(emitter, schedule, kernel, call, row, chunk))?;
        Pass { schedule, kernel, call }.after_pixels(emitter, row, per_row)
    })
}

/// What follows when a block has done its pixels.
struct Pass<'a> {
    schedule: &'a Schedule,
    kernel: &'a Kernel,
    call: &'a Call,
}

impl Pass<'_> {
    fn after_pixels(&self, emitter: &mut Emitter, row: Value, per_row: Value) -> Result<(), LowerError> {
        if self.kernel.reductions.is_empty() {
            let (block, zero) = (block(emitter), emitter.index(0));
            let is_first = emitter.compare("eq", block, zero);
            return emitter.when(is_first, |emitter| self.finish(emitter));
        }
        let combine = Combine::new(self.schedule, self.kernel, self.call);
        let workspace = Workspace::new(self.call, self.kernel.reductions.len());
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
        if self.kernel.group_reductions.is_empty() && self.kernel.results.is_empty() {
            return Ok(());
        }
        let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
        let is_first = emitter.compare("eq", thread, zero);
        emitter.when(is_first, |emitter| finish::body(emitter, self.schedule, self.kernel, self.call))
    }
}
