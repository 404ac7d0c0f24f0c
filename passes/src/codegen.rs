//! MLIR in, target code out.
//!
//! [`compile`] takes the module that the lowering wrote, as text in MLIR's standard dialects,
//! through MLIR's conversions to LLVM IR, optimises it and returns object code for a processor
//! or PTX for a GPU. All of MLIR and LLVM that a compilation used is gone when it returns.
//!
//! **Invariant:** no type of melior or inkwell leaves this module.

mod check;
mod context;
mod emulate;
mod error;
mod machine;
mod pipeline;
mod target;
mod translate;

#[cfg(test)]
mod tests;

use std::time::Instant;

use inkwell::{
    module::Module,
    targets::{FileType, TargetMachine},
};

use crate::stack::deep;

pub use error::{CodegenError, Diagnostic};
pub use target::{Architecture, Cpu, Nvidia, Target, TargetError};

/// The stage at which [`compile`] stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// MLIR in the `llvm` dialect, as text.
    Mlir,
    /// LLVM IR after optimisation, as text.
    LlvmIr,
    /// The processor's assembly or PTX, as text.
    Assembly,
    /// Code that can be loaded: a relocatable ELF object, or PTX.
    Code,
}

/// The result of [`compile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// Text of the requested stage; PTX is also code.
    Text(String),
    /// A relocatable ELF object without unresolved symbols.
    Object(Vec<u8>),
}

/// A function that is called with each stage's name and its MLIR, LLVM IR or assembly.
pub type Observer<'a> = &'a mut dyn FnMut(&str, &str);

/// Compiles `module_text` for `target` up to the stage `output`.
///
/// Text of the stages in between is made only for an `observer`. Neither the result nor an error
/// depends on whether there is one.
///
/// # Errors
///
/// If the text is not valid MLIR, a pass fails, or the code would need a function that lossc
/// does not provide.
pub fn compile(
    module_text: &str,
    target: &Target,
    output: Output,
    observer: Option<Observer<'_>>,
) -> Result<Artifact, CodegenError> {
    // MLIR and LLVM recurse.
    deep(|| compile_here(module_text, target, output, observer))
}

fn compile_here(
    module_text: &str,
    target: &Target,
    output: Output,
    mut observer: Option<Observer<'_>>,
) -> Result<Artifact, CodegenError> {
    let machine = timed("target machine", || machine::create(target))?;
    let llvm = inkwell::context::Context::create();
    let module = {
        let (mlir, diagnostics) = timed("MLIR context", context::create);
        let mut module = timed("parse", || pipeline::parse(&mlir, &diagnostics, module_text))?;
        pipeline::describe_machine(&mlir, &mut module, &machine::describe(&machine));
        pipeline::run(&mlir, &diagnostics, &mut module, &mut observer)?;
        if output == Output::Mlir {
            return Ok(Artifact::Text(module.as_operation().to_string()));
        }
        timed("translate", || translate::translate(&module, &diagnostics, &llvm))?
    };
    generate(&module, target, &machine, output, &mut observer)
}

/// Compiles LLVM IR to machine code.
fn generate(
    module: &Module<'_>,
    target: &Target,
    machine: &TargetMachine,
    output: Output,
    observer: &mut Option<Observer<'_>>,
) -> Result<Artifact, CodegenError> {
    machine::prepare(module, target)?;
    observe(observer, "llvm", || module.print_to_string().to_string());
    timed("optimise", || machine::optimise(module, machine, target))?;
    observe(observer, "llvm-optimised", || module.print_to_string().to_string());
    check::module(module, target)?;
    if output == Output::LlvmIr {
        return Ok(Artifact::Text(module.print_to_string().to_string()));
    }
    let assembly = |module: &Module<'_>| assembly(module, machine, target);
    match (output, target) {
        (Output::Code, Target::Cpu(_)) => {
            if let Some(observer) = observer {
                // Emission rewrites the module, so the original must not be emitted twice.
                let copy = module.clone();
                observer("assembly", &assembly(&copy)?);
            }
            object(module, machine, target).map(Artifact::Object)
        }
        _ => {
            let text = timed("emit", || assembly(module))?;
            observe(observer, "assembly", || text.clone());
            Ok(Artifact::Text(text))
        }
    }
}

fn assembly(module: &Module<'_>, machine: &TargetMachine, target: &Target) -> Result<String, CodegenError> {
    let bytes = machine::emit(module, machine, FileType::Assembly)?;
    let text =
        String::from_utf8(bytes).map_err(|error| CodegenError::internal("LLVM code generation", error))?;
    if matches!(target, Target::Nvidia(_)) {
        check::ptx(&text, module)?;
    }
    Ok(text)
}

fn object(module: &Module<'_>, machine: &TargetMachine, target: &Target) -> Result<Vec<u8>, CodegenError> {
    let bytes = timed("emit", || machine::emit(module, machine, FileType::Object))?;
    check::object(&bytes, target)?;
    Ok(bytes)
}

fn observe(observer: &mut Option<Observer<'_>>, stage: &str, text: impl FnOnce() -> String) {
    if let Some(observer) = observer {
        observer(stage, &text());
    }
}

fn timed<T>(step: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    tracing::debug!(step, microseconds = start.elapsed().as_micros(), "codegen");
    result
}
