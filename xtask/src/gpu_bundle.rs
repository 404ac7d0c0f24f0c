//! Packs all that a bare machine with an NVIDIA driver needs to check and time lossc.
//!
//! ```text
//! gpu-bundle/
//!   gpu-check         the program; it needs only the driver and a C library
//!   losses/           every loss, schedule and type of logits, with and without an ignored
//!                     label, for processors and GPUs
//!     golden.json     their results on a processor, bit for bit
//!   gpu_peers.py      the comparison with PyTorch, Triton and CUDA, and its imports
//!   libc_interface.so
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::steps::{self, Step, run, target, workspace};
use crate::toolchain::Toolchain;

/// The largest size, in bytes, that can be sent to the machine.
const LARGEST: u64 = 45_000_000;

/// The oldest GPUs that there is code for, and those that are timed. A driver translates either for
/// future GPUs. The processor's code is for `gpu-check --cpu`, and computes the golden bits.
const TARGETS: [(&str, &str); 5] = [
    ("cpu", REPRODUCIBLE),
    ("sm_80", REPRODUCIBLE),
    ("sm_80", FAST),
    ("sm_90", REPRODUCIBLE),
    ("sm_90", FAST),
];

/// The numerics of pixels with golden bits.
const REPRODUCIBLE: &str = "reproducible";
const FAST: &str = "fast";

/// Types of logits, whose labels are u8, and the ignored label, if any.
const INPUTS: [(&str, Option<&str>); 4] =
    [("f32", None), ("f16", None), ("bf16", None), ("f32", Some("255"))];

/// Built files, and files of the repository, that are packed unchanged.
const BUILT: [&str; 2] = ["gpu-check", "examples/libc_interface.so"];
const SCRIPTS: [&str; 6] = [
    "gpu_peers.py",
    "gpu_peer_losses.py",
    "gpu_peer_timing.py",
    "gpu_peer_triton.py",
    "gpu_peer_cuda.py",
    "gpu_peer_host.h",
];

/// Builds, compiles every loss, and checks the result on this machine's processor.
pub fn pack(toolchain: &Toolchain) -> Result<(), String> {
    steps::run_all(&builds(), toolchain)?;
    let folder = workspace().join("gpu-bundle");
    empty(&folder)?;
    for name in BUILT {
        copy(&target().join("release").join(name), &folder)?;
    }
    for name in SCRIPTS {
        copy(&workspace().join("benches").join(name), &folder)?;
    }
    compile_all(&folder.join("losses"))?;
    let program = folder.join("gpu-check");
    for task in ["--write-golden", "--cpu"] {
        run(Command::new(&program).arg(task).current_dir(&folder))?;
    }
    check_size(&folder, LARGEST)
}

fn builds() -> [Step; 2] {
    let compiler = Step::cargo("compiler", ["build", "--package", "lossc", "--bin", "lossc"]);
    let programs = Step::cargo("programs", ["build", "--release"]);
    [
        // With an example, cargo chooses the features that it chooses for tests and for the demo.
        // Without, it would build all that needs LLVM a second time.
        compiler.arguments(["--example", "lesions"]),
        // One call, to build their common dependencies once.
        programs.arguments(["--package", "gpu-check", "--bin", "gpu-check"]).arguments([
            "--package",
            "lossc-runtime",
            "--example",
            "c_interface",
        ]),
    ]
}

/// Compiles each loss of the library, with each choice of its options.
fn compile_all(folder: &Path) -> Result<(), String> {
    let lossc = target().join("debug/lossc");
    for (name, options) in losses(&lossc)? {
        for (element, ignored) in INPUTS {
            for (target, numerics) in TARGETS {
                let mut command = Command::new(&lossc);
                command.args(["compile", &name, "--emit", "bundle", "--target", target]);
                command.args(["--types", &format!("{element},u8"), "--numerics", numerics]);
                command.args(ignored.iter().flat_map(|label| ["--ignore-index", label]));
                command.args(options.iter().map(|option| format!("--set={option}")));
                let schedule = options.iter().map(|option| format!("-{option}")).collect::<String>();
                let inputs = ignored.map_or(element.to_owned(), |label| format!("{element}.ignore-{label}"));
                let kind = if numerics == FAST { ".fast" } else { "" };
                let file = format!("{name}{schedule}.{inputs}.{target}{kind}.lossc").replace('=', "-");
                run(command.arg("-o").arg(folder.join(file)))?;
            }
        }
    }
    Ok(())
}

/// The library's losses with every combination of their options, `name=value`.
fn losses(lossc: &Path) -> Result<Vec<(String, Vec<String>)>, String> {
    let output = Command::new(lossc).args(["list", "--json"]).output();
    let output = output.map_err(|error| format!("{}: {error}", lossc.display()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`lossc list --json` failed, {}: {}", output.status, error.trim()));
    }
    let list = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`lossc list --json` printed something else: {error}"))?;
    match combinations(&list) {
        losses if losses.is_empty() => Err("`lossc list --json` names no loss".to_owned()),
        losses => Ok(losses),
    }
}

fn combinations(list: &Value) -> Vec<(String, Vec<String>)> {
    let losses = list.as_array().into_iter().flatten();
    let losses = losses.flat_map(|loss| {
        let options = loss["options"].as_array().into_iter().flatten();
        let chosen = options.fold(vec![vec![]], |chosen, option| with_each_value(&chosen, option));
        chosen.into_iter().map(|options| (text(&loss["name"]), options))
    });
    losses.collect()
}

/// Returns each list once with each value of an option.
fn with_each_value(chosen: &[Vec<String>], option: &Value) -> Vec<Vec<String>> {
    let values = option["values"].as_array().into_iter().flatten();
    let assignments = values.map(|value| format!("{}={}", text(&option["name"]), text(value)));
    assignments
        .flat_map(|assignment| {
            chosen.iter().map(move |list| [list.as_slice(), std::slice::from_ref(&assignment)].concat())
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn check_size(folder: &Path, largest: u64) -> Result<(), String> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let size = size_of(folder)?;
    println!("{}: {:.1} MB", folder.display(), megabytes(size));
    match size <= largest {
        true => Ok(()),
        false => Err(format!(
            "{} has {:.1} MB and may have {:.1}",
            folder.display(),
            megabytes(size),
            megabytes(largest)
        )),
    }
}

fn size_of(path: &Path) -> Result<u64, String> {
    let named = |error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        return Ok(fs::metadata(path).map_err(named)?.len());
    }
    let entries = fs::read_dir(path).map_err(named)?;
    entries.map(|entry| size_of(&entry.map_err(named)?.path())).sum()
}

/// Creates an empty folder, with one for the losses in it.
fn empty(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let losses = folder.join("losses");
    fs::create_dir_all(&losses).map_err(|error| format!("{}: {error}", losses.display()))
}

fn copy(file: &Path, folder: &Path) -> Result<(), String> {
    let name = file.file_name().unwrap_or_default();
    let copied = fs::copy(file, folder.join(name));
    copied.map(|_| ()).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_that_is_too_large_is_an_error() {
        let folder = workspace().join("xtask");
        let size = size_of(&folder).unwrap();
        let of_sources = size_of(&folder.join("src")).unwrap();
        assert!(of_sources > 10_000 && size > of_sources, "{of_sources} of {size}");
        assert_eq!(check_size(&folder, size), Ok(()));
        let error = check_size(&folder, size - 1).unwrap_err();
        assert!(error.contains(" MB and may have "), "{error}");
    }

    #[test]
    fn every_combination_of_options_is_packed() {
        let list = json!([
            { "name": "plain", "options": [] },
            { "name": "rich", "options": [
                { "name": "a", "values": ["x", "y"] },
                { "name": "b", "values": ["1", "2"] },
            ] },
        ]);
        let found = combinations(&list);
        let rich = found[1..].iter().map(|(name, options)| format!("{name} {}", options.join(" ")));
        assert_eq!(found[0], ("plain".to_owned(), vec![]));
        assert_eq!(
            rich.collect::<Vec<_>>(),
            ["rich a=x b=1", "rich a=y b=1", "rich a=x b=2", "rich a=y b=2"]
        );
    }
}
