//! Compiled CPU kernels with their manifest.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::error::RuntimeError;
use crate::executor::validated;
use crate::manifest::Manifest;
use crate::native::{EpilogueFunction, KernelFunction, NativeObject, ObjectError};

/// The two functions of one kernel.
#[derive(Debug, Clone, Copy)]
pub struct KernelFunctions {
    /// Computes a chunk.
    pub run: KernelFunction,
    /// Computes what follows from the totals.
    pub epilogue: EpilogueFunction,
}

/// A loss compiled for this machine's CPU. Clones share the code.
#[derive(Clone)]
pub struct NativeKernels {
    manifest: Arc<Manifest>,
    functions: Vec<KernelFunctions>,
    /// Keeps the code alive for as long as the functions can be called.
    _owner: Arc<dyn Any + Send + Sync>,
}

impl NativeKernels {
    /// Loads `kernel_k` and `epilogue_k` of every kernel from an object file.
    ///
    /// # Errors
    /// If the object cannot be loaded, lacks a function, or the manifest's
    /// parts do not fit together.
    ///
    /// # Safety
    /// The object's functions must follow [`crate::native::KernelArguments`]'s interface
    /// for exactly this manifest, and use only instructions of this CPU.
    pub unsafe fn from_object(object: &[u8], manifest: Manifest) -> Result<Self, RuntimeError> {
        let object = NativeObject::load(object)?;
        let functions = (0..manifest.kernels.len())
            .map(|kernel| {
                // SAFETY: the caller vouches for the functions' types.
                unsafe { kernel_functions(&object, kernel) }
            })
            .collect::<Result<_, ObjectError>>()?;
        // SAFETY: the caller vouches for what the functions do; the object,
        // which stays mapped until the owner is dropped, holds them.
        unsafe { Self::from_functions(functions, manifest, Arc::new(object)) }
    }

    /// Kernels whose code `owner` keeps alive.
    ///
    /// # Errors
    /// If the manifest's parts do not fit together.
    ///
    /// # Safety
    /// There must be one element of `functions` per kernel; the functions must follow
    /// [`crate::native::KernelArguments`]'s interface for exactly this manifest and stay
    /// callable until `owner` is dropped.
    pub unsafe fn from_functions(
        functions: Vec<KernelFunctions>,
        manifest: Manifest,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, RuntimeError> {
        Ok(Self { manifest: Arc::new(validated(manifest)?), functions, _owner: owner })
    }

    /// The manifest of the loss.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    pub(crate) fn functions(&self, kernel: usize) -> KernelFunctions {
        self.functions[kernel]
    }
}

/// # Safety
/// The object's `kernel_k` and `epilogue_k` must have their types in [`KernelFunctions`].
unsafe fn kernel_functions(object: &NativeObject, kernel: usize) -> Result<KernelFunctions, ObjectError> {
    let run = object.function(&format!("kernel_{kernel}"))?;
    let epilogue = object.function(&format!("epilogue_{kernel}"))?;
    // SAFETY: both are addresses of functions in executable memory, and the
    // caller vouches for their types.
    unsafe {
        Ok(KernelFunctions {
            run: std::mem::transmute::<*const u8, KernelFunction>(run),
            epilogue: std::mem::transmute::<*const u8, EpilogueFunction>(epilogue),
        })
    }
}

impl fmt::Debug for NativeKernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NativeKernels")
            .field("loss", &self.manifest.name)
            .field("kernels", &self.functions.len())
            .finish_non_exhaustive()
    }
}
