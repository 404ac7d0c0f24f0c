//! Errors between MLIR text and machine code.

use std::fmt;

use thiserror::Error;

/// A failed compilation, at the step where it failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CodegenError {
    /// The module is not valid MLIR.
    #[error("the MLIR module is not valid{}", list(.diagnostics))]
    Parse {
        /// MLIR's messages, in order.
        diagnostics: Vec<Diagnostic>,
    },
    /// A pass failed, or left a module that does not verify.
    #[error("MLIR pass `{pass}` failed{}", list(.diagnostics))]
    Pass {
        /// The pass in the spelling of `mlir-opt`.
        pass: &'static str,
        /// MLIR's messages, in order.
        diagnostics: Vec<Diagnostic>,
    },
    /// The lowered module has no translation to LLVM IR.
    #[error("translation to LLVM IR failed{}", list(.diagnostics))]
    Translation {
        /// MLIR's messages, in order.
        diagnostics: Vec<Diagnostic>,
    },
    /// The code calls something that lossc's loader will not provide, such as a
    /// function of libm.
    #[error("code for {target} needs the external symbol `{symbol}`, which nothing provides")]
    ExternalSymbol {
        /// The symbol or LLVM intrinsic.
        symbol: String,
        /// The target of the compilation.
        target: String,
    },
    /// LLVM refused its input; always a defect of lossc.
    #[error("internal error: {step}: {message}")]
    Internal {
        /// The step that found the error.
        step: &'static str,
        /// The error.
        message: String,
    },
}

impl CodegenError {
    /// An internal error of `step`; `message` is often LLVM's own.
    pub(super) fn internal(step: &'static str, message: impl fmt::Display) -> Self {
        Self::Internal { step, message: message.to_string() }
    }
}

/// One message of MLIR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line and column in the MLIR text, both from 1, if known.
    pub position: Option<(usize, usize)>,
    /// The message, without its notes.
    pub message: String,
    /// Additions by MLIR, such as the operation at fault.
    pub notes: Vec<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(formatter, "{line}:{column}: ")?;
        }
        formatter.write_str(&self.message)?;
        self.notes.iter().try_for_each(|note| write!(formatter, "\n  note: {note}"))
    }
}

fn list(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("\n{diagnostic}")).collect()
}
