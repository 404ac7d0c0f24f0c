//! Runs compiled losses: tensors, layouts, random numbers, CPU threads, CUDA.
//!
//! This crate knows no loss op and no compiler. It is given code (an object
//! file for the CPU, PTX text for a GPU) and a [`Manifest`] of its arguments,
//! and runs it on tensors through an [`Executor`]:
//!
//! - [`tensor`]: host tensors, typed at run time;
//! - [`layout`]: the partition of a tensor into planes, groups and chunks, which fixes the
//!   order of every sum and thereby the bits of every result;
//! - [`philox`]: the random numbers;
//! - [`manifest`]: the description of a loss that an executor needs;
//! - [`bundle`]: code and manifest in one file;
//! - [`native`] and [`cpu`]: machine code in memory, and threads to run it;
//! - [`cuda`]: the same on an NVIDIA GPU;
//! - [`output`]: files, written whole or not at all.

pub mod bundle;
pub mod cpu;
pub mod cuda;
pub mod error;
pub mod executor;
pub mod file;
pub mod layout;
pub mod manifest;
pub mod native;
pub mod output;
pub mod philox;
pub mod tensor;

#[cfg(test)]
mod testing;

pub use rayon;

pub use bundle::{Bundle, BundleError};
pub use cpu::CpuExecutor;
pub use cuda::{CudaDevice, CudaExecutor, CudaKernels};
pub use error::RuntimeError;
pub use executor::{Call, Executor, GroupResult, GroupValues, Outcome, Random, Residuals};
pub use layout::{Balance, Layout};
pub use manifest::Manifest;
pub use native::NativeKernels;
pub use philox::Philox;
pub use tensor::{Element, ElementType, Tensor, TensorView, TensorViewMut};
