//! `both_K`: forward and backward in one cooperative launch.
//!
//! All blocks are on the device at the same time. Each sums its tiles and keeps their
//! pixels in shared memory; the last to arrive computes what the gradient needs of
//! the totals and raises a flag; the others wait for it. Then each computes the
//! gradient of the tiles it has kept, so that an input is read once.

use lossc_dialect::numbers::CHUNK;
use lossc_dialect::ops::Numerics;

use super::kernel::Pass;
use super::pixels::{Kept, stored};
use super::thread::{
    SHARED_POINTER, barrier, block, blocks, blocks_per_row, fence, thread_of_block, warp_of_block,
};
use super::workspace::Workspace;
use super::{BLOCK, Entry, PIXELS, WARPS};
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::emit::{Emitter, I32, Value};
use crate::lower::pixel::{PixelCode, Tensor, arrays};
use crate::schedule::Schedule;

/// The two passes of `forward_backward`, if one reduces and the other only writes.
fn passes(schedule: &Schedule) -> Option<[usize; 2]> {
    let [first, second] = schedule.forward_backward[..] else { return None };
    let [reducing, writing] = [first, second].map(|index| &schedule.kernels[index]);
    let keeps_nothing = schedule.stored.is_empty();
    let fits = !reducing.reductions.is_empty() && writing.reductions.is_empty() && keeps_nothing;
    fits.then_some([first, second])
}

/// The inputs whose pixels are kept.
fn inputs(schedule: &Schedule, first: usize) -> Vec<Tensor> {
    PixelCode::new(schedule, &schedule.kernels[first], PIXELS).inputs()
}

/// The bytes of shared memory that a tile takes, if there is such a kernel.
pub(super) fn tile_bytes(schedule: &Schedule) -> Option<usize> {
    let [first, _] = passes(schedule)?;
    Some(WARPS * chunk_bytes(&inputs(schedule, first)))
}

fn chunk_bytes(inputs: &[Tensor]) -> usize {
    CHUNK * inputs.iter().map(|&input| stored(input).bytes()).sum::<usize>()
}

/// The memory that a launch gives each block for its tiles.
pub(super) fn shared_memory() -> String {
    "  llvm.mlir.global external @kept() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>\n"
        .to_owned()
}

/// The kernel; nothing if there is none.
pub(super) fn function(schedule: &Schedule, numerics: Numerics) -> Result<String, LowerError> {
    let Some([first, second]) = passes(schedule) else { return Ok(String::new()) };
    let entry = Entry { name: "both", index: first, threads: BLOCK, tensors: arrays(schedule), numerics };
    entry.function(|emitter, call| {
        let kernel = &schedule.kernels[first];
        let flag = Workspace::new(call, kernel.reductions.len()).flag(emitter);
        let before = read(emitter, flag);
        let inputs = inputs(schedule, first);
        let reducing = Pass { schedule, kernel, call, flag: Some(flag) };
        tiles(emitter, &reducing, &inputs, false)?;
        wait(emitter, flag, before)?;
        let writing = Pass { schedule, kernel: &schedule.kernels[second], call, flag: None };
        tiles(emitter, &writing, &inputs, true)
    })
}

/// All tiles of the block, in its order.
fn tiles(
    emitter: &mut Emitter,
    pass: &Pass<'_>,
    inputs: &[Tensor],
    is_filled: bool,
) -> Result<(), LowerError> {
    let count = tile_count(emitter, pass.call);
    let bounds = [block(emitter), count, blocks(emitter)];
    let zero = emitter.index(0);
    emitter.repeat(bounds, &[zero], |emitter, number, place| {
        let start = warp_start(emitter, place[0], inputs);
        let memory =
            emitter.pure("kept", SHARED_POINTER, format!("llvm.mlir.addressof @kept : {SHARED_POINTER}"));
        pass.tile(emitter, number, Some(&Kept { inputs, memory, start, is_filled }))?;
        let one = emitter.index(1);
        Ok(vec![emitter.add(place[0], one)])
    })?;
    Ok(())
}

fn tile_count(emitter: &mut Emitter, call: &Call) -> Value {
    let per_row = blocks_per_row(emitter, call.chunks_per_row);
    emitter.mul(call.rows, per_row)
}

/// Where this warp's chunk of the block's tile with number `place` starts.
fn warp_start(emitter: &mut Emitter, place: Value, inputs: &[Tensor]) -> Value {
    let (warps, warp) = (emitter.index(WARPS), warp_of_block(emitter));
    let first = emitter.mul(place, warps);
    let chunk = emitter.add(first, warp);
    let bytes = emitter.index(chunk_bytes(inputs));
    emitter.mul(chunk, bytes)
}

/// What the flag is.
fn read(emitter: &mut Emitter, flag: Value) -> Value {
    let operation = format!(
        "llvm.load {flag} atomic syncscope(\"device\") monotonic {{alignment = 4 : i64}} : {} -> {I32}",
        flag.ty
    );
    emitter.define("flag", I32, operation)
}

/// Raises the flag: whoever waits for it sees what this thread and those that it has
/// waited for have written.
pub(super) fn raise(emitter: &mut Emitter, flag: Value) {
    fence(emitter);
    let one = emitter.integer(I32, 1);
    let operation =
        format!("llvm.atomicrmw add {flag}, {one} syncscope(\"device\") monotonic : {}, {I32}", flag.ty);
    emitter.define("raised", I32, operation);
}

/// Waits until the flag is not what it was before the block's first tile.
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
