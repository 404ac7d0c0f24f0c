//! Machine code in memory: the loader of object files and the binary
//! interface between the CPU executor and compiled kernels.

mod frame;
mod kernels;
mod object;
mod relocation;

pub use frame::{FinishFunction, Frame, KernelFunction};
pub use kernels::{KernelFunctions, NativeKernels};
pub use object::{NativeObject, ObjectError};
