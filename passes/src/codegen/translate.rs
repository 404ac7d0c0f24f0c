//! The translation from MLIR to LLVM IR, the one place where both meet.

use inkwell::{context::Context, module::Module as LlvmModule};
use melior::ir::Module;
use mlir_sys::mlirTranslateModuleToLLVMIR;

use super::{CodegenError, context::Diagnostics};

/// Translates the lowered module. The result belongs to LLVM and lives in `llvm`; the MLIR
/// module and its context may be dropped.
pub(super) fn translate<'l>(
    module: &Module<'_>,
    diagnostics: &Diagnostics,
    llvm: &'l Context,
) -> Result<LlvmModule<'l>, CodegenError> {
    // SAFETY: both pointers are live, and mlir-sys and llvm-sys declare the same
    // opaque C type, for one statically linked copy of LLVM.
    let raw = unsafe { mlirTranslateModuleToLLVMIR(module.as_operation().to_raw(), llvm.raw().cast()) };
    if raw.is_null() {
        let diagnostics = diagnostics.take();
        return Err(CodegenError::Translation { diagnostics });
    }
    // SAFETY: the function passes ownership of a non-null module of context
    // `llvm`, which the returned lifetime keeps alive.
    Ok(unsafe { LlvmModule::new(raw.cast()) })
}
