//! Execution of compiled kernels on an NVIDIA GPU, through the driver API.
//!
//! The driver is opened at run time: a build needs no CUDA, and a machine without a driver gets
//! [`CudaError::NoDriver`]. The driver compiles PTX text to machine code.
//!
//! A loss compiled for CUDA has two or three kernels per pass and at most two for both
//! directions. All have the parameters (plane_length, planes, groups, chunks_per_plane, seed,
//! stream, array of planes, scalars, group totals, workspace, results), each of 8 bytes, which
//! [`plan`] describes:
//!
//! | kernel | grid × block | does |
//! |---|---|---|
//! | `kernel_k` | planes · ⌈chunks per plane / 8⌉ × 256 | all of a pass: one warp sums one chunk, the last blocks to arrive add up the chunks and planes and continue with the work of `epilogue_k`; one pointer per pixel input and output follows its parameters |
//! | `kernel_block_k` | planes · chunks per plane × 256 | the same for small images: one block sums one chunk |
//! | `epilogue_k` | 1 × 256 | the computation from the totals, if they are other workers' too or there are no pixels |
//! | `cooperative_k`, `cooperative_block_k` | as many as the device holds × 256 | forward and backward in one cooperative launch, with as many pixels resident as fit; its last parameter is the capacity of a warp, in steps of 128 pixels |
//!
//! Hence a pass is one launch, or both directions are. Passes follow each other on one stream;
//! the host waits only to read results.
//!
//! The host side is tested against a stand-in for the driver that runs kernels
//! in C (`tests/stand_in_driver.c`). It has not run on a GPU yet: the test that
//! needs one says "skipped: no NVIDIA driver" where there is none. What the
//! stand-in cannot show is untested: the order of work on several streams, the
//! driver's own compiler, and borrowed stream handles.

mod arguments;
mod call;
mod capacity;
mod device;
mod error;
mod executor;
mod host;
mod kernels;
mod memory;
pub mod plan;
mod pointers;
mod residuals;
mod tensor;

pub use call::{DeviceCall, Upstream};
pub use device::{CudaDevice, Stream, is_available};
pub use error::CudaError;
pub use executor::CudaExecutor;
pub use kernels::CudaKernels;
pub use residuals::DeviceResiduals;
pub use tensor::DeviceTensor;

#[cfg(test)]
mod tests;
