//! PTX as `ptxas` sees it: it assembles, without spills, calls or doubles where
//! pixels are computed. This is no GPU result.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::data::program;
use crate::targets::{library_losses, ptx};

/// NVIDIA's assembler: from `PTXAS`, or from the Python wheel, fetched once.
fn ptxas() -> Option<&'static Path> {
    static PTXAS: OnceLock<Option<PathBuf>> = OnceLock::new();
    PTXAS.get_or_init(|| std::env::var_os("PTXAS").map(PathBuf::from).or_else(fetch)).as_deref()
}

/// The wheel is proprietary: it is fetched for the tests and never kept in the
/// repository. It needs no GPU.
fn fetch() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptxas");
    let program = directory.join("nvidia/cuda_nvcc/bin/ptxas");
    if !program.exists() {
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
        let mut command = Command::new("python3");
        command.args(pip).arg(&directory).arg("nvidia-cuda-nvcc-cu12==12.9.86");
        command.status().ok().filter(std::process::ExitStatus::success)?;
        make_executable(&program)?;
    }
    Some(program)
}

fn make_executable(program: &Path) -> Option<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).ok()
}

#[test]
fn every_loss_assembles_without_spills() {
    let Some(ptxas) = ptxas() else {
        println!("skipped: ptxas could not be fetched");
        return;
    };
    for target in ["sm_80", "sm_90"] {
        for loss in library_losses() {
            let name = format!("{}-{target}", program(&loss).name());
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.ptx"));
            std::fs::write(&file, ptx(&loss, target)).expect("writable");
            let mut command = Command::new(ptxas);
            command.args(["-v", "--warn-on-spills", "-arch", target, "-o", "/dev/null"]).arg(&file);
            let output = command.output().expect("ptxas runs");
            let report = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{name}: {report}");
            for line in report.lines().filter(|line| line.contains("spill")) {
                assert!(line.contains("0 bytes spill stores, 0 bytes spill loads"), "{name}: {report}");
                assert!(line.contains("0 bytes stack frame"), "{name}: {report}");
            }
        }
    }
}

/// The text of each entry `kernel_K`: what runs for each pixel.
fn pixel_kernels(ptx: &str) -> Vec<&str> {
    ptx.split(".visible .entry ").skip(1).filter(|entry| entry.starts_with("kernel_")).collect()
}

#[test]
fn kernels_have_no_call_no_approximation_and_no_double() {
    for target in ["sm_80", "sm_90"] {
        for loss in library_losses() {
            let text = ptx(&loss, target);
            let name = program(&loss).name();
            assert!(!text.contains("call"), "{name}: a call");
            assert!(!text.contains(".approx"), "{name}: an approximate instruction");
            let kernels = pixel_kernels(&text);
            assert!(!kernels.is_empty(), "{name}");
            for kernel in kernels {
                let first = kernel.find("$L__BB").unwrap_or(0);
                let rest = &kernel[first..];
                assert!(!rest.contains(".f64"), "{name}: a double inside the pixel loop\n{kernel}");
            }
        }
    }
}
