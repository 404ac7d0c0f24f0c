//! The integration tests: one binary, since each one links MLIR and LLVM.

mod architecture;
mod bits;
mod command;
mod data;
mod entry_points;
mod judge;
mod options;
mod ptx;
mod targets;
mod values;
