//! Bundles on disk.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

use super::{Bundle, BundleError, BundleFileError};

impl Bundle {
    /// Reads the bundle in `path` and checks its hash. Nothing in it runs.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a bundle as it was written.
    pub fn read(path: &Path) -> Result<Self, BundleFileError> {
        let bytes = fs::read(path).map_err(|error| BundleError::Read(error.to_string()));
        let bundle = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        bundle.map_err(|error| BundleFileError { path: path.to_owned(), error })
    }

    /// Writes the bundle to `path`, whole or not at all: readers see what was
    /// there before until all of it is in place. The file is its owner's alone.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BundleFileError> {
        let bytes = self.to_bytes();
        let written = bytes
            .and_then(|bytes| replace(path, &bytes).map_err(|error| BundleError::Write(error.to_string())));
        written.map_err(|error| BundleFileError { path: path.to_owned(), error })
    }
}

/// Puts a file with these bytes in the place of whatever `path` is.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
