//! A stack of known size for code that recurses as deep as a program.
//!
//! lossc's own compiler passes do not; egg's explanations, MLIR and LLVM may. A caller's thread
//! may have two megabytes.

/// The bytes of the stack. Untouched bytes take no memory.
const BYTES: usize = 128 << 20;

/// Runs `task` on a stack with at least half of that free.
pub(crate) fn deep<T>(task: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(BYTES / 2, BYTES, task)
}
