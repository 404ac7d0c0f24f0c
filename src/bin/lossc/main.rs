//! The `lossc` command.

mod bench;
mod bundle;
mod compile;
mod explain;
mod failure;
mod list;
mod npy;
mod output;
mod run;
mod source;
mod specialise;
mod verify_certificate;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use failure::Failure;

/// A compiler for segmentation losses.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Compile(compile::Compile),
    Explain(explain::Explain),
    Bench(bench::Bench),
    List(list::List),
    VerifyCertificate(verify_certificate::VerifyCertificate),
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("LOSSC_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // Colours are for a terminal.
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).without_time().init();
    let result = match Arguments::parse().command {
        Command::Run(command) => command.execute(),
        Command::Compile(command) => command.execute(),
        Command::Explain(command) => command.execute(),
        Command::Bench(command) => command.execute(),
        Command::List(command) => command.execute(),
        Command::VerifyCertificate(command) => command.execute(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(1)
        }
    }
}

/// Writes to standard output; a reader that has gone away is no error.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::message(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints `value` as one JSON object.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::message(error.to_string()))?;
    print(&(text + "\n"))
}
