//! `lossc verify-certificate`

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use lossc_runtime::file;

use crate::failure::Failure;
use crate::print;

/// The longest certificate that is read.
const MAX_BYTES: u64 = 256 << 20;

/// Checks a certificate again, step by step, without optimising anything
#[derive(Args)]
pub struct VerifyCertificate {
    /// Output of `lossc explain --certificate`
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl VerifyCertificate {
    /// Runs the command.
    pub fn execute(&self) -> Result<(), Failure> {
        let path = self.file.display();
        let cannot_read = |error: &dyn Display| Failure::message(format!("cannot read {path}: {error}"));
        let bytes = file::read(&self.file, MAX_BYTES).map_err(|error| cannot_read(&error))?;
        let text = String::from_utf8(bytes).map_err(|error| cannot_read(&error))?;
        let certificate = lossc::certificate::read(&text);
        let certificate = certificate.map_err(|error| Failure::message(format!("{path}: {error}")))?;
        print(&format!("{certificate}\n"))
    }
}
