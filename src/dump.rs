//! What each stage made, as files: `LOSSC_DUMP=<dir>` on any program that uses
//! lossc.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Writes one numbered file a stage.
#[derive(Debug)]
pub(crate) struct Dump {
    directory: PathBuf,
    count: usize,
}

impl Dump {
    /// The dump that the environment asks for, under the loss's name.
    pub(crate) fn from_environment(loss: &str) -> Option<Self> {
        let directory = std::env::var_os("LOSSC_DUMP").filter(|directory| !directory.is_empty())?;
        Some(Self { directory: Path::new(&directory).join(loss), count: 0 })
    }

    /// Writes the text of `stage`.
    pub(crate) fn write(&mut self, stage: &str, extension: &str, text: &str) -> Result<(), Error> {
        let path = self.directory.join(format!("{:02}-{stage}.{extension}", self.count));
        self.count += 1;
        let written = fs::create_dir_all(&self.directory).and_then(|()| fs::write(&path, text));
        written.map_err(|error| Error::Dump { path, error })
    }
}
