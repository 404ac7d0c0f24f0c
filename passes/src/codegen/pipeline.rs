//! The MLIR passes, from structured loops and vectors to the `llvm` dialect.

use std::sync::Once;

use melior::{
    Context,
    ir::{Module, attribute::StringAttribute, operation::OperationMutLike},
    pass::{self, PassManager},
    utility::parse_pass_pipeline,
};

use super::{CodegenError, Observer, context::Diagnostics, machine, observe, timed};

/// The passes in the spelling of `mlir-opt`, for every target: a kernel is an `llvm.func` with
/// the attribute `nvvm.kernel`, and gets its thread and block by `nvvm` operations.
///
/// MLIR's own route, `gpu.func` and `convert-gpu-to-nvvm`, does not work here: that pass turns
/// `math` into calls of libdevice and refuses LLVM's intrinsics.
///
/// `arith-expand` rounds bf16 with integers. The processor's own instruction flushes denormals,
/// so bits would depend on the target, and without that instruction LLVM calls a function of the
/// compiler's runtime.
const PASSES: &[&str] = &[
    "arith-expand{include-bf16=true}",
    "convert-vector-to-llvm",
    "convert-scf-to-cf",
    "convert-math-to-llvm",
    "convert-arith-to-llvm",
    "convert-cf-to-llvm",
    "convert-func-to-llvm",
    "reconcile-unrealized-casts",
];

/// Parses and verifies `text`.
pub(super) fn parse<'c>(
    context: &'c Context,
    diagnostics: &Diagnostics,
    text: &str,
) -> Result<Module<'c>, CodegenError> {
    let parsed = (!text.contains('\0')).then(|| Module::parse(context, text));
    parsed.flatten().ok_or_else(|| CodegenError::Parse { diagnostics: diagnostics.take() })
}

/// Describes the machine to the module. Translation writes the alignment of each load and store
/// that has none, so it needs the data layout by then.
pub(super) fn describe_machine(context: &Context, module: &mut Module<'_>, machine: &machine::Description) {
    let mut operation = module.as_operation_mut();
    for (name, value) in [("llvm.data_layout", &machine.data_layout), ("llvm.target_triple", &machine.triple)]
    {
        let value = StringAttribute::new(context, value);
        operation.set_discardable_attribute(name, value.into());
    }
}

/// Runs the passes one by one, so that a failure names its pass. MLIR's verifier runs after
/// each.
pub(super) fn run(
    context: &Context,
    diagnostics: &Diagnostics,
    module: &mut Module<'_>,
    observer: &mut Option<Observer<'_>>,
) -> Result<(), CodegenError> {
    register_passes();
    for &pass in PASSES {
        timed(pass, || run_pass(context, diagnostics, module, pass))?;
        observe(observer, pass, || module.as_operation().to_string());
    }
    Ok(())
}

fn run_pass(
    context: &Context,
    diagnostics: &Diagnostics,
    module: &mut Module<'_>,
    pass: &'static str,
) -> Result<(), CodegenError> {
    let manager = PassManager::new(context);
    let pipeline = format!("builtin.module({pass})");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline)
        .map_err(|error| CodegenError::internal("MLIR pipeline", error))?;
    let result = manager.run(module);
    let diagnostics = diagnostics.take();
    // A partial conversion reports operations that it could not convert, and succeeds.
    if result.is_err() || !diagnostics.is_empty() {
        return Err(CodegenError::Pass { pass, diagnostics });
    }
    Ok(())
}

/// Registers the passes once. Pipelines find passes by name in MLIR's global registry, which
/// must not be written to while another thread compiles.
fn register_passes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        pass::arith::register_arith_expand_ops_pass();
        pass::conversion::register_arith_to_llvm();
        pass::conversion::register_control_flow_to_llvm();
        pass::conversion::register_func_to_llvm();
        pass::conversion::register_math_to_llvm();
        pass::conversion::register_reconcile_unrealized_casts();
        pass::conversion::register_scf_to_control_flow();
        pass::conversion::register_vector_to_llvm();
    });
}
