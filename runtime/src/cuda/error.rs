//! Failures of the driver and the device.

use cudarc::driver::DriverError;

/// Reason why a call on a GPU failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// The machine has no NVIDIA driver.
    #[error("no NVIDIA driver on this machine: libcuda was not found")]
    NoDriver,
    /// The driver refused an operation.
    #[error("{operation} failed: {name} ({description})")]
    Driver {
        /// The operation attempted.
        operation: &'static str,
        /// The driver's name of the error.
        name: String,
        /// The driver's description of the error.
        description: String,
    },
    /// The driver could not compile the PTX.
    #[error("the driver could not compile the PTX of {loss}: {name}\n{log}")]
    Compilation {
        /// The loss.
        loss: String,
        /// The driver's name of the error.
        name: String,
        /// The compiler's log.
        log: String,
    },
    /// PTX text may not contain a NUL byte.
    #[error("the PTX of {0} contains a NUL byte")]
    NulInPtx(String),
    /// The PTX lacks a kernel.
    #[error("the PTX of {loss} does not define kernel `{kernel}`")]
    NoKernel {
        /// The loss.
        loss: String,
        /// The kernel.
        kernel: String,
    },
    /// More blocks than a grid may have.
    #[error("{0} blocks exceed the largest grid of the device")]
    GridTooLarge(usize),
    /// A device pointer that is not aligned to its element, or not to the 16 bytes (or four
    /// elements) that kernels load at a time.
    #[error("{argument}: device pointer {pointer:#x} is not a multiple of {alignment}")]
    Misaligned {
        /// The argument.
        argument: String,
        /// Its address.
        pointer: u64,
        /// The number that it must be a multiple of.
        alignment: usize,
    },
    /// A gradient written over a tensor that is still read.
    #[error("{output} overlaps {input} in device memory")]
    Overlap {
        /// The output.
        output: String,
        /// The input, or another output.
        input: String,
    },
    /// Memory or a stream of another device than the executor's.
    #[error("{0} belongs to another device than the executor")]
    OtherDevice(&'static str),
}

/// Returns the result of a driver call, with the operation in its error.
pub(super) fn checked<T>(operation: &'static str, result: Result<T, DriverError>) -> Result<T, CudaError> {
    result.map_err(|error| CudaError::Driver {
        operation,
        name: error_name(error),
        description: error_description(error),
    })
}

pub(super) fn error_name(error: DriverError) -> String {
    match error.error_name() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => format!("{:?}", error.0),
    }
}

fn error_description(error: DriverError) -> String {
    match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => "the driver has no description".to_owned(),
    }
}
