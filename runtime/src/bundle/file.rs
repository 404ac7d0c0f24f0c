//! Bundles on disk.

use std::path::Path;

use super::{Bundle, BundleError, BundleFileError};
use crate::file;
use crate::output::Output;

/// The longest file that is read; a bundle has some kilobytes.
const MAX_BYTES: u64 = 256 << 20;

impl Bundle {
    /// Reads the bundle in `path` and checks its hash. Nothing in it runs.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a bundle as it was written.
    pub fn read(path: &Path) -> Result<Self, BundleFileError> {
        let bytes = file::read(path, MAX_BYTES).map_err(|error| BundleError::Read(error.to_string()));
        let bundle = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        bundle.map_err(|error| BundleFileError { path: path.to_owned(), error })
    }

    /// Writes the bundle to `path` as an [`Output`]: readers of a file see its previous
    /// contents until all of the new ones are in place.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BundleFileError> {
        let written = self.to_bytes().and_then(|bytes| {
            let output = Output::create(path).and_then(|it| it.write(|writer| writer.write_all(&bytes)));
            output.map_err(|error| BundleError::Write(error.to_string()))
        });
        written.map_err(|error| BundleFileError { path: path.to_owned(), error })
    }
}
