//! Losses to test a compiler with: random programs from shapes, and programs
//! evaluated over numbers that know their error. It knows no pass and no target.

pub mod bounds;
pub mod evaluate;
pub mod generate;
pub mod pattern;
pub mod slope;
