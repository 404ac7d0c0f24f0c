//! Compiled CPU kernels with their manifest.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::error::RuntimeError;
use crate::executor::validated;
use crate::manifest::Manifest;
use crate::native::{FinishFunction, NativeObject, ObjectError, PassFunction};

/// The two functions of one pass.
#[derive(Debug, Clone, Copy)]
pub struct PassFunctions {
    /// Computes a chunk.
    pub run: PassFunction,
    /// Computes what follows from the totals.
    pub finish: FinishFunction,
}

/// A loss compiled for this machine's CPU. Clones share the code.
#[derive(Clone)]
pub struct NativeKernels {
    manifest: Arc<Manifest>,
    passes: Vec<PassFunctions>,
    /// Keeps the code alive for as long as the functions can be called.
    _owner: Arc<dyn Any + Send + Sync>,
}

impl NativeKernels {
    /// Loads `pass_k` and `finish_k` of every pass from an object file.
    ///
    /// # Errors
    /// If the object cannot be loaded, lacks a function, or the manifest's
    /// parts do not fit together.
    ///
    /// # Safety
    /// The object's functions must follow [`crate::native::Frame`]'s interface
    /// for exactly this manifest, and use only instructions of this CPU.
    pub unsafe fn from_object(object: &[u8], manifest: Manifest) -> Result<Self, RuntimeError> {
        let object = NativeObject::load(object)?;
        let passes = (0..manifest.passes.len())
            .map(|pass| {
                // SAFETY: the caller vouches for the functions' types.
                unsafe { pass_functions(&object, pass) }
            })
            .collect::<Result<_, ObjectError>>()?;
        // SAFETY: the caller vouches for what the functions do; the object,
        // which stays mapped until the owner is dropped, holds them.
        unsafe { Self::from_functions(passes, manifest, Arc::new(object)) }
    }

    /// Kernels whose code `owner` keeps alive.
    ///
    /// # Errors
    /// If the manifest's parts do not fit together.
    ///
    /// # Safety
    /// There must be one element of `passes` a pass; the functions must follow
    /// [`crate::native::Frame`]'s interface for exactly this manifest and stay
    /// callable until `owner` is dropped.
    pub unsafe fn from_functions(
        passes: Vec<PassFunctions>,
        manifest: Manifest,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, RuntimeError> {
        Ok(Self { manifest: Arc::new(validated(manifest)?), passes, _owner: owner })
    }

    /// The manifest of the loss.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    pub(crate) fn pass(&self, pass: usize) -> PassFunctions {
        self.passes[pass]
    }
}

/// # Safety
/// The object's `pass_k` and `finish_k` must have the types that
/// [`PassFunctions`] gives them.
unsafe fn pass_functions(object: &NativeObject, pass: usize) -> Result<PassFunctions, ObjectError> {
    let run = object.function(&format!("pass_{pass}"))?;
    let finish = object.function(&format!("finish_{pass}"))?;
    // SAFETY: both are addresses of functions in executable memory, and the
    // caller vouches for their types.
    unsafe {
        Ok(PassFunctions {
            run: std::mem::transmute::<*const u8, PassFunction>(run),
            finish: std::mem::transmute::<*const u8, FinishFunction>(finish),
        })
    }
}

impl fmt::Debug for NativeKernels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NativeKernels")
            .field("loss", &self.manifest.name)
            .field("passes", &self.passes.len())
            .finish_non_exhaustive()
    }
}
