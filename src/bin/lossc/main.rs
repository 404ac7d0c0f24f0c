//! The `lossc` command.

mod bench;
mod bundle;
mod compile;
mod explain;
mod failure;
mod list;
mod output;
mod report;
mod run;
mod signals;
mod source;
mod specialise;
mod verify_certificate;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use report::{print, print_json};

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
    // Colours are for terminals only.
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).without_time().init();
    signals::clean_up_when_they_end_the_process();
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
