//! The differential engine: losses × options × calls × executors, all compared.
//!
//! The lowered program has exact results by the interpreter, and every executor promises their
//! bits: each vector width and level of processor, each entry point, any number of threads, with
//! and without each optimisation, through a bundle and a cache, on the simulated GPU. The exact
//! results themselves are compared with real numbers, with a bound for the error of f32, and with
//! slopes.
//!
//! The tests run a fixed slice; `cargo xtask soak` continues from a seed until its time is up or
//! there is a finding, which it shrinks and writes down.

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
