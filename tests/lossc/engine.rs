//! The differential engine: losses × options × calls × executors, all compared.
//!
//! What is lowered has exact results by the interpreter, and every executor promises
//! their bits: each vector width and level of processor, each entry point, any number of
//! threads, with and without each optimisation, through a bundle and a cache, on the
//! simulated GPU. The exact results themselves are held against real numbers, with a
//! bound for what f32 may lose, and against slopes.
//!
//! The tests run a fixed slice; `cargo xtask soak` goes on from a seed until its time is
//! up or something is found, which it makes small and writes down.

mod case;
mod corpus;
mod executors;
mod finding;
mod input;
mod outcome;
mod reproducer;
mod shrink;
mod simulated;
mod soak;
mod verdict;

pub use soak::FOUND;
