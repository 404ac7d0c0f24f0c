//! Runs GPU kernels on the processor, to test them where there is no GPU.
//!
//! [`Code`] translates the LLVM IR of a kernel module, as it leaves LLVM's O3 for NVPTX, to machine
//! code for this processor, in which each load, store, atomic operation, barrier and shuffle first
//! calls the simulator. [`Device`] runs a grid of it with a fibre for each GPU thread.
//!
//! A simulated thread runs until it waits, so the progress of the other threads at that time
//! depends on the [`Order`]: code that relies on more than the barriers guarantee fails in one of
//! the orders. Besides, these are errors, each with the instruction and the thread ([`Fault`]):
//!
//! - an access outside all buffers, a misaligned one, a write to an input, a read of unwritten
//!   memory;
//! - two accesses of one location, one of them a write, that neither a barrier nor a fence with an
//!   atomic operation orders ([`race`]);
//! - threads of a block that wait at different barriers, or of a warp at different shuffles, and
//!   threads that never continue.
//!
//! The simulator covers neither time, nor the PTX that LLVM and the machine code that `ptxas`
//! generate from the IR, nor a GPU's own arithmetic: the IR's operations are those of IEEE 754 on
//! both, except for three approximate ones, which are rounded or, on a device
//! [with errors](Device::with_errors), as wrong as they may be.

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
