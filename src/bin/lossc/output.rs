//! Outputs of a command besides its report.

use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use lossc_runtime::output::Output;

use crate::failure::Failure;

/// An output that a user named: a file, which is written whole or not at all, a device or
/// a pipe, or `-` for standard output.
pub struct PendingFile<'a> {
    path: &'a Path,
    output: Output,
}

impl<'a> PendingFile<'a> {
    /// Opens the output `path`, which must differ from all files that are read. Doing so before the
    /// work starts reports an unwritable file early.
    pub fn create(path: &'a Path, inputs: &[&Path]) -> Result<Self, Failure> {
        if let Some(input) = inputs.iter().find(|input| is_same_file(path, input)) {
            let why = format!("it is {}, which is read", input.display());
            return Err(cannot_write(path, &io::Error::other(why)));
        }
        let output = Output::create(path).map_err(|error| cannot_write(path, &error))?;
        Ok(Self { path, output })
    }

    /// Returns whether this goes to standard output: then nothing else may.
    pub fn is_standard_output(&self) -> bool {
        self.output.is_standard_output()
    }

    /// Writes the contents and moves them to their final path.
    pub fn finish(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let is_standard_output = self.is_standard_output();
        match self.output.write(write) {
            // As for reports, it is not an error if the reader has gone away.
            Err(error) if is_standard_output && error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| cannot_write(self.path, &error)),
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let name = if path == "-" { Path::new("standard output") } else { path };
    Failure::message(format!("cannot write {}: {error}", name.display()))
}

/// Returns whether two paths name one file or FIFO. A terminal, for example, can be both written
/// and read.
fn is_same_file(output: &Path, input: &Path) -> bool {
    let output = if output == "-" { Path::new("/dev/stdout") } else { output };
    let (Ok(output), Ok(input)) = (output.metadata(), input.metadata()) else { return false };
    let is_one = (output.dev(), output.ino()) == (input.dev(), input.ino());
    is_one && (output.is_file() || output.file_type().is_fifo())
}
