//! Losses to test a compiler with: random programs from shapes, and the evaluation of programs over
//! numbers with known error. Nothing here depends on a compiler pass or a target.

pub mod bounds;
pub mod evaluate;
pub mod generate;
pub mod pattern;
pub mod slope;
