//! Program in, target code out, in pipeline order. No file is read here and no
//! device is opened.

pub mod codegen;
pub mod schedule;
