//! Installs LLVM and MLIR 22 with apt, after saying so.

use std::env;
use std::process::Command;

/// Dependencies of the build beyond Rust: LLVM and MLIR with their headers, mlir-opt for the tests,
/// Polly because a static LLVM names it, libclang for the bindings, a C++ compiler for the TableGen
/// glue, and the libraries that LLVM itself links.
const PACKAGES: [&str; 9] = [
    "g++",
    "llvm-22-dev",
    "libmlir-22-dev",
    "mlir-22-tools",
    "libpolly-22-dev",
    "libclang-22-dev",
    "zlib1g-dev",
    "libzstd-dev",
    "libxml2-dev",
];

/// Installs the packages, or prints the command with which a person can.
pub fn install() -> Result<(), String> {
    if !in_path("apt-get") {
        return Err("this system has no apt-get: install LLVM and MLIR 22 with their development files, \
             libclang and a C++ compiler, and set MLIR_SYS_220_PREFIX to where they are"
            .to_owned());
    }
    let Some(privilege) = privilege() else {
        return Err(format!(
            "installing them needs root, and there is no sudo here; as root, run:\n  \
             apt-get update && {}",
            install_command().join(" ")
        ));
    };
    println!("About to install with apt (about 2 GB on disk): {}", PACKAGES.join(" "));
    run(privilege, &["apt-get", "update"])?;
    run(privilege, &install_command()).map_err(|error| {
        format!(
            "{error}\nDebian 12 (with its security suite) and Debian 13 have these packages; on \
             another system install LLVM and MLIR 22 and set MLIR_SYS_220_PREFIX to where they are"
        )
    })
}

fn install_command() -> Vec<&'static str> {
    let mut command = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    command.extend(PACKAGES);
    command
}

/// The prefix that makes a command run as root; `None` if there is none.
fn privilege() -> Option<&'static [&'static str]> {
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        Some(&[])
    } else if in_path("sudo") {
        Some(&["sudo"])
    } else {
        None
    }
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn run(privilege: &[&str], command: &[&str]) -> Result<(), String> {
    let words: Vec<_> = privilege.iter().chain(command).copied().collect();
    let line = words.join(" ");
    println!("$ {line}");
    let status = Command::new(words[0])
        .args(&words[1..])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .map_err(|error| format!("`{line}` could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
}
