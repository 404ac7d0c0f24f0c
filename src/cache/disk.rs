//! Entries as files.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::SystemTime;

use lossc_runtime::Bundle;
use tracing::warn;

use super::Key;

/// A directory of entries.
pub(super) struct Disk {
    directory: PathBuf,
    /// Bytes of all entries, before the oldest go.
    limit: u64,
    /// A directory that cannot be used is complained about once.
    complained: Once,
}

/// A file of the cache.
struct Entry {
    changed: SystemTime,
    path: PathBuf,
    length: u64,
}

impl Disk {
    pub(super) fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit, complained: Once::new() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The entry at `key`, if there is a sound one.
    pub(super) fn get(&self, key: &Key) -> Option<Bundle> {
        let path = self.path(key);
        let bytes = match self.check_private().and_then(|()| fs::read(&path)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => return self.complain(&error),
        };
        let bundle = Bundle::from_bytes(&bytes);
        bundle.inspect_err(|error| warn!("cache entry {}: {error}; compiling anew", path.display())).ok()
    }

    /// Keeps `bundle` at `key`, if that can be done.
    pub(super) fn put(&self, key: &Key, bundle: &Bundle) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.directory);
        let written = made.and_then(|()| self.check_private()).and_then(|()| {
            bundle.write(&self.path(key)).map_err(|error| io::Error::other(error.error.to_string()))?;
            self.prune()
        });
        if let Err(error) = written {
            self.complain::<()>(&error);
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{key}.lossc"))
    }

    fn complain<T>(&self, error: &io::Error) -> Option<T> {
        let directory = self.directory.display();
        self.complained.call_once(|| warn!("the compile cache {directory} cannot be used: {error}"));
        None
    }

    /// Entries are programs: nobody else may put one there.
    fn check_private(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.directory)?;
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        if own && metadata.mode() & 0o022 == 0 {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::PermissionDenied, "others may write there"))
    }

    /// Deletes the oldest files until the rest fit the limit.
    fn prune(&self) -> io::Result<()> {
        let mut entries: Vec<_> = fs::read_dir(&self.directory)?.filter_map(Entry::of).collect();
        entries.sort_by(|a, b| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
        let mut total: u64 = entries.iter().map(|entry| entry.length).sum();
        for entry in entries {
            if total <= self.limit {
                break;
            }
            // Another process may have deleted it first.
            let _ = fs::remove_file(&entry.path);
            total -= entry.length;
        }
        Ok(())
    }
}

impl Entry {
    /// The entry that a directory's file is, if it is one, or what a process that
    /// was killed left of one.
    fn of(file: io::Result<fs::DirEntry>) -> Option<Self> {
        let file = file.ok()?;
        let name = file.file_name();
        let name = name.to_str()?;
        let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let ours = name.ends_with(".lossc") || name.starts_with(".tmp");
        ours.then(|| {
            Some(Self { changed: metadata.modified().ok()?, path: file.path(), length: metadata.len() })
        })?
    }
}
