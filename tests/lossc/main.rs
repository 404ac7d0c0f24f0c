//! The integration tests: one binary, since each one links MLIR and LLVM.

mod architecture;
mod bits;
mod bundle;
mod cache;
mod command;
mod data;
mod dialect;
mod entry_points;
mod gpu;
mod judge;
mod options;
mod ptx;
mod simulator;
mod snapshots;
mod targets;
mod values;
