//! Set-up, tests, the demo and the bundle for a GPU machine, as one command each.
//!
//! This crate builds with Rust and a C linker alone, so that it can fetch LLVM
//! for the crates that cannot.

mod dependencies;
mod fuzz;
mod gpu_bundle;
mod packages;
mod steps;
mod toolchain;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

use crate::steps::Step;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about, version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds lossc and trains a lesion detector on a real photograph
    Demo {
        /// Trains for a few steps only
        #[arg(long)]
        quick: bool,
    },
    /// Runs every test
    Test,
    /// Compares random losses and calls on everything that runs them, until something differs
    Soak {
        /// Duration
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// Seed of the losses and calls; another one each time by default
        #[arg(long)]
        seed: Option<u64>,
        /// Continues after a finding, and collects one of each kind
        #[arg(long)]
        keep_going: bool,
    },
    /// Runs all that a change must pass: format, dependencies, lints, documents, tests, examples,
    /// the bundle
    Ci,
    /// Checks licences, advisories, duplicates and sources of lossc's dependencies
    Dependencies,
    /// Fuzzes all that lossc reads
    Fuzz {
        /// Some of text, npy, bundle, cache, certificate and options; all by default
        targets: Vec<String>,
        /// Duration per target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Packs gpu-bundle/: all that a machine with an NVIDIA driver needs to check and time lossc
    GpuBundle,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), String> {
    let toolchain = toolchain::ensure()?;
    let steps = match task {
        Task::Demo { quick } => vec![demo(*quick)],
        Task::Test => vec![tests()],
        Task::Soak { minutes, seed, keep_going } => vec![soak(*minutes, *seed, *keep_going)],
        Task::Ci => checks(),
        Task::Dependencies => return dependencies::check(),
        Task::Fuzz { targets, seconds } => {
            return fuzz::fuzz(targets, Duration::from_secs((*seconds).into()), &toolchain);
        }
        Task::GpuBundle => return gpu_bundle::pack(&toolchain),
    };
    steps::run_all(&steps, &toolchain)
}

/// Builds and runs the demo's main program. Its features and its training are plain Rust, for which
/// the development profile is optimised enough; the losses are compiled by lossc.
fn demo(quick: bool) -> Step {
    let step = Step::cargo("demo", ["run", "--package", "lossc", "--example", "lesions"]);
    if quick {
        // Next to the pictures of a full run, which these do not replace.
        step.arguments(["--", "--quick", "--output", "target/demo-quick"])
    } else {
        step
    }
}

fn tests() -> Step {
    Step::cargo("tests", ["test", "--workspace"])
}

/// Runs the soak in the integration tests' one binary, which is linked anyway.
fn soak(minutes: u64, seed: Option<u64>, keep_going: bool) -> Step {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
    Step::cargo("soak", ["test", "--workspace", "--test", "lossc", "engine::soak::soak"])
        .arguments(["--", "--ignored", "--nocapture", "--exact"])
        .variable("LOSSC_SOAK_MINUTES", minutes.to_string())
        .variable("LOSSC_SOAK_SEED", seed.unwrap_or_else(now).to_string())
        .variable("LOSSC_SOAK_KEEP_GOING", u8::from(keep_going).to_string())
}

/// Cheapest first: a slip in the format should not cost a build.
fn checks() -> Vec<Step> {
    vec![
        Step::cargo("format", ["fmt", "--all", "--check"]),
        Step::cargo("dependencies", ["xtask", "dependencies"]),
        Step::cargo("lints", ["clippy", "--workspace", "--all-targets"]).arguments(["--", "-D", "warnings"]),
        Step::cargo("documents", ["doc", "--workspace", "--no-deps"]).variable("RUSTDOCFLAGS", "-D warnings"),
        tests().variable("CI", "true").variable("INSTA_UPDATE", "no"),
        Step::cargo("examples", ["build", "--workspace", "--examples"]),
        // Packs the bundle, and runs the parts of it that need no GPU.
        Step::cargo("gpu-bundle", ["xtask", "gpu-bundle"]),
        demo(true),
    ]
}
