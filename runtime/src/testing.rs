//! Helpers of this crate's tests.

use std::process::Command;

/// Compiles C to a position-independent object file with the system compiler.
pub(crate) fn compile_c(source: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("kernel.c"), folder.path().join("kernel.o"));
    std::fs::write(&input, source).unwrap();
    let status = Command::new("cc")
        .args(["-c", "-O2", "-fPIC", "-ffp-contract=off", "-o"])
        .arg(&output)
        .args(arguments)
        .arg(&input)
        .status()
        .expect("the C compiler `cc` is needed for this test");
    assert!(status.success());
    std::fs::read(output).unwrap()
}
