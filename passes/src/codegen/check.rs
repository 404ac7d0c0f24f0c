//! Checks of finished code: it must not contain anything that lossc's loader or a GPU driver
//! would have to find elsewhere, or whose bits a target may choose.

use inkwell::module::Module;
use object::{Object, ObjectSymbol};

use super::{CodegenError, Target};

/// LLVM intrinsics that become calls of libm on a processor and abort LLVM's NVPTX backend
/// ("Cannot select"), so the check runs before it.
const LIBRARY_INTRINSICS: [&str; 23] = [
    "acos", "asin", "atan", "atan2", "cos", "cosh", "exp", "exp10", "exp2", "frexp", "ldexp", "log", "log10",
    "log2", "modf", "pow", "powi", "sin", "sincos", "sincospi", "sinh", "tan", "tanh",
];

/// Refuses a module that calls a function it does not define.
pub(super) fn module(module: &Module<'_>, target: &Target) -> Result<(), CodegenError> {
    let declared = module
        .get_functions()
        .filter(|function| function.count_basic_blocks() == 0)
        .map(|function| function.get_name().to_string_lossy().into_owned());
    refuse(declared.filter(|name| is_external(name)), target)
}

/// Refuses an object with unresolved symbols: besides declared functions, those
/// that the backend itself calls, such as `memset` and `fmodf`.
pub(super) fn object(bytes: &[u8], target: &Target) -> Result<(), CodegenError> {
    let object = object::File::parse(bytes).map_err(|error| CodegenError::internal("object check", error))?;
    let undefined = object
        .symbols()
        .filter(ObjectSymbol::is_undefined)
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    refuse(undefined.filter(|name| !name.is_empty()), target)
}

/// The approximate instructions of fast numerics and of correctly rounded reciprocals, with
/// their intrinsics.
const APPROXIMATIONS: [(&str, &str); 3] = [
    ("llvm.nvvm.ex2.approx.ftz.f32", "ex2.approx.ftz.f32"),
    ("llvm.nvvm.lg2.approx.f", "lg2.approx.f32"),
    ("llvm.nvvm.rcp.approx.ftz.f", "rcp.approx.ftz.f32"),
];

/// Refuses PTX with a function other than its kernels, or with an approximate instruction that
/// its source `module` does not request; neither can be the fault of a loss.
pub(super) fn ptx(text: &str, module: &Module<'_>) -> Result<(), CodegenError> {
    let asked: Vec<_> =
        APPROXIMATIONS.iter().filter(|(name, _)| module.get_function(name).is_some()).collect();
    let is_asked = |line: &str| asked.iter().any(|(_, instruction)| line.contains(instruction));
    let forbidden = |line: &&str| {
        let is_call = [".func ", "call.uni"].iter().any(|word| line.contains(word));
        is_call || line.contains(".approx") && !is_asked(line)
    };
    match text.lines().find(forbidden) {
        Some(line) => Err(CodegenError::internal("PTX check", line.trim())),
        None => Ok(()),
    }
}

fn refuse(mut symbols: impl Iterator<Item = String>, target: &Target) -> Result<(), CodegenError> {
    match symbols.next() {
        Some(symbol) => Err(CodegenError::ExternalSymbol { symbol, target: target.to_string() }),
        None => Ok(()),
    }
}

fn is_external(name: &str) -> bool {
    let stem = name.strip_prefix("llvm.").and_then(|rest| rest.split('.').next());
    stem.is_none_or(|stem| LIBRARY_INTRINSICS.contains(&stem))
}
