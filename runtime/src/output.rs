//! Output files that a user names.
//!
//! An [`Output`] leaves at its path either all that was written or what was there before,
//! whatever happens in between:
//!
//! | what the path names | what is done |
//! |---|---|
//! | nothing | an unnamed file is written, and named when it is whole; its mode follows the
//! umask |
//! | a regular file | the same; the file takes the old one's place, mode, owner and extended attributes |
//! | a file with several names, or one that cannot be replaced as it is | its contents are replaced in place, once there is room for them |
//! | a symbolic link | what it points to is written |
//! | a device, FIFO or socket | is written into |
//! | `-`, `/dev/stdout`, `/dev/fd/N` | is written into, from its current position |
//!
//! Where the file system has no unnamed files, the file has a hidden name until it is whole. A
//! program that a signal may end calls [`discard_unfinished`] first.

mod attributes;
mod place;
mod unfinished;
mod whole;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Seek as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use place::Place;
pub use unfinished::{Discarded, discard_unfinished};
pub use whole::WholeFile;

/// The mode of a new file, before the umask.
const MODE: u32 = 0o666;

/// A destination that was found to be writable.
pub struct Output(Destination);

enum Destination {
    Stream { file: File, is_standard_output: bool },
    File { contents: WholeFile, at: Target },
}

/// Target of a whole file.
enum Target {
    /// A name that was free.
    New(PathBuf),
    /// The name of the file `old`, which is replaced.
    Replaced { path: PathBuf, old: File },
    /// An existing file, whose contents are replaced.
    Overwritten(File),
}

impl Output {
    /// Opens `path` for writing and changes nothing there yet. Waits until somebody reads, if
    /// it is a FIFO.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(match Place::of(path)? {
            Place::Descriptor(number) => stream(open_descriptor(number)?, number == 1)?,
            Place::Stream(path) => stream(open_stream(&path)?, false)?,
            Place::File { path, replaceable } => existing(path, replaceable)?,
            Place::Free { path, directory } => {
                let contents = WholeFile::create_in(&directory, MODE)?;
                Destination::File { contents, at: Target::New(path) }
            }
        }))
    }

    /// Returns whether the output goes to standard output, where nothing else may then go.
    pub fn is_standard_output(&self) -> bool {
        matches!(self.0, Destination::Stream { is_standard_output: true, .. })
    }

    /// Writes the contents and puts them in place.
    ///
    /// # Errors
    /// If they cannot be written. The previous contents of a file are then still there.
    pub fn write(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self.0 {
            Destination::Stream { file, .. } => buffered(&file, write),
            Destination::File { contents, at } => {
                buffered(contents.file(), write)?;
                contents.file().sync_all()?;
                at.take(contents)
            }
        }
    }
}

impl Target {
    fn take(self, contents: WholeFile) -> io::Result<()> {
        match self {
            Self::New(path) => contents.link(&path),
            Self::Overwritten(mut old) => overwrite(&mut old, contents.file()),
            // Neither a mount point nor another's file in a directory like /tmp can be
            // replaced.
            Self::Replaced { path, mut old } => match contents.replace(&path) {
                Ok(()) => Ok(()),
                Err((contents, _)) => overwrite(&mut old, contents.file()),
            },
        }
    }
}

fn buffered(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    write(&mut writer)?;
    writer.flush()
}

/// The destination for `file`. It is standard output if it was opened as such, or is the same
/// FIFO, file or socket.
fn stream(file: File, is_first: bool) -> io::Result<Destination> {
    let (own, standard) = (file.metadata()?, place::duplicate(1).and_then(|it| it.metadata()));
    // Several writers may use a terminal or /dev/null at the same time.
    let is_same = |standard: Metadata| !own.file_type().is_char_device() && is_one(&standard, &own);
    let is_standard_output = is_first || standard.is_ok_and(is_same);
    Ok(Destination::Stream { file, is_standard_output })
}

fn is_one(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn open_descriptor(number: u32) -> io::Result<File> {
    let file = place::duplicate(number)?;
    match rustix::fs::fcntl_getfl(&file)? & OFlags::ACCMODE {
        OFlags::RDONLY => Err(io::Error::new(ErrorKind::PermissionDenied, "it is open for reading only")),
        _ => Ok(file),
    }
}

fn open_stream(path: &Path) -> io::Result<File> {
    if path.metadata()?.file_type().is_socket() {
        return Ok(OwnedFd::from(UnixStream::connect(path)?).into());
    }
    let flags = OFlags::NOCTTY.bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

/// The destination for a regular file: replaced, if all except its contents can be preserved.
fn existing(path: PathBuf, replaceable: bool) -> io::Result<Destination> {
    let old = OpenOptions::new().write(true).open(&path)?;
    let metadata = old.metadata()?;
    for (number, name) in [(1, "output"), (2, "error")] {
        // What is printed later would go to a file without a name.
        if place::duplicate(number).and_then(|it| it.metadata()).is_ok_and(|it| is_one(&it, &metadata)) {
            return Err(io::Error::other(format!("it is standard {name} too")));
        }
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    // Where no file can be added, an existing one may still be writable.
    let contents = WholeFile::create_in(directory, MODE)
        .or_else(|_| WholeFile::create_in(&std::env::temp_dir(), 0o600))?;
    let is_alike =
        replaceable && metadata.nlink() == 1 && attributes::copy(&old, &metadata, contents.file()).is_ok();
    let at = if is_alike { Target::Replaced { path, old } } else { Target::Overwritten(old) };
    Ok(Destination::File { contents, at })
}

/// Replaces the contents of `old` by `contents`. Checks that there is room before anything is
/// lost.
fn overwrite(old: &mut File, mut contents: &File) -> io::Result<()> {
    let length = contents.metadata()?.len();
    match rustix::fs::fallocate(&*old, FallocateFlags::KEEP_SIZE, 0, length) {
        // Not every file system can tell, and none can for zero bytes.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    contents.rewind()?;
    old.rewind()?;
    match io::copy(&mut contents, old)? {
        copied if copied == length => {}
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    }
    old.set_len(length)?;
    old.sync_all()
}

#[cfg(test)]
mod tests;
