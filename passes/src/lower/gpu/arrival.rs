//! Detection of the block that arrives last.
//!
//! A ticket counts the blocks that have arrived; after the last it is 0 again, for
//! the next launch. The fence before it publishes what the block has written, the
//! fence after it lets the last block see what the others have.

use super::thread::{SHARED_POINTER, barrier, fence, thread_of_block};
use super::workspace::last_of;
use crate::lower::LowerError;
use crate::lower::emit::{Emitter, I32, Value};

/// A word in which the first thread passes its ticket to the block.
pub(super) fn shared_memory() -> String {
    "  llvm.mlir.global internal @arrival() {addr_space = 3 : i32} : i32\n".to_owned()
}

/// Returns whether this block is the last of `count` to arrive at the ticket at `ticket`. All
/// its threads get the same answer and wait for each other before and after.
pub(super) fn is_last(emitter: &mut Emitter, ticket: Value, count: Value) -> Result<Value, LowerError> {
    let shared = format!("llvm.mlir.addressof @arrival : {SHARED_POINTER}");
    let shared = emitter.pure("arrival_at", SHARED_POINTER, shared);
    let last = last_of(emitter, count);
    let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
    let is_first = emitter.compare("eq", thread, zero);
    barrier(emitter);
    emitter.when(is_first, |emitter| {
        fence(emitter);
        let operation = format!(
            "llvm.atomicrmw uinc_wrap {ticket}, {last} syncscope(\"device\") monotonic : {}, {I32}",
            ticket.ty
        );
        let arrival = emitter.define("arrival", I32, operation);
        fence(emitter);
        emitter.store(arrival, shared);
        Ok::<_, LowerError>(())
    })?;
    barrier(emitter);
    let arrival = emitter.load("arrival", shared, I32);
    Ok(emitter.compare("eq", arrival, last))
}
