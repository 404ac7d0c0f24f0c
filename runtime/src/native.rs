//! Machine code in memory: the loader of object files and the binary
//! interface between the CPU executor and compiled kernels.

mod arguments;
mod kernels;
mod object;
mod relocation;

pub use arguments::{EpilogueFunction, KernelArguments, KernelFunction};
pub use kernels::{KernelFunctions, NativeKernels};
pub use object::{NativeObject, ObjectError};
