//! Any bytes as a bundle, up to the point where its code would run.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use lossc::{Bundle, Cache, Compiled, Compiler, Loss, Target, Tensor, TensorView};
use lossc_runtime::native::{KernelArguments, KernelFunctions};
use lossc_runtime::{Call, CpuExecutor, Executor as _, NativeKernels};

use crate::header;

/// Three sums and a count, one of which needs another: two passes, with a scalar to set.
pub const LOSS: &str = include_str!("../seeds/text/two_passes.mlir");

/// Reads `bytes` as a bundle: unchanged; with the right hash; and, if they are JSON, as the header
/// of code that lossc made. The result is loaded, and never run.
pub fn check(bytes: &[u8]) -> bool {
    let whole = if bytes.starts_with(b"{") {
        Some(header::bundle(bytes, code()))
    } else {
        let _refused = Bundle::from_bytes(bytes);
        header::mended(bytes)
    };
    let bundle = whole.and_then(|bytes| Bundle::from_bytes(&bytes).ok());
    bundle.is_some_and(|bundle| {
        is_written_back(&bundle);
        call(&bundle);
        // SAFETY: the code is loaded, but not run.
        unsafe { Compiled::from_bundle(&bundle, None) }.is_ok()
    })
}

/// The bytes of [`LOSS`] for every x86-64 processor.
pub fn seed() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let loss = Loss::parse("two_passes.mlir", LOSS).expect("a loss");
        let compiler = Compiler::new("cpu:x86-64".parse::<Target>().expect("known")).cache(Cache::off());
        compiler.bundle(&loss).and_then(|bundle| Ok(bundle.to_bytes()?)).expect("it compiles")
    })
}

fn code() -> &'static [u8] {
    header::split(seed()).1
}

/// Checks that writing the bundle and reading it again yields the same bytes.
fn is_written_back(bundle: &Bundle) {
    let bytes = bundle.to_bytes().expect("it was read from as many bytes");
    let again = Bundle::from_bytes(&bytes).expect("it was written whole");
    assert_eq!(again.to_bytes().as_ref(), Ok(&bytes));
}

/// Calls with the bundle's manifest and, in place of its code, functions that do nothing: memory is
/// allocated by the manifest before code runs.
fn call(bundle: &Bundle) {
    let manifest = bundle.manifest.clone();
    let functions = vec![KernelFunctions { run, epilogue }; manifest.kernels.len()];
    let owner: Arc<dyn Any + Send + Sync> = Arc::new(());
    // SAFETY: the functions read and write nothing, so they comply with any manifest.
    let Ok(kernels) = (unsafe { NativeKernels::from_functions(functions, manifest, owner) }) else { return };
    let inputs = &bundle.manifest.pixel_inputs;
    let tensors: Vec<_> = inputs.iter().filter_map(|it| Tensor::zeros(it.element, &[2, 1, 3]).ok()).collect();
    let views: Vec<TensorView<'_>> = tensors.iter().map(Tensor::view).collect();
    let mut executor = CpuExecutor::new(kernels);
    let _both = executor.forward_backward(&Call::new(&views));
    if let Ok(outcome) = executor.forward(&Call::new(&views)) {
        let _gradient = executor.backward(&views, &outcome.residuals, 1.0);
    }
}

extern "C" fn run(_: *const KernelArguments, _: i64, _: i64) {}

extern "C" fn epilogue(_: *const KernelArguments) {}
