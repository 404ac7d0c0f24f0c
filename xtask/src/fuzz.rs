//! Fuzzing: each target of `fuzz` for a while, and its outcome.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fmt, fs};

use crate::steps::{cargo, target, workspace};
use crate::toolchain::Toolchain;

/// A kind of input.
struct Target {
    name: &'static str,
    dictionary: &'static str,
    /// The longest input, in bytes.
    longest: u32,
}

const TARGETS: [Target; 6] = [
    Target { name: "text", dictionary: "text", longest: 16 << 10 },
    Target { name: "npy", dictionary: "npy", longest: 1 << 10 },
    Target { name: "bundle", dictionary: "manifest", longest: 32 << 10 },
    Target { name: "cache", dictionary: "manifest", longest: 32 << 10 },
    Target { name: "certificate", dictionary: "certificate", longest: 64 << 10 },
    Target { name: "options", dictionary: "options", longest: 1 << 10 },
];

/// Seconds that an input may take. Most take a few milliseconds; the machine may be busy.
const TIMEOUT: u32 = 20;

/// Mebibytes that the process may use.
const MEMORY: u32 = 2048;

/// Counts that libFuzzer prints for a run.
#[derive(Default)]
struct Outcome {
    executions: u64,
    /// Edges of lossc's code that some input took.
    edges: u64,
    found: bool,
}

/// Runs the named targets, or all, for `each` of them.
pub fn fuzz(named: &[String], each: Duration, toolchain: &Toolchain) -> Result<(), String> {
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = named.iter().find(|name| !known(name)) {
        let names = TARGETS.map(|target| target.name).join(", ");
        return Err(format!("there is no fuzz target `{unknown}`: expected some of {names}"));
    }
    let is_asked = |target: &&Target| named.is_empty() || named.iter().any(|name| name == target.name);
    let targets: Vec<_> = TARGETS.iter().filter(is_asked).collect();
    build(&targets, toolchain)?;
    let outcomes = targets.iter().map(|target| Ok((target.name, target.run(each)?)));
    let outcomes = outcomes.collect::<Result<Vec<_>, String>>()?;
    println!();
    for (name, outcome) in &outcomes {
        println!("{name:<12} {outcome}");
    }
    match outcomes.iter().any(|(_, outcome)| outcome.found) {
        true => Err("there is a fault: see above, and fuzz/artifacts".into()),
        false => Ok(()),
    }
}

fn build(targets: &[&Target], toolchain: &Toolchain) -> Result<(), String> {
    let mut command = cargo(toolchain);
    command.args(["build", "--package", "lossc-fuzz", "--features", "libfuzzer"]);
    command.args(targets.iter().flat_map(|target| ["--bin".into(), target.binary()]));
    let status = command.env("RUSTC_WORKSPACE_WRAPPER", folder().join("instrument.sh")).status();
    match status.map_err(|error| format!("cargo could not be started: {error}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("the fuzz targets cannot be built: {status}")),
    }
}

fn folder() -> PathBuf {
    workspace().join("fuzz")
}

impl Target {
    fn binary(&self) -> String {
        format!("fuzz-{}", self.name)
    }

    /// Runs the target. Inputs that reach new code go into `fuzz/corpus`, which is local to this
    /// machine.
    fn run(&self, each: Duration) -> Result<Outcome, String> {
        let own = |kind: &str| folder().join(kind).join(self.name);
        for made in [own("corpus"), own("artifacts")] {
            fs::create_dir_all(&made)
                .map_err(|error| format!("{} cannot be made: {error}", made.display()))?;
        }
        let dictionary = folder().join("dictionaries").join(format!("{}.dict", self.dictionary));
        let mut command = Command::new(target().join("debug").join(self.binary()));
        command.arg(format!("-max_total_time={}", each.as_secs())).arg(format!("-max_len={}", self.longest));
        command.arg(format!("-timeout={TIMEOUT}")).arg(format!("-rss_limit_mb={MEMORY}"));
        command.arg(format!("-dict={}", dictionary.display()));
        command.arg(format!("-artifact_prefix={}/", own("artifacts").display()));
        command.arg(own("corpus")).arg(own("seeds"));
        // Files made by a check: a hundred times faster without a disk behind them.
        command.envs(Some(("TMPDIR", "/dev/shm")).filter(|(_, memory)| Path::new(memory).is_dir()));
        println!("\n{}: for {} s", self.name, each.as_secs());
        watch(&mut command)
    }
}

/// Passes on the fuzzer's output, and reads the counts out of it.
fn watch(fuzzer: &mut Command) -> Result<Outcome, String> {
    let started = fuzzer.stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| format!("the fuzzer could not be started: {error}"))?;
    let mut outcome = Outcome::default();
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.map_err(|error| format!("what the fuzzer says cannot be read: {error}"))?;
        eprintln!("{line}");
        outcome.read(&line);
    }
    outcome.found = !child.wait().map_err(|error| error.to_string())?.success();
    Ok(outcome)
}

impl Outcome {
    /// Reads a line such as `#512 NEW cov: 812 ft: 1024 …`.
    fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if let Some(count) = words.next().and_then(|word| word.strip_prefix('#')?.parse().ok()) {
            self.executions = count;
        }
        if words.any(|word| word == "cov:") {
            self.edges = words.next().and_then(|count| count.parse().ok()).unwrap_or(self.edges);
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found { "FOUND SOMETHING" } else { "nothing found" };
        write!(formatter, "{:>10} executions, {:>6} edges, {found}", self.executions, self.edges)
    }
}
