//! `kernel_K`: a pass.

use lossc_dialect::ops::Numerics;

use super::arrival::is_last;
use super::combine::Combine;
use super::epilogue::Block;
use super::resident::Slots;
use super::team::Team;
use super::thread::{barrier, block, blocks};
use super::{Entry, cooperative, groups, pixels};
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, Value};
use crate::lower::epilogue::{self, Workers as _};
use crate::schedule::{Kernel, Schedule};

pub(super) fn function(
    schedule: &Schedule,
    index: usize,
    numerics: Numerics,
    team: Team,
) -> Result<String, LowerError> {
    Entry::Pass(team).function(schedule, index, numerics, |emitter, call, _| {
        let kernel = &schedule.kernels[index];
        let number = number(emitter, kernel);
        Pass { schedule, kernel, work: Work::Compute, team, call, flag: None }.tile(emitter, number)
    })
}

/// The tile of this block. A pass that only writes begins with the last one: the pixels that the
/// pass before it read last may still be in the cache.
fn number(emitter: &mut Emitter, kernel: &Kernel) -> Value {
    let block = block(emitter);
    if !kernel.reductions.is_empty() {
        return block;
    }
    let (blocks, one) = (blocks(emitter), emitter.index(1));
    let last = emitter.apply("arith.subi", &[blocks, one]);
    emitter.apply("arith.subi", &[last, block])
}

/// The work of a pass on the pixels of a tile.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    Compute,
    /// Compute, and keep steps resident up to the capacity.
    Save(&'a Slots<'a>),
    /// Compute the resident steps by a kernel of their own.
    Load(&'a Kernel, &'a Slots<'a>),
}

/// A pass over the data.
pub(super) struct Pass<'a> {
    pub(super) schedule: &'a Schedule,
    /// The pass's kernel.
    pub(super) kernel: &'a Kernel,
    pub(super) work: Work<'a>,
    pub(super) team: Team,
    pub(super) call: &'a Call,
    /// The flag that is raised when all is done, if a block waits for it.
    pub(super) flag: Option<Value>,
}

impl Pass<'_> {
    /// Computes tile `number`: chunks of a plane, one per team. The block that does the last
    /// tile continues with the epilogue.
    pub(super) fn tile(&self, emitter: &mut Emitter, number: Value) -> Result<(), LowerError> {
        let per_plane = self.team.tiles_per_plane(emitter, self.call);
        let plane = emitter.apply("arith.divui", &[number, per_plane]);
        let in_plane = emitter.apply("arith.remui", &[number, per_plane]);
        let chunk = self.team.chunk(emitter, in_plane);
        let pixels = |emitter: &mut Emitter| pixels::chunk(emitter, self, [plane, chunk]);
        match self.team {
            Team::Warp => {
                let has_chunk = emitter.compare("ult", chunk, self.call.chunks_per_plane);
                emitter.when(has_chunk, pixels)?;
            }
            Team::Block => pixels(emitter)?,
        }
        self.after_pixels(emitter, number, plane, per_plane)
    }

    fn after_pixels(
        &self,
        emitter: &mut Emitter,
        number: Value,
        plane: Value,
        per_plane: Value,
    ) -> Result<(), LowerError> {
        if self.kernel.reductions.is_empty() {
            let zero = emitter.index(0);
            let is_first = emitter.compare("eq", number, zero);
            return emitter.when(is_first, |emitter| self.epilogue(emitter));
        }
        let combine = Combine::new(self.schedule, self.kernel, self.call);
        let workspace = combine.workspace;
        let ticket = workspace.ticket(emitter, plane);
        let is_last_of_plane = is_last(emitter, ticket, per_plane)?;
        emitter.when(is_last_of_plane, |emitter| {
            combine.plane(emitter, plane)?;
            let ticket = workspace.ticket(emitter, self.call.planes);
            let is_last_plane = is_last(emitter, ticket, self.call.planes)?;
            emitter.when(is_last_plane, |emitter| {
                groups::write(emitter, &combine)?;
                self.epilogue(emitter)
            })
        })
    }

    /// The block computes the epilogue. A thread's groups are those whose totals it has computed
    /// itself.
    fn epilogue(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        epilogue::body(emitter, self.schedule, self.kernel, self.call, &Block)?;
        let Some(flag) = self.flag else { return Ok(()) };
        // Reductions over groups already synchronise all threads.
        if self.kernel.group_reductions.is_empty() {
            barrier(emitter);
        }
        Block.once(emitter, |emitter| {
            cooperative::raise(emitter, flag);
            Ok(())
        })
    }
}
