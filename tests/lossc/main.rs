//! The integration tests: one binary, since each one links MLIR and LLVM.

mod aarch64;
mod allocations;
mod architecture;
mod bench;
mod bits;
mod bundle;
mod c_interface;
mod cache;
mod command;
mod data;
mod dialect;
mod emulation;
mod engine;
mod entry_points;
mod gpu;
mod judge;
mod options;
mod output;
mod ptx;
mod sieve;
mod simulator;
mod sizes;
mod snapshots;
mod targets;
mod values;
