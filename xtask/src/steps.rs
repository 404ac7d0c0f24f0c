//! Lists of commands, each announced and timed; the first that fails ends the list.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::toolchain::Toolchain;

/// A call of cargo, with a name to print.
pub struct Step {
    name: &'static str,
    arguments: Vec<&'static str>,
    variables: Vec<(&'static str, String)>,
}

impl Step {
    pub fn cargo<const N: usize>(name: &'static str, arguments: [&'static str; N]) -> Self {
        Self { name, arguments: arguments.to_vec(), variables: Vec::new() }
    }

    pub fn arguments<const N: usize>(mut self, arguments: [&'static str; N]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    fn run(&self, toolchain: &Toolchain) -> Result<(), String> {
        let status = cargo(toolchain)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .status()
            .map_err(|error| format!("cargo could not be started: {error}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`cargo {}` failed: {status}", self.arguments.join(" ")))
        }
    }
}

/// Returns cargo in the workspace, with the toolchain's variables.
pub fn cargo(toolchain: &Toolchain) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.envs(toolchain.variables()).current_dir(workspace());
    command
}

/// Runs the steps in order, up to and including the first that fails.
pub fn run_all(steps: &[Step], toolchain: &Toolchain) -> Result<(), String> {
    let mut finished = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("\n[{}/{}] {}: cargo {}", index + 1, steps.len(), step.name, step.arguments.join(" "));
        let start = Instant::now();
        let outcome = step.run(toolchain);
        let elapsed = start.elapsed();
        finished.push((step.name, elapsed));
        if let Err(message) = outcome {
            return Err(format!("{} after {}: {message}", step.name, seconds(elapsed)));
        }
        println!("{}: done in {}", step.name, seconds(elapsed));
    }
    print_summary(&finished);
    Ok(())
}

fn print_summary(finished: &[(&str, Duration)]) {
    if finished.len() < 2 {
        return;
    }
    println!("\nAll {} steps passed:", finished.len());
    for (name, elapsed) in finished {
        println!("  {name:<10} {:>9}", seconds(*elapsed));
    }
    let total = finished.iter().map(|(_, elapsed)| *elapsed).sum();
    println!("  {:<10} {:>9}", "total", seconds(total));
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

/// The workspace: the folder that holds this crate's.
pub fn workspace() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder)
}

/// Runs a command, and names it if it fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
