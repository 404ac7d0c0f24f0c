//! Running compiled kernels on an NVIDIA GPU, through the driver API.
//!
//! The driver is opened at run time, so a build needs no CUDA and a machine
//! without one gets [`CudaError::NoDriver`]. PTX text becomes machine code in
//! the driver.
//!
//! A loss compiled for CUDA has three kernels a pass, all with the parameters
//! (row_length, rows, groups, chunks_per_row, seed, stream, row_group, scalars,
//! cells, partials, results), each of 8 bytes:
//!
//! | kernel | grid × block | does |
//! |---|---|---|
//! | `kernel_k` | ⌈chunks / 8⌉ × 256 | one warp sums one chunk; a pointer a pixel input and output follows its parameters |
//! | `combine_k` | (reductions · groups) × 256 | block b adds reduction b / groups of group b mod groups into its cell; absent if the pass reduces nothing |
//! | `finish_k` | 1 × 1 | what follows from the totals |
//!
//! They follow each other on one stream; the host waits only to read results.
//!
//! The host side is tested against a stand-in for the driver that runs kernels
//! in C (`tests/stand_in_driver.c`). It has not run on a GPU yet: the test that
//! needs one says "skipped: no NVIDIA driver" where there is none. What the
//! stand-in cannot show is untested: the order of work on several streams, the
//! driver's own compiler, and borrowed stream handles.

mod arguments;
mod device;
mod error;
mod executor;
mod host;
mod kernels;
mod memory;
pub mod plan;
mod residuals;
mod staging;
mod tensor;

pub use device::{CudaDevice, Stream, is_available};
pub use error::CudaError;
pub use executor::{CudaExecutor, DeviceCall, Upstream};
pub use kernels::CudaKernels;
pub use residuals::DeviceResiduals;
pub use tensor::DeviceTensor;

#[cfg(test)]
mod tests;
