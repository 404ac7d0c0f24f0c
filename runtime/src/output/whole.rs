//! Files that have a name only once they are whole.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use rustix::io::Errno;
use tempfile::{Builder, TempPath};

use super::unfinished::names;

/// The directory in which the system shows this process's open files.
const OPEN_FILES: &str = "/proc/self/fd";

/// A file without a name, to be written and then given one. It is deleted when it is dropped,
/// and also when the process is killed if the file system supports unnamed files. Where it does
/// not, the file has a hidden name, which begins with [`WholeFile::PREFIX`].
pub struct WholeFile {
    file: File,
    directory: PathBuf,
    name: Option<TemporaryName>,
}

impl WholeFile {
    /// The first letters of temporary names.
    pub const PREFIX: &str = ".lossc-";

    /// Creates an empty file, to be named in `directory`, with `mode` less the umask.
    ///
    /// # Errors
    /// If it cannot be created.
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

    /// Like [`WholeFile::create_in`], with a hidden name.
    pub(super) fn named_in(directory: &Path, mode: u32) -> io::Result<Self> {
        let mut known = names();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(mode);
        let created = Builder::new().prefix(Self::PREFIX).make_in(directory, |path| options.open(path));
        let (file, path) = created?.into_parts();
        known.insert(path.to_path_buf());
        Ok(Self { file, directory: directory.to_owned(), name: Some(TemporaryName(Some(path))) })
    }

    /// The file, for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Names the file `path`, in its directory. A file of that name that somebody else has made
    /// by now is replaced.
    ///
    /// # Errors
    /// If it cannot be given that name.
    pub fn link(self, path: &Path) -> io::Result<()> {
        if self.name.is_none() {
            match self.link_to(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                linked => return linked,
            }
        }
        self.replace(path).map_err(|(_, error)| error)
    }

    /// Names the file `path`, in its directory, in place of whatever is there.
    ///
    /// # Errors
    /// If it cannot be given that name; it is then returned.
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

/// Returns whether this is the error of a system or file system without unnamed files.
fn is_unknown(error: &io::Error) -> bool {
    let unknown = [Errno::OPNOTSUPP, Errno::ISDIR, Errno::INVAL, Errno::NOSYS, Errno::NOENT];
    Errno::from_io_error(error).is_some_and(|error| unknown.contains(&error))
}

/// A name that is deleted when it is dropped.
struct TemporaryName(Option<TempPath>);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let mut known = names();
            known.remove(&*path);
            // Dropped under the lock: a signal finds the name deleted or known.
            drop(path);
        }
    }
}
