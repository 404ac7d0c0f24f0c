//! The files of a cache's own directory.
//!
//! Anything else that may have got there is neither followed nor opened nor deleted: links,
//! devices, FIFOs, files of others, files with other names or without an entry's mark.

use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lossc_runtime::output::WholeFile;
use rustix::fs::OFlags;

use super::entry::MARK;

/// The last part of an entry's name; the first is its key's hash.
pub(super) const EXTENSION: &str = "entry";

/// The largest size of an entry, in bytes.
pub(super) const LARGEST: u64 = 64 << 20;

/// Longer than writing an entry takes.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// Reads the bytes of an entry's file.
///
/// # Errors
/// If there is no such file, or something else.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens an entry's file, if it is a regular file: opening a device may have effects.
fn open(path: &Path) -> io::Result<(File, u64)> {
    check(&fs::symlink_metadata(path)?)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata.len()))
}

fn check(metadata: &Metadata) -> io::Result<()> {
    let wrong = |why| Err(io::Error::new(ErrorKind::InvalidData, why));
    match metadata {
        it if !it.is_file() => wrong("no regular file"),
        it if !is_private(it) => wrong("others may write it"),
        it if it.len() > LARGEST => wrong("too large"),
        _ => Ok(()),
    }
}

/// Returns whether a file or directory is this user's, and nobody else may write it.
pub(super) fn is_private(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// A file that the cache made, judged by its name. The order is from the oldest on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kept {
    changed: SystemTime,
    path: PathBuf,
    length: u64,
    is_entry: bool,
}

impl Kept {
    /// Returns the file of a directory, if the cache made it.
    pub(super) fn of(file: io::Result<DirEntry>) -> Option<Self> {
        let file = file.ok()?;
        let name = file.file_name();
        let (name, metadata) = (name.to_str()?, file.metadata().ok().filter(Metadata::is_file)?);
        let is_entry = is_entry_name(name);
        (is_entry || name.starts_with(WholeFile::PREFIX)).then_some(())?;
        let changed = metadata.modified().ok()?;
        Some(Self { changed, path: file.path(), length: metadata.len(), is_entry })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns whether a killed process left the file.
    pub(super) fn is_left_over(&self) -> bool {
        !self.is_entry && self.changed.elapsed().is_ok_and(|age| age > LEFT_OVER)
    }

    /// Deletes the file, if its contents match its name.
    pub(super) fn remove(&self) -> bool {
        let is_ours = if self.is_entry { is_marked(&self.path) } else { self.is_left_over() };
        // Another process may have deleted it first.
        is_ours && fs::remove_file(&self.path).is_ok()
    }
}

/// Returns whether this is a key's hash with an entry's extension.
fn is_entry_name(name: &str) -> bool {
    let hash = name.strip_suffix(EXTENSION).and_then(|name| name.strip_suffix('.'));
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(is_digit))
}

fn is_marked(path: &Path) -> bool {
    let mut mark = [0; MARK.len()];
    open(path).is_ok_and(|(mut file, _)| file.read_exact(&mut mark).is_ok()) && mark == MARK
}
