//! Dumps of each stage as files: `LOSSC_DUMP=<dir>` on any program that uses lossc. Each loss has a
//! directory, and so have entry points that are compiled at different times: `bce`, `bce.separate`,
//! `bce.joint`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lossc_passes::schedule::EntryPoints;

use crate::error::Error;

/// Writer of one numbered file per stage.
#[derive(Debug)]
pub(crate) struct Dump {
    directory: PathBuf,
    count: usize,
}

impl Dump {
    /// The dump that the environment asks for, of a loss compiled for `entry_points`.
    pub(crate) fn from_environment(loss: &str, entry_points: EntryPoints) -> Option<Self> {
        let name = match entry_points {
            EntryPoints::All => loss.to_owned(),
            EntryPoints::Separate => format!("{loss}.separate"),
            EntryPoints::Joint => format!("{loss}.joint"),
        };
        Some(Self { directory: Path::new(&directory()?).join(name), count: 0 })
    }

    /// Returns whether the environment asks for dumps: then every stage must be made.
    pub(crate) fn is_asked_for() -> bool {
        directory().is_some()
    }

    /// Writes the text of `stage`.
    pub(crate) fn write(&mut self, stage: &str, extension: &str, text: &str) -> Result<(), Error> {
        let path = self.directory.join(format!("{:02}-{stage}.{extension}", self.count));
        self.count += 1;
        let written = fs::create_dir_all(&self.directory).and_then(|()| fs::write(&path, text));
        written.map_err(|error| Error::Dump { path, error })
    }
}

fn directory() -> Option<OsString> {
    std::env::var_os("LOSSC_DUMP").filter(|directory| !directory.is_empty())
}
