//! Files that have a name once they are whole.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use rustix::io::Errno;
use tempfile::{Builder, TempPath};

use super::unfinished::names;

/// Where the system shows this process's open files.
const OPEN_FILES: &str = "/proc/self/fd";

/// A file without a name, to be written and then given one. Dropped, it is gone; and so it
/// is when the process is killed, where the file system has such files. Where it has not,
/// the file has a hidden name, which begins with [`WholeFile::PREFIX`].
pub struct WholeFile {
    file: File,
    directory: PathBuf,
    name: Option<TemporaryName>,
}

impl WholeFile {
    /// The first letters of temporary names.
    pub const PREFIX: &str = ".lossc-";

    /// An empty file, to be named in `directory`, with what the umask leaves of `mode`.
    ///
    /// # Errors
    /// If there can be none.
    pub fn create_in(directory: &Path, mode: u32) -> io::Result<Self> {
        let unnamed = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(mode)
            .custom_flags(OFlags::TMPFILE.bits().cast_signed())
            .open(directory);
        match unnamed {
            Ok(file) if Path::new(OPEN_FILES).exists() => {
                Ok(Self { file, directory: directory.to_owned(), name: None })
            }
            Err(error) if !is_unknown(&error) => Err(error),
            _ => Self::named_in(directory, mode),
        }
    }

    /// The same, with a hidden name.
    pub(super) fn named_in(directory: &Path, mode: u32) -> io::Result<Self> {
        let mut known = names();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        let created = Builder::new().prefix(Self::PREFIX).make_in(directory, |path| options.open(path));
        let (file, path) = created?.into_parts();
        known.insert(path.to_path_buf());
        Ok(Self { file, directory: directory.to_owned(), name: Some(TemporaryName(Some(path))) })
    }

    /// The file, to be read and written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Names the file `path`, in its directory. If somebody else has made a file of that
    /// name by now, it is replaced.
    ///
    /// # Errors
    /// If it cannot be named so.
    pub fn link(self, path: &Path) -> io::Result<()> {
        if self.name.is_none() {
            match self.link_to(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                linked => return linked,
            }
        }
        self.replace(path).map_err(|(_, error)| error)
    }

    /// Names the file `path`, in its directory, in the place of whatever is there.
    ///
    /// # Errors
    /// If it cannot be named so; it is then given back.
    pub fn replace(mut self, path: &Path) -> Result<(), (Self, io::Error)> {
        // The system replaces only by renaming, so for a moment there must be a name.
        let mut known = names();
        let name = match self.name.as_mut().and_then(|name| name.0.take()) {
            Some(name) => Ok(name),
            None => {
                let linked =
                    Builder::new().prefix(Self::PREFIX).make_in(&self.directory, |it| self.link_to(it));
                linked.map(tempfile::NamedTempFile::into_temp_path)
            }
        };
        let persisted = name.and_then(|name| {
            known.remove(&*name);
            name.persist(path).map_err(|error| error.error)
        });
        persisted.map_err(|error| (self, error))
    }

    fn link_to(&self, path: &Path) -> io::Result<()> {
        let own = format!("{OPEN_FILES}/{}", self.file.as_raw_fd());
        Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// What systems and file systems say that know no unnamed files.
fn is_unknown(error: &io::Error) -> bool {
    let unknown = [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL, Errno::NOSYS, Errno::NOENT];
    Errno::from_io_error(error).is_some_and(|error| unknown.contains(&error))
}

/// A name that goes when it is dropped.
struct TemporaryName(Option<TempPath>);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let mut known = names();
            known.remove(&*path);
            // While the names are held, so that a signal finds it deleted or known.
            drop(path);
        }
    }
}
