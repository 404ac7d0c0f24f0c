//! A stack of known size for what recurses as deep as a program.
//!
//! lossc's own passes do not; egg's explanations, MLIR and LLVM may. A caller's thread
//! may have two megabytes.

/// The bytes of the stack. Those that are not touched take no memory.
const BYTES: usize = 128 << 20;

/// Runs `task` where at least half of that is free.
pub(crate) fn deep<T>(task: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(BYTES / 2, BYTES, task)
}
