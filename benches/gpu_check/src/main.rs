//! Checks and times compiled losses on a machine with an NVIDIA driver and
//! nothing else: no compiler, no LLVM, no CUDA toolkit.
//!
//! `cargo xtask gpu-bundle` puts this program into a folder with the losses and their results on a
//! processor, bit for bit. Fast losses are compared with their reproducible forms, within their
//! documented error. Every check prints a line. The exit code is 0 if all checks passed, 1 if one
//! failed, 2 if there is no NVIDIA driver.

mod bundles;
mod checks;
mod device;
mod fixture;
mod golden;
mod golden_file;
mod near;
mod pixels;
mod plans;
mod report;
mod timings;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use lossc_runtime::cuda::CudaError;
use serde::Serialize;

use crate::bundles::{Machine, Subject};
use crate::report::{Report, Status};
use crate::timings::Timings;

/// Readable reason for a failure.
type Failure = Box<dyn Error>;

const NO_GPU: u8 = 2;

/// Checks and times compiled losses on a GPU
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the losses and golden.json; `losses` next to this program by default
    folder: Option<PathBuf>,
    /// Check this machine's processor instead of a GPU
    #[arg(long)]
    cpu: bool,
    /// Number of the GPU
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    device: usize,
    /// Number of calls in the median of a timing
    #[arg(long, default_value_t = 100, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    calls: u32,
    /// Only check
    #[arg(long)]
    no_timings: bool,
    /// Only compare golden bits, which is enough under compute-sanitizer
    #[arg(long)]
    only_golden: bool,
    /// Write all findings to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write golden.json with the results of this machine's processor, and check nothing
    #[arg(long)]
    write_golden: bool,
}

/// All findings, for `--json`.
#[derive(Serialize)]
struct Findings {
    machine: String,
    checks: Report,
    timings: Option<Timings>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done if even printing fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    run(&arguments).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let folder = folder(arguments)?;
    if arguments.write_golden {
        golden_file::write(&folder)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.cpu {
        return check(arguments, &folder, &Machine::Processor);
    }
    match Machine::gpu(arguments.device) {
        Ok(machine) => check(arguments, &folder, &machine),
        Err(error @ CudaError::NoDriver) => {
            println!("no GPU to check: {error}");
            Ok(ExitCode::from(NO_GPU))
        }
        // A driver that does not answer is no reason to skip the checks.
        Err(error) => Err(error.into()),
    }
}

fn check(arguments: &Arguments, folder: &Path, machine: &Machine) -> Result<ExitCode, Failure> {
    let name = machine.name()?;
    println!("{name}");
    let mut subjects = machine.subjects(folder)?;
    let mut report = Report::default();
    golden_file::check(folder, machine, &subjects, &mut report);
    near::check(machine, &subjects, &mut report);
    if !arguments.only_golden {
        checks::run(machine, &subjects, &mut report);
    }
    let timings = match machine {
        Machine::Gpu(device, _) if !arguments.no_timings && !arguments.only_golden => {
            subjects.retain(Subject::ignores_nothing);
            Some(timings::measure(device, &subjects, arguments.calls as usize)?)
        }
        _ => None,
    };
    if let Some(timings) = &timings {
        println!("\n{timings}");
    }
    let (passed, skipped, failed) =
        (report.count(Status::Passed), report.count(Status::Skipped), report.count(Status::Failed));
    println!("{passed} checks passed, {skipped} skipped, {failed} failed");
    if let Some(path) = &arguments.json {
        let findings = Findings { machine: name, checks: report, timings };
        fs::write(path, serde_json::to_string_pretty(&findings)? + "\n")
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folder(arguments: &Arguments) -> Result<PathBuf, Failure> {
    match &arguments.folder {
        Some(folder) => Ok(folder.clone()),
        None => Ok(std::env::current_exe()?.parent().unwrap_or(Path::new(".")).join("losses")),
    }
}
