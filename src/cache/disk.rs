//! Entries as files.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lossc_runtime::Bundle;
use lossc_runtime::output::WholeFile;
use tracing::{debug, warn};

use super::file::{self, Kept};
use super::{Key, entry};

/// A directory of entries.
pub(super) struct Disk {
    directory: PathBuf,
    /// Bytes of all entries, before the oldest are deleted.
    limit: u64,
    /// Paths that a warning named: one warning each is enough.
    complaints: Mutex<HashSet<PathBuf>>,
}

impl Disk {
    /// Subdirectory of `directory` for the cache alone: others may keep files next to it.
    const OWN: &str = "compiled-1";

    pub(super) fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit, complaints: Mutex::default() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the entry at `key`, if there is a sound one.
    pub(super) fn get(&self, key: &Key) -> Option<Bundle> {
        if let Err(error) = self.check_private() {
            return if error.kind() == ErrorKind::NotFound { None } else { self.complain_of_all(&error) };
        }
        let path = self.path(key);
        let bundle = match file::read(&path) {
            Ok(bytes) => entry::decode(key, &bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        let anew =
            |why| self.complain(&path, &format!("cache entry {}: {why}; compiling anew", path.display()));
        bundle.map_or_else(anew, Some)
    }

    /// Stores `bundle` at `key`, if possible.
    pub(super) fn put(&self, key: &Key, bundle: &Bundle) {
        let is_known = |path: &Path| self.complaints().contains(path);
        match self.write(key, bundle).and_then(|()| self.prune()) {
            Err(error) if !is_known(&self.path(key)) => _ = self.complain_of_all::<()>(&error),
            _ => {}
        }
    }

    fn write(&self, key: &Key, bundle: &Bundle) -> io::Result<()> {
        let bytes = entry::encode(key, bundle).map_err(|error| io::Error::other(error.to_string()))?;
        if bytes.len() as u64 > file::LARGEST {
            debug!(%key, bytes = bytes.len(), "too large to be kept");
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(self.own())?;
        self.check_private()?;
        let file = WholeFile::create_in(&self.own(), 0o600)?;
        file.file().write_all(&bytes)?;
        file.link(&self.path(key))
    }

    /// The directory that only the cache uses.
    fn own(&self) -> PathBuf {
        self.directory.join(Self::OWN)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.own().join(format!("{key}.{}", file::EXTENSION))
    }

    fn complain_of_all<T>(&self, error: &io::Error) -> Option<T> {
        let directory = self.directory.display();
        self.complain(&self.directory, &format!("the compile cache {directory} cannot be used: {error}"))
    }

    fn complaints(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns about `path`, the first time.
    fn complain<T>(&self, path: &Path, message: &str) -> Option<T> {
        if self.complaints().insert(path.to_owned()) {
            warn!("{message}");
        }
        None
    }

    /// Checks that nobody else may put an entry there: entries are programs.
    fn check_private(&self) -> io::Result<()> {
        for directory in [&self.directory, &self.own()] {
            let metadata = fs::metadata(directory)?;
            if !metadata.is_dir() {
                return Err(io::Error::from(ErrorKind::NotADirectory));
            }
            if !file::is_private(&metadata) {
                return Err(io::Error::new(ErrorKind::PermissionDenied, "others may write there"));
            }
        }
        Ok(())
    }

    /// Deletes what killed processes left, and the oldest entries until the rest fit the limit.
    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<_> = fs::read_dir(self.own())?.filter_map(Kept::of).collect();
        files.sort();
        let mut total: u64 = files.iter().map(Kept::length).sum();
        for file in files {
            if (file.is_left_over() || total > self.limit) && file.remove() {
                total -= file.length();
            }
        }
        Ok(())
    }
}
