//! The threads of a GPU: their numbers, and the communication between them.

use super::WARP;
use crate::lower::emit::{Emitter, F64, I32, I64, Scalar, Value, ValueType};

/// A pointer into the block's shared memory.
pub(super) const SHARED_POINTER: ValueType = ValueType::one(Scalar::Pointer(3));

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

/// The number of blocks.
pub(super) fn blocks(emitter: &mut Emitter) -> Value {
    let blocks = emitter.pure("blocks", I32, "nvvm.read.ptx.sreg.nctaid.x : i32".into());
    emitter.convert("arith.extui", blocks, I64.scalar)
}

/// The number of this thread in its warp.
pub(super) fn thread_of_warp(emitter: &mut Emitter) -> Value {
    let (thread, mask) = (thread_of_block(emitter), emitter.index(WARP - 1));
    emitter.apply("arith.andi", &[thread, mask])
}

/// The number of this warp in its block.
pub(super) fn warp_of_block(emitter: &mut Emitter) -> Value {
    let (thread, bits) = (thread_of_block(emitter), emitter.index(WARP.ilog2() as usize));
    emitter.apply("arith.shrui", &[thread, bits])
}

/// Adds the values of a warp's threads, of 32 or 64 bits, by halving. All threads of the warp
/// take part; the first one has the result of halving a list.
pub(super) fn warp_sum(emitter: &mut Emitter, addition: &str, mut value: Value) -> Value {
    let mut distance = WARP / 2;
    while distance > 0 {
        let other = other_thread(emitter, value, distance);
        value = emitter.apply(addition, &[value, other]);
        distance /= 2;
    }
    value
}

/// The value of the thread whose number differs in one bit.
fn other_thread(emitter: &mut Emitter, value: Value, distance: usize) -> Value {
    if value.ty == F64 {
        let bits = emitter.convert("arith.bitcast", value, I64.scalar);
        let other = other_thread(emitter, bits, distance);
        return emitter.convert("arith.bitcast", other, Scalar::F64);
    }
    if value.ty == I64 {
        let half = emitter.index(32);
        let high = emitter.apply("arith.shrui", &[value, half]);
        let [low, high] = [value, high].map(|word| {
            let word = emitter.convert("arith.trunci", word, I32.scalar);
            let other = other_thread(emitter, word, distance);
            emitter.convert("arith.extui", other, I64.scalar)
        });
        let high = emitter.apply("arith.shli", &[high, half]);
        return emitter.apply("arith.ori", &[low, high]);
    }
    let (all, last) = (emitter.integer(I32, -1), emitter.integer(I32, WARP as i64 - 1));
    let offset = emitter.integer(I32, distance as i64);
    let ty = value.ty;
    emitter.define(
        "other",
        ty,
        format!("nvvm.shfl.sync bfly {all}, {value}, {offset}, {last} : {ty} -> {ty}"),
    )
}

/// Waits for all threads of the block; each then sees what the others wrote.
pub(super) fn barrier(emitter: &mut Emitter) {
    emitter.statement("nvvm.barrier0");
}

/// Orders the thread's memory accesses, and those that it has seen, for all threads of the
/// device.
pub(super) fn fence(emitter: &mut Emitter) {
    emitter.statement("llvm.fence syncscope(\"device\") acq_rel");
}
