//! Reading of files that others name.
//!
//! A path may name anything: a pipe that nobody writes to, a device without an end, a file
//! larger than memory. Hence only regular files are opened, and no more is read than allowed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens the regular file `path` and returns it with its length in bytes. Never waits.
///
/// # Errors
/// If it is not a regular file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    // Opening a device may have effects, so the kind is checked before.
    check_regular(&fs::metadata(path)?)?;
    // Whatever takes the file's place in between is not waited for.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    check_regular(&metadata)?;
    Ok((file, metadata.len()))
}

/// Reads the regular file `path`, which has at most `most` bytes.
///
/// # Errors
/// If it is not a regular file, is longer, or cannot be read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > most {
        return Err(too_long(length, most));
    }
    read_from(file, most)
}

/// Reads all of `reader`, at most `most` bytes.
///
/// # Errors
/// If there is more, or it cannot be read.
pub fn read_from(reader: impl io::Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    reader.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > most { Err(too_long(length, most)) } else { Ok(bytes) }
}

fn too_long(length: u64, most: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("it has {length} bytes or more, at most {most} are read"),
    )
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "something else",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Path, fs, open, read, read_from};

    #[test]
    fn what_is_no_regular_file_is_named_and_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        let cases: [(&Path, &str); 6] = [
            (&pipe, "it is a pipe, not a regular file"),
            (&socket, "it is a socket, not a regular file"),
            (directory.path(), "it is a directory, not a regular file"),
            ("/dev/zero".as_ref(), "it is a device, not a regular file"),
            (&link, "it is a device, not a regular file"),
            ("/nowhere".as_ref(), "No such file"),
        ];
        for (path, expected) in cases {
            let error = read(path, 10).expect_err("no regular file").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_more_is_read_than_there_may_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, b"12345").expect("written");
        assert_eq!(read(&path, 5).expect("fits"), b"12345");
        let error = read(&path, 4).expect_err("too long").to_string();
        assert_eq!(error, "it has 5 bytes or more, at most 4 are read");
        fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        assert_eq!(open(&path).expect("regular").1, 1 << 40);
        assert!(read(&path, 1 << 30).expect_err("too long").to_string().contains("1099511627776"));
        assert!(read_from(std::io::repeat(0), 1000).expect_err("endless").to_string().contains("1001 bytes"));
    }
}
