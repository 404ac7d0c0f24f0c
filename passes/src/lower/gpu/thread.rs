//! What a GPU's threads know of each other.

use super::{BLOCK, WARP};
use crate::lower::emit::{BIT, Emitter, I32, I64, Scalar, Value};

/// All threads of a warp take part.
fn whole_warp(emitter: &mut Emitter) -> Value {
    emitter.integer(I32, -1)
}

/// The number of this thread in its block.
pub(super) fn thread_of_block(emitter: &mut Emitter) -> Value {
    let thread = emitter.pure("thread", I32, "nvvm.read.ptx.sreg.tid.x : i32".into());
    emitter.convert("arith.extui", thread, I64.scalar)
}

/// The number of this block.
pub(super) fn block(emitter: &mut Emitter) -> Value {
    let block = emitter.pure("block", I32, "nvvm.read.ptx.sreg.ctaid.x : i32".into());
    emitter.convert("arith.extui", block, I64.scalar)
}

/// The number of this thread in its warp.
pub(super) fn thread_of_warp(emitter: &mut Emitter) -> Value {
    let (thread, mask) = (thread_of_block(emitter), emitter.index(WARP - 1));
    emitter.apply("arith.andi", &[thread, mask])
}

/// The number of this warp among those of all blocks.
pub(super) fn warp(emitter: &mut Emitter) -> Value {
    let (block, warps) = (block(emitter), emitter.index(BLOCK / WARP));
    let first = emitter.mul(block, warps);
    let (thread, size) = (thread_of_block(emitter), emitter.index(WARP));
    let warp = emitter.apply("arith.divui", &[thread, size]);
    emitter.add(first, warp)
}

/// Adds the values of a warp's threads by halves; the first thread's result is
/// that of `numbers::chunk_tree`.
pub(super) fn warp_sum(emitter: &mut Emitter, addition: &str, mut value: Value) -> Value {
    let (all, last) = (whole_warp(emitter), emitter.integer(I32, WARP as i64 - 1));
    let mut distance = WARP / 2;
    while distance > 0 {
        let offset = emitter.integer(I32, distance as i64);
        let ty = value.ty;
        let shuffle = format!("nvvm.shfl.sync bfly {all}, {value}, {offset}, {last} : {ty} -> {ty}");
        let other = emitter.define("other", ty, shuffle);
        value = emitter.apply(addition, &[value, other]);
        distance /= 2;
    }
    value
}

/// A bit for each thread of the warp: whether its condition holds.
pub(super) fn ballot(emitter: &mut Emitter, condition: Value) -> Value {
    debug_assert_eq!(condition.ty, BIT);
    let all = whole_warp(emitter);
    emitter.define("ballot", I32, format!("nvvm.vote.sync ballot {all}, {condition} -> {}", Scalar::Int(32)))
}

/// Waits for all threads of the block.
pub(super) fn barrier(emitter: &mut Emitter) {
    emitter.statement("nvvm.barrier0");
}
