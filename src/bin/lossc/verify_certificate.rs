//! `lossc verify-certificate`

use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::print;

/// Checks a certificate again, step by step, without optimising anything
#[derive(Args)]
pub struct VerifyCertificate {
    /// What `lossc explain --certificate` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl VerifyCertificate {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let path = self.file.display();
        let text = fs::read_to_string(&self.file);
        let text = text.map_err(|error| Failure::message(format!("cannot read {path}: {error}")))?;
        let certificate = lossc::certificate::read(&text);
        let certificate = certificate.map_err(|error| Failure::message(format!("{path}: {error}")))?;
        print(&format!("{certificate}\n"))
    }
}
