//! Program in, target code out, in pipeline order. No file is read here and no
//! device is opened.

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
