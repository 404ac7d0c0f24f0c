//! Runs GPU kernels on the processor, to test them where there is no GPU.
//!
//! [`Code`] takes the LLVM IR of a kernel module as it leaves LLVM's O3 for
//! NVPTX and makes machine code for this processor of it, in which each load,
//! store, atomic operation, barrier and shuffle first tells the
//! simulator. [`Device`] runs a grid of it with a fibre for each GPU thread.
//!
//! A simulated thread runs until it waits, so what other threads have done by
//! then is a matter of the [`Order`]: whoever relies on more than the barriers
//! guarantee meets an order that shows it. Besides that, these are errors, each
//! with the instruction and the thread ([`Fault`]):
//!
//! - an access outside all buffers, one that is not aligned, a write to an
//!   input, a read of what nobody has written;
//! - two accesses of one place, one of them a write, that neither a barrier nor
//!   a fence with an atomic operation orders ([`race`]);
//! - threads of a block that wait at different barriers, or of a warp at
//!   different shuffles, and threads that never go on.
//!
//! It says nothing about time, about the PTX that LLVM and the machine code that
//! `ptxas` make of the IR, or about a GPU's own arithmetic: the IR's operations
//! are those of IEEE 754 on both, but for three approximate ones, which are rounded or, on
//! a device [with errors](Device::with_errors), as wrong as they may be.

mod approximate;
mod block;
mod code;
mod device;
mod fault;
mod fibre;
mod memory;
mod order;
pub mod race;
mod run;
mod warp;

pub use code::{Code, TranslationError};
pub use device::{Device, Grid};
pub use fault::{Fault, Problem, ThreadId};
pub use memory::{Access, Buffer, Memory};
pub use order::Order;
pub use run::{Loss, Machine, Step, Tensors};
