//! Resolution of output paths.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Links that are followed before they are taken for a circle.
const MOST_LINKS: usize = 40;

/// The object that a path names, symbolic links followed; paths are absolute.
pub(super) enum Place {
    /// An open file of this process.
    Descriptor(u32),
    /// A device, FIFO or socket.
    Stream(PathBuf),
    /// A regular file.
    File {
        /// Its path.
        path: PathBuf,
        /// True if another file may take its name.
        replaceable: bool,
    },
    /// Nothing yet.
    Free {
        /// The path.
        path: PathBuf,
        /// The directory it is in.
        directory: PathBuf,
    },
}

impl Place {
    /// Resolves `path`; `-` is standard output.
    ///
    /// # Errors
    /// If it is a directory, or in no directory.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        if path == "-" {
            return Ok(Self::Descriptor(1));
        }
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let (directory, name) = split(&path)?;
            let found = directory.join(name);
            if let Some(number) = descriptor(&directory, name) {
                return Ok(Self::Descriptor(number));
            }
            match fs::symlink_metadata(&found) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Self::Free { path: found, directory });
                }
                Err(error) => return Err(error),
                // Links there cannot be read as paths.
                Ok(_) if directory.starts_with("/proc") => return Self::existing(found, false),
                Ok(metadata) if metadata.is_symlink() => path = directory.join(fs::read_link(&found)?),
                Ok(_) => return Self::existing(found, true),
            }
        }
        Err(io::Error::other("its symbolic links lead in a circle"))
    }

    fn existing(path: PathBuf, replaceable: bool) -> io::Result<Self> {
        match fs::metadata(&path)? {
            it if it.is_dir() => Err(is_a_directory()),
            it if Metadata::is_file(&it) => Ok(Self::File { path, replaceable }),
            _ => Ok(Self::Stream(path)),
        }
    }
}

/// The canonical directory of a path, and the name in it.
fn split(path: &Path) -> io::Result<(PathBuf, &OsStr)> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it has no name"));
    }
    let name = path.file_name().filter(|_| !bytes.ends_with(b"/") && !bytes.ends_with(b"/."));
    let name = name.ok_or_else(is_a_directory)?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let known = fs::canonicalize(directory).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("there is no directory {}", directory.display()))
        }
        _ => error,
    });
    Ok((known?, name))
}

fn is_a_directory() -> io::Error {
    io::Error::new(ErrorKind::IsADirectory, "it is a directory")
}

/// Number of the open file of this process that `name` in `directory` denotes, if it does.
fn descriptor(directory: &Path, name: &OsStr) -> Option<u32> {
    let own = directory.starts_with("/proc") && fs::canonicalize("/proc/self/fd").ok()? == directory;
    own.then(|| name.to_str()?.parse().ok())?
}

/// Duplicates the handle of an open file of this process.
pub(super) fn duplicate(number: u32) -> io::Result<File> {
    let number = RawFd::try_from(number).map_err(|_| io::Error::from(ErrorKind::NotFound))?;
    // SAFETY: the number is not negative, and is used for one system call only, which refuses a
    // number that names no open file. Whoever started this process passed it.
    let open = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(open.try_clone_to_owned()?.into())
}
