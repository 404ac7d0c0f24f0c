//! Reports of a command.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use crate::failure::Failure;
use crate::output::PendingFile;

/// The stream that a report goes to.
#[derive(Clone, Copy)]
pub enum Channel {
    Output,
    Error,
}

impl Channel {
    /// Standard output, unless `file` goes there: then standard error.
    pub fn beside(file: Option<&PendingFile<'_>>) -> Result<Self, Failure> {
        if !file.is_some_and(PendingFile::is_standard_output) {
            return Ok(Self::Output);
        }
        if is_same(&io::stdout(), &io::stderr()).unwrap_or(false) {
            return Err(Failure::message(
                "cannot write standard output: the report goes to standard error, which is the same file",
            ));
        }
        Ok(Self::Error)
    }

    /// Writes `text`; it is not an error if the reader has gone away.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        let (name, written) = match self {
            Self::Output => ("standard output", io::stdout().write_all(text.as_bytes())),
            Self::Error => ("standard error", io::stderr().write_all(text.as_bytes())),
        };
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::message(format!("cannot write to {name}: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes `value` as one JSON object.
    pub fn print_json(self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::message(error.to_string()))?;
        self.print(&(text + "\n"))
    }
}

/// Returns whether two streams are one file or pipe; a terminal may be both.
fn is_same(a: &impl AsFd, b: &impl AsFd) -> io::Result<bool> {
    let metadata = |stream: &dyn AsFd| File::from(stream.as_fd().try_clone_to_owned()?).metadata();
    let (a, b) = (metadata(a)?, metadata(b)?);
    Ok((a.dev(), a.ino()) == (b.dev(), b.ino()) && !a.file_type().is_char_device())
}

/// Writes to standard output; it is not an error if the reader has gone away.
pub fn print(text: &str) -> Result<(), Failure> {
    Channel::Output.print(text)
}

/// Prints `value` as one JSON object.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    Channel::Output.print_json(value)
}
