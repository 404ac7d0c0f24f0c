//! An MLIR context that knows only the dialects of lossc's lowering, so that a binary has no
//! code for the rest of MLIR.

use std::{cell::RefCell, rc::Rc};

use melior::{
    Context,
    diagnostic::{Diagnostic as MlirDiagnostic, DiagnosticSeverity},
    dialect::{DialectHandle, DialectRegistry},
    ir::Location,
};
use mlir_sys::{
    MlirContext, mlirGetDialectHandle__math__, mlirGetDialectHandle__nvvm__, mlirGetDialectHandle__vector__,
};

use super::error::Diagnostic;

/// The messages of one context, to which its handler adds.
#[derive(Clone, Default)]
pub(super) struct Diagnostics(Rc<RefCell<Vec<Diagnostic>>>);

impl Diagnostics {
    /// Takes the messages so far.
    pub(super) fn take(&self) -> Vec<Diagnostic> {
        self.0.take()
    }

    fn record(&self, diagnostic: &MlirDiagnostic<'_>) {
        if matches!(diagnostic.severity(), DiagnosticSeverity::Error) {
            self.0.borrow_mut().push(convert(diagnostic));
        }
    }
}

/// A single-threaded context with its dialects and translations, whose messages
/// go to the returned list instead of the terminal.
pub(super) fn create() -> (Context, Diagnostics) {
    let registry = DialectRegistry::new();
    for handle in dialects() {
        handle.insert_dialect(&registry);
    }
    let context = Context::new_with_registry(&registry, false);
    context.load_all_available_dialects();
    register_translations(&context);
    let diagnostics = Diagnostics::default();
    let sink = diagnostics.clone();
    context.attach_diagnostic_handler(move |diagnostic| {
        sink.record(&diagnostic);
        true
    });
    (context, diagnostics)
}

fn dialects() -> [DialectHandle; 8] {
    // SAFETY: MLIR's handles are static and valid for the whole program.
    let (math, nvvm, vector) = unsafe {
        (
            DialectHandle::from_raw(mlirGetDialectHandle__math__()),
            DialectHandle::from_raw(mlirGetDialectHandle__nvvm__()),
            DialectHandle::from_raw(mlirGetDialectHandle__vector__()),
        )
    };
    [
        DialectHandle::arith(),
        DialectHandle::cf(),
        DialectHandle::func(),
        DialectHandle::llvm(),
        DialectHandle::scf(),
        math,
        nvvm,
        vector,
    ]
}

// MLIR's C interface registers the translations of all dialects or none, and
// all of them would link every dialect of MLIR. These are the C++ functions
// `mlir::register…DialectTranslation(MLIRContext &)` by their Itanium names.
unsafe extern "C" {
    #[link_name = "_ZN4mlir33registerBuiltinDialectTranslationERNS_11MLIRContextE"]
    fn register_builtin_translation(context: *mut std::ffi::c_void);
    #[link_name = "_ZN4mlir30registerLLVMDialectTranslationERNS_11MLIRContextE"]
    fn register_llvm_translation(context: *mut std::ffi::c_void);
    #[link_name = "_ZN4mlir30registerNVVMDialectTranslationERNS_11MLIRContextE"]
    fn register_nvvm_translation(context: *mut std::ffi::c_void);
}

fn register_translations(context: &Context) {
    let MlirContext { ptr } = context.to_raw();
    // SAFETY: the C interface's handle is the address of a live `MLIRContext`,
    // and a C++ reference is passed as an address.
    unsafe {
        register_builtin_translation(ptr);
        register_llvm_translation(ptr);
        register_nvvm_translation(ptr);
    }
}

fn convert(diagnostic: &MlirDiagnostic<'_>) -> Diagnostic {
    let notes = (0..diagnostic.note_count()).filter_map(|index| diagnostic.note(index).ok());
    Diagnostic {
        position: position(diagnostic.location()),
        message: diagnostic.to_string(),
        notes: notes.map(|note| note.to_string()).collect(),
    }
}

fn position(location: Location<'_>) -> Option<(usize, usize)> {
    location
        .is_file_line_col_range()
        .then(|| (location.file_line_col_range_start_line(), location.file_line_col_range_start_column()))
}
