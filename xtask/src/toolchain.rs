//! LLVM and MLIR 22: finding them, and one message for all that is wrong with them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::packages;

/// Debian's prefix of the version that this project is built against.
const DEFAULT_PREFIX: &str = "/usr/lib/llvm-22";
const PREFIX_VARIABLE: &str = "MLIR_SYS_220_PREFIX";

/// One file of each part that Debian ships as a separate package.
const PARTS: [(&str, &str); 4] = [
    ("include/mlir-c/IR.h", "the MLIR headers"),
    ("lib/libMLIRIR.a", "the MLIR libraries"),
    ("lib/libPolly.a", "the Polly library"),
    ("bin/mlir-opt", "mlir-opt"),
];

/// A complete installation of LLVM and MLIR 22.
pub struct Toolchain {
    prefix: PathBuf,
}

/// Reason why an installation cannot be used.
enum Problem {
    WrongVersion(String),
    Missing(Vec<&'static str>),
}

/// Finds the toolchain; if Debian's is missing, offers apt's packages.
pub fn ensure() -> Result<Toolchain, String> {
    let prefix = env::var_os(PREFIX_VARIABLE).map_or_else(|| DEFAULT_PREFIX.into(), PathBuf::from);
    let Some(problem) = inspect(&prefix) else {
        return Ok(Toolchain { prefix });
    };
    if prefix != Path::new(DEFAULT_PREFIX) || matches!(problem, Problem::WrongVersion(_)) {
        return Err(describe(&problem, &prefix));
    }
    println!("{}", describe(&problem, &prefix));
    packages::install()?;
    match inspect(&prefix) {
        None => Ok(Toolchain { prefix }),
        Some(problem) => Err(format!("the packages are installed, but {}", describe(&problem, &prefix))),
    }
}

impl Toolchain {
    /// The variables through which the bindings find this installation. All come from one prefix:
    /// two copies of LLVM in a process must not happen.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let prefix = self.prefix.as_os_str();
        vec![
            (PREFIX_VARIABLE, prefix.to_owned()),
            ("LLVM_SYS_221_PREFIX", prefix.to_owned()),
            ("TABLEGEN_220_PREFIX", prefix.to_owned()),
            ("LIBCLANG_PATH", libclang_folder(&self.prefix)),
        ]
    }
}

/// `LIBCLANG_PATH` if it holds a libclang, otherwise the installation's own.
fn libclang_folder(prefix: &Path) -> OsString {
    env::var_os("LIBCLANG_PATH")
        .filter(|folder| holds_libclang(Path::new(folder)))
        .unwrap_or_else(|| prefix.join("lib").into_os_string())
}

fn holds_libclang(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
}

/// Returns whether this is `libclang.so`, `libclang.so.1` or `libclang-22.so.22`, and not
/// `libclang-cpp.so`.
fn is_libclang(name: &str) -> bool {
    name.strip_prefix("libclang")
        .map(|rest| rest.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()))
        .is_some_and(|rest| rest.starts_with(".so"))
}

fn inspect(prefix: &Path) -> Option<Problem> {
    let Some(version) = llvm_config(prefix, &["--version"]) else {
        return Some(Problem::Missing(vec!["llvm-config"]));
    };
    if !version.starts_with("22.") {
        return Some(Problem::WrongVersion(version));
    }
    let missing = missing_parts(prefix);
    (!missing.is_empty()).then_some(Problem::Missing(missing))
}

fn missing_parts(prefix: &Path) -> Vec<&'static str> {
    let mut missing: Vec<_> =
        PARTS.iter().filter(|(path, _)| !prefix.join(path).exists()).map(|(_, name)| *name).collect();
    if !holds_libclang(Path::new(&libclang_folder(prefix))) {
        missing.push("libclang");
    }
    if !links(prefix) {
        missing.push("a C++ compiler and the libraries LLVM links (z, zstd, xml2, z3)");
    }
    missing
}

/// Links an empty library against the system libraries of a static LLVM, as the build will: an
/// error there is a page of linker output later.
fn links(prefix: &Path) -> bool {
    let Some(libraries) = llvm_config(prefix, &["--link-static", "--system-libs"]) else {
        return false;
    };
    let compiler = env::var_os("CXX").unwrap_or_else(|| OsString::from("c++"));
    Command::new(compiler)
        .args(["-shared", "-x", "c++", "-o", "/dev/null", "-include", "string", "-"])
        .args(["-x", "none"])
        .args(libraries.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn llvm_config(prefix: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(prefix.join("bin/llvm-config"))
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn describe(problem: &Problem, prefix: &Path) -> String {
    let place = prefix.display();
    match problem {
        Problem::WrongVersion(version) => format!(
            "LLVM {version} is at {place}, and lossc needs LLVM 22: set {PREFIX_VARIABLE} to an \
             installation of LLVM and MLIR 22, or unset it to use Debian's in {DEFAULT_PREFIX}"
        ),
        Problem::Missing(parts) if prefix == Path::new(DEFAULT_PREFIX) => {
            format!("LLVM and MLIR 22 are not complete in {place}: missing {}.", parts.join(", "))
        }
        Problem::Missing(parts) => format!(
            "{PREFIX_VARIABLE} is {place}, which lacks {}: complete that installation of LLVM and \
             MLIR 22, or unset the variable to use Debian's in {DEFAULT_PREFIX}",
            parts.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::is_libclang;

    #[test]
    fn libclang_is_told_from_the_cpp_library() {
        for name in ["libclang.so", "libclang.so.1", "libclang-22.so.22"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.22", "libclangAST.a", "libLLVM.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
