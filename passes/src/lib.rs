//! The compiler passes, from a program to target code, in pipeline order. They read no files and
//! open no devices.

pub mod specialise;

pub mod stabilise;

pub mod differentiate;

pub mod saturate;

pub mod uniform;

pub mod schedule;

pub mod lower;

pub mod codegen;

pub mod egraph;

pub mod certificate;

mod stack;

#[cfg(test)]
mod tests;
