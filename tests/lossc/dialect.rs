//! Stock MLIR accepts every file of the library.

use std::path::{Path, PathBuf};
use std::process::Command;

use lossc_dialect::library;

/// `mlir-opt` of the MLIR that lossc is linked with.
fn mlir_opt() -> PathBuf {
    Path::new(env!("MLIR_SYS_220_PREFIX")).join("bin/mlir-opt")
}

#[test]
fn mlir_opt_accepts_the_library() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialect");
    for (file, _) in library::FILES {
        let mut command = Command::new(mlir_opt());
        command.arg(format!("--irdl-file={}", directory.join("loss.irdl.mlir").display()));
        let output = command.arg(directory.join("losses").join(file)).output().expect("mlir-opt runs");
        assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn mlir_opt_refuses_what_the_dialect_refuses() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("wrong.mlir");
    let text = "func.func @f(%x: tensor<?x?xf32>) -> tensor<f32> {\n  \
                %0 = \"loss.sum\"(%x) : (tensor<?x?xf32>) -> tensor<f32>\n  return %0 : tensor<f32>\n}\n";
    std::fs::write(&file, text).expect("writable");
    let irdl = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialect/loss.irdl.mlir");
    let mut command = Command::new(mlir_opt());
    let output =
        command.arg(format!("--irdl-file={}", irdl.display())).arg(&file).output().expect("mlir-opt runs");
    assert!(!output.status.success());
    assert!(lossc::Loss::parse("wrong.mlir", text).is_err());
}
