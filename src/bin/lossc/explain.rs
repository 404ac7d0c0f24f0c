//! `lossc explain`

use clap::Args;
use lossc::explain::explain;

use crate::failure::Failure;
use crate::source::{Source, target};
use crate::{print, print_json};

/// Tells what the compiler does to a loss, and by which rules
#[derive(Args)]
pub struct Explain {
    #[command(flatten)]
    source: Source,
    /// Whose prices to use: cpu, sm_80, sm_90, …
    #[arg(long, default_value = "cpu")]
    target: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let explanation = explain(&self.source.loss()?, &target(&self.target)?)?;
        if self.json { print_json(&explanation) } else { print(&explanation.to_string()) }
    }
}
