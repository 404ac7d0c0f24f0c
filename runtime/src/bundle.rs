//! Bundles: a compiled loss in one file, for machines without a compiler.
//!
//! A bundle holds code (an object file for a processor, or PTX) and the
//! [`Manifest`] of its arguments. Numbers in it are little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `89 4C 4F 53 53 43 0D 0A`: no text file starts with it, and it shows if a transfer altered line ends |
//! | 8 | 4 | the format's version, [`VERSION`] |
//! | 12 | 4 | the header's length H |
//! | 16 | 8 | the code's length C |
//! | 24 | H | the header, JSON: what made the bundle, its target, manifest and details |
//! | 24 + H | C | the code: an ELF object file, or PTX as UTF-8 |
//! | 24 + H + C | 32 | SHA-256 of all bytes before it |
//!
//! A change to the layout, to the header's fields or to what kernels expect of their caller
//! raises [`VERSION`]; a reader accepts only its own version.
//!
//! # Trust
//! **A bundle is a program, and running it runs that program**: with this process's rights, on
//! whatever it can reach. The hash tells that a file is whole and as it was written. It does
//! not tell who wrote it: whoever can write a file can write its hash. Hence reading a bundle
//! is safe, and making an executor of it is `unsafe`: the caller vouches for its origin.

mod error;
mod file;
mod format;
mod processor;

use std::fmt;
use std::sync::Arc;

use rayon::ThreadPool;
use serde_json::Value;

pub use error::{BundleError, BundleFileError};
pub use format::VERSION;
pub use processor::Processor;

use crate::cpu::CpuExecutor;
use crate::cuda::{CudaDevice, CudaExecutor, CudaKernels};
use crate::error::RuntimeError;
use crate::executor::Executor;
use crate::manifest::Manifest;
use crate::native::NativeKernels;

/// Code for one kind of machine.
#[derive(Clone, PartialEq, Eq)]
pub enum Code {
    /// A relocatable object file that needs nothing outside itself.
    Native {
        /// The processor that its instructions need.
        processor: Processor,
        /// The ELF file.
        object: Vec<u8>,
    },
    /// PTX, which the driver compiles.
    Nvidia {
        /// The oldest device it runs on: 80 for compute capability 8.0.
        compute_capability: u32,
        /// The text.
        ptx: String,
    },
}

/// A compiled loss: its code and everything needed to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// The program that made it, such as `lossc 0.1.0`; for messages.
    pub producer: String,
    /// Its arguments, kernels and results.
    pub manifest: Manifest,
    /// The compiler's description of the loss and its options. The runtime carries it and does
    /// not look inside.
    pub details: Value,
    /// Its code.
    pub code: Code,
}

impl Bundle {
    /// Checks that this machine's processor has what the code needs. For PTX,
    /// [`Bundle::cuda_executor`] checks the device.
    ///
    /// # Errors
    /// If it is for another architecture, or needs a feature that is absent.
    pub fn check_processor(&self) -> Result<(), BundleError> {
        match &self.code {
            Code::Native { processor, .. } => processor.check(),
            Code::Nvidia { .. } => Ok(()),
        }
    }

    /// Loads object code, to run on `pool` or, if that is `None`, on the current rayon pool.
    ///
    /// # Errors
    /// If the bundle holds PTX, or object and manifest do not fit together.
    ///
    /// # Safety
    /// The code becomes part of this process. It must come from a source that the caller would
    /// run a program of, follow [`crate::native::KernelArguments`]'s interface for the bundle's
    /// manifest, and use only instructions of this processor. For code that lossc wrote, the
    /// second holds, and the third does if [`Bundle::check_processor`] succeeds. The hash says
    /// nothing about the first.
    pub unsafe fn cpu_executor(&self, pool: Option<Arc<ThreadPool>>) -> Result<CpuExecutor, RuntimeError> {
        let Code::Native { object, .. } = &self.code else {
            return Err(BundleError::OtherCode { found: "a GPU", expected: "a processor" }.into());
        };
        // SAFETY: the caller vouches for the code and its manifest.
        let kernels = unsafe { NativeKernels::from_object(object, self.manifest.clone()) }?;
        Ok(match pool {
            Some(pool) => CpuExecutor::with_pool(kernels, pool),
            None => CpuExecutor::new(kernels),
        })
    }

    /// Loads PTX onto `device`.
    ///
    /// # Errors
    /// If the bundle holds object code, the device is too old for it, or the
    /// driver cannot compile it.
    ///
    /// # Safety
    /// The code runs on the device, within reach of this process's memory there. It must come
    /// from a source that the caller would run a program of, and follow the interface in
    /// [`crate::cuda`] for the bundle's manifest. For code that lossc wrote, the second holds.
    /// The hash says nothing about the first.
    pub unsafe fn cuda_executor(&self, device: &CudaDevice) -> Result<CudaExecutor, RuntimeError> {
        // SAFETY: the caller vouches for the code.
        CudaExecutor::new(unsafe { self.cuda_kernels(device) }?)
    }

    /// Loads the code for one executor or several, since the driver takes time to compile it.
    ///
    /// # Errors
    /// As for [`Bundle::cuda_executor`].
    ///
    /// # Safety
    /// As for [`Bundle::cuda_executor`].
    pub unsafe fn cuda_kernels(&self, device: &CudaDevice) -> Result<CudaKernels, RuntimeError> {
        let Code::Nvidia { compute_capability, ptx } = &self.code else {
            return Err(BundleError::OtherCode { found: "a processor", expected: "a GPU" }.into());
        };
        let found = device.compute_capability()?;
        if found < *compute_capability {
            return Err(BundleError::ComputeCapability { needed: *compute_capability, found }.into());
        }
        // SAFETY: the caller vouches for the code and its manifest.
        unsafe { CudaKernels::from_ptx(device, ptx, self.manifest.clone()) }
    }

    /// Loads the code where it belongs: on the current rayon pool, or onto this
    /// machine's first GPU.
    ///
    /// # Errors
    /// As for [`Bundle::check_processor`], [`Bundle::cpu_executor`] and
    /// [`Bundle::cuda_executor`].
    ///
    /// # Safety
    /// The code becomes part of this process. It must come from a source that
    /// the caller would run a program of; see [`Bundle::cpu_executor`].
    pub unsafe fn executor(&self) -> Result<Box<dyn Executor>, RuntimeError> {
        self.check_processor()?;
        match &self.code {
            // SAFETY: the caller vouches for the code, and the processor was checked.
            Code::Native { .. } => Ok(Box::new(unsafe { self.cpu_executor(None) }?)),
            // SAFETY: the caller vouches for the code.
            Code::Nvidia { .. } => Ok(Box::new(unsafe { self.cuda_executor(&CudaDevice::open(0)?) }?)),
        }
    }
}

impl Code {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Native { object, .. } => object,
            Self::Nvidia { ptx, .. } => ptx.as_bytes(),
        }
    }
}

/// Shows the target and the size; the code itself is of no use in a message.
impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self {
            Self::Native { processor, .. } => processor.name.clone(),
            Self::Nvidia { compute_capability, .. } => format!("sm_{compute_capability}"),
        };
        write!(formatter, "{} bytes for {target}", self.bytes().len())
    }
}

#[cfg(test)]
mod tests;
