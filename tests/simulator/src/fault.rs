//! Faults of a kernel.

use std::fmt;

/// A thread of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId {
    /// Its block.
    pub block: u32,
    /// Its number in the block.
    pub thread: u32,
}

impl fmt::Display for ThreadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "thread {} of block {}", self.thread, self.block)
    }
}

/// A problem, its location, and the first thread that had it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, by {thread} at {place}")]
pub struct Fault {
    /// The problem.
    pub problem: Problem,
    /// The thread.
    pub thread: ThreadId,
    /// The function and the instruction.
    pub place: String,
}

/// The kinds of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Memory outside all buffers, or an access beyond a buffer's end.
    #[error("an access of {bytes} bytes outside all buffers{}", near(.nearest))]
    OutOfBounds {
        /// Bytes accessed.
        bytes: usize,
        /// The nearest buffer and the offset from its start.
        nearest: Option<(String, i64)>,
    },
    /// An address that is not a multiple of the instruction's alignment.
    #[error("an access of {buffer} + {offset} that is not aligned to {alignment} bytes")]
    Misaligned {
        /// The buffer.
        buffer: String,
        /// The offset from its start.
        offset: usize,
        /// The alignment that the instruction requires.
        alignment: usize,
    },
    /// A write to an input.
    #[error("a write to the input {buffer} + {offset}")]
    ReadOnly {
        /// The buffer.
        buffer: String,
        /// The offset from its start.
        offset: usize,
    },
    /// A read of bytes that nobody has written.
    #[error("a read of {buffer} + {offset}, which nobody has written")]
    Uninitialised {
        /// The buffer.
        buffer: String,
        /// The offset from its start.
        offset: usize,
    },
    /// Two accesses that nothing orders.
    #[error("{what} of {buffer} + {offset} that nothing orders after {before} of it by {other}")]
    Race {
        /// The access.
        what: &'static str,
        /// The buffer.
        buffer: String,
        /// The offset from its start.
        offset: usize,
        /// The earlier access.
        before: &'static str,
        /// The thread that made it.
        other: ThreadId,
    },
    /// Threads that can never continue.
    #[error("threads wait for each other: {0}")]
    Deadlock(String),
    /// A thread that loops without end.
    #[error("no end after {0} turns of waiting for another block")]
    Livelock(u32),
}

fn near(nearest: &Option<(String, i64)>) -> String {
    nearest.as_ref().map_or_else(String::new, |(buffer, offset)| format!(", at {buffer} {offset:+}"))
}
