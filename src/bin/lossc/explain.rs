//! `lossc explain`

use std::path::PathBuf;

use clap::Args;
use lossc::certificate::certify;
use lossc::explain::explain;

use crate::failure::Failure;
use crate::output::PendingFile;
use crate::report::Channel;
use crate::source::{Source, target};
use crate::specialise::NumericsName;

/// Explains what the compiler does to a loss, and by which rules
#[derive(Args)]
pub struct Explain {
    #[command(flatten)]
    source: Source,
    /// Target whose costs to use: cpu, sm_80, sm_90, …
    #[arg(long, default_value = "cpu")]
    target: String,
    /// Numerics whose costs to use
    #[arg(long, value_enum, default_value_t)]
    numerics: NumericsName,
    /// Print the pattern that each rule matched, and its replacement
    #[arg(long, conflicts_with = "json")]
    rules: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the proof that source and result are the same loss (see verify-certificate);
    /// - is standard output, and then the report goes to standard error
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

impl Explain {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let inputs = Vec::from_iter(self.source.file());
        let create = |path| PendingFile::create(path, &inputs);
        let file = self.certificate.as_deref().map(create).transpose()?;
        let channel = Channel::beside(file.as_ref())?;
        let (loss, target) = (self.source.loss()?, target(&self.target)?);
        let explanation = explain(&loss, &target, self.numerics.into())?;
        if let Some(file) = file {
            let certificate = certify(&loss, &target, self.numerics.into())?;
            file.finish(|file| Ok(serde_json::to_writer_pretty(file, &certificate)?))?;
        }
        match (self.json, self.rules) {
            (true, _) => channel.print_json(&explanation),
            (false, true) => channel.print(&format!("{explanation:#}")),
            (false, false) => channel.print(&explanation.to_string()),
        }
    }
}
