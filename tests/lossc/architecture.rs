//! The invariants of ARCHITECTURE.md that a program can check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All dependencies of a package of the workspace, also indirect ones.
fn dependencies(package: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["tree", "--package", package, "--edges", "normal,build"]);
    command.args(["--prefix", "none", "--format", "{lib}", "--offline"]);
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn the_runtime_knows_no_compiler() {
    for package in ["lossc-runtime", "gpu-check"] {
        let dependencies = dependencies(package);
        assert!(dependencies.iter().any(|name| name == "cudarc"), "{dependencies:?}");
        for name in ["melior", "mlir_sys", "inkwell", "llvm_sys", "egg", "lossc_dialect", "lossc_passes"] {
            assert!(!dependencies.iter().any(|it| it == name), "{package} depends on {name}");
        }
    }
}

#[test]
fn only_the_root_joins_the_rooms() {
    let dialect = dependencies("lossc-dialect");
    for name in ["egg", "inkwell", "cudarc", "lossc_passes", "lossc_runtime"] {
        assert!(!dialect.iter().any(|it| it == name), "the dialect depends on {name}");
    }
    let passes = dependencies("lossc-passes");
    for name in ["cudarc", "lossc_runtime"] {
        assert!(!passes.iter().any(|it| it == name), "the passes depend on {name}");
    }
}

/// Source files under `directory`, except those under `except`.
fn sources(directory: &str, except: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("readable") {
            let path = entry.expect("readable").path();
            let known = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            if except.iter().any(|it| known.starts_with(it)) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                found.push((path, text));
            }
        }
    }
    found
}

#[track_caller]
fn nobody_says(word: &str, sources: &[(PathBuf, String)]) {
    for (path, text) in sources {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains(word), "{} says `{}`", path.display(), line.trim());
        }
    }
}

#[test]
fn compiler_frames_stay_in_their_rooms() {
    let dialect = sources("dialect/src", &["dialect/src/text"]);
    nobody_says("melior::", &dialect);
    let passes = sources("passes/src", &["passes/src/codegen"]);
    nobody_says("melior::", &passes);
    nobody_says("inkwell::", &passes);
    nobody_says("std::fs", &sources("passes/src", &["passes/src/codegen/tests"]));
    nobody_says("egg::", &sources("passes/src", &["passes/src/egraph"]));
}
