//! `cooperative_K`: forward and backward in one cooperative launch.
//!
//! All blocks are on the device at the same time. Each sums its tiles and keeps the values that
//! the gradient needs of their pixels resident, up to its capacity. The last block to arrive
//! computes the values that the gradient needs of the totals and raises a flag, for which the
//! others wait. Then each block computes the gradient of its tiles, the last one first: the
//! pixels that are not resident were read last and may still be in the cache.

use lossc_dialect::ops::Numerics;

use super::Entry;
use super::kernel::{Pass, Work};
use super::resident::{Capacity, ResidentStep};
use super::team::Team;
use super::thread::{barrier, block, blocks, fence, thread_of_block};
use super::workspace::Workspace;
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, I32, Value};
use crate::schedule::{Cooperative, Schedule};

/// The bytes of shared memory of a step, if there is such a kernel.
pub(super) fn step_bytes(schedule: &Schedule) -> Option<usize> {
    let cooperative = schedule.cooperative.as_ref()?;
    Some(ResidentStep::of(schedule, &cooperative.saving).bytes())
}

/// The kernel; empty if there is none.
pub(super) fn function(schedule: &Schedule, numerics: Numerics, team: Team) -> Result<String, LowerError> {
    let Some(cooperative) = &schedule.cooperative else { return Ok(String::new()) };
    Entry::Cooperative(team).function(schedule, cooperative.first, numerics, |emitter, call, capacity| {
        let step = ResidentStep::of(schedule, &cooperative.saving);
        let steps = emitter.convert("arith.trunci", capacity.expect("it keeps pixels"), I32.scalar);
        let capacity = Capacity { step: &step, team, steps };
        let passes = TwoPasses { schedule, cooperative, call, capacity };
        passes.body(emitter)
    })
}

/// TwoPasses passes.
struct TwoPasses<'a> {
    schedule: &'a Schedule,
    cooperative: &'a Cooperative,
    call: &'a Call,
    capacity: Capacity<'a>,
}

impl TwoPasses<'_> {
    fn body(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let flag = Workspace::new(self.call, self.cooperative.saving.reductions.len()).flag(emitter);
        let before = read(emitter, flag);
        let tiles = self.first(emitter, flag)?;
        wait(emitter, flag, before)?;
        self.second(emitter, tiles)
    }

    /// Runs the first pass; returns the number of the block's tiles.
    fn first(&self, emitter: &mut Emitter, flag: Value) -> Result<Value, LowerError> {
        let (kernel, team) = (&self.cooperative.saving, self.capacity.team);
        let Self { schedule, call, .. } = *self;
        let per_plane = team.tiles_per_plane(emitter, call);
        let bounds = [block(emitter), emitter.mul(call.planes, per_plane), blocks(emitter)];
        let zero = emitter.index(0);
        let tiles = emitter.repeat(bounds, &[zero], |emitter, number, tile| {
            let slots = self.capacity.slots(emitter, tile[0]);
            let work = Work::Save(&slots);
            Pass { schedule, kernel, work, team, call, flag: Some(flag) }.tile(emitter, number)?;
            let one = emitter.index(1);
            Ok(vec![emitter.add(tile[0], one)])
        })?;
        Ok(tiles[0])
    }

    /// Runs the second pass, on the block's tiles in reverse.
    fn second(&self, emitter: &mut Emitter, tiles: Value) -> Result<(), LowerError> {
        let Self { schedule, cooperative, call, .. } = *self;
        let (kernel, team) = (&schedule.kernels[cooperative.second], self.capacity.team);
        let (zero, one) = (emitter.index(0), emitter.index(1));
        emitter.repeat([zero, tiles, one], &[], |emitter, done, _| {
            let last = emitter.apply("arith.subi", &[tiles, one]);
            let tile = emitter.apply("arith.subi", &[last, done]);
            let (first, blocks) = (block(emitter), blocks(emitter));
            let before = emitter.mul(tile, blocks);
            let number = emitter.add(first, before);
            let slots = self.capacity.slots(emitter, tile);
            let work = Work::Load(&cooperative.reading, &slots);
            Pass { schedule, kernel, work, team, call, flag: None }.tile(emitter, number)?;
            Ok(vec![])
        })?;
        Ok(())
    }
}

/// The value of the flag.
fn read(emitter: &mut Emitter, flag: Value) -> Value {
    let operation = format!(
        "llvm.load {flag} atomic syncscope(\"device\") monotonic {{alignment = 4 : i64}} : {} -> {I32}",
        flag.ty
    );
    emitter.define("flag", I32, operation)
}

/// Raises the flag: a thread that waits for it then sees the writes of this thread and of those
/// for which it has waited.
pub(super) fn raise(emitter: &mut Emitter, flag: Value) {
    fence(emitter);
    let one = emitter.integer(I32, 1);
    let operation =
        format!("llvm.atomicrmw add {flag}, {one} syncscope(\"device\") monotonic : {}, {I32}", flag.ty);
    emitter.define("raised", I32, operation);
}

/// Waits until the flag differs from its value before the block's first tile.
fn wait(emitter: &mut Emitter, flag: Value, before: Value) -> Result<(), LowerError> {
    let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
    let is_first = emitter.compare("eq", thread, zero);
    emitter.when(is_first, |emitter| {
        emitter.wait_while(|emitter| {
            let now = read(emitter, flag);
            emitter.compare("eq", now, before)
        });
        fence(emitter);
        Ok::<_, LowerError>(())
    })?;
    barrier(emitter);
    Ok(())
}
