use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::*;

fn write(path: &Path, contents: &str) -> io::Result<()> {
    Output::create(path)?.write(|writer| writer.write_all(contents.as_bytes()))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_not_finished_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::write(&old, "old").unwrap();
    for path in [&old, &new] {
        drop(Output::create(path).unwrap());
        let failed = Output::create(path).unwrap().write(|writer| {
            writer.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!((names(&folder), read(&old)), (vec!["old".to_owned()], "old".to_owned()));
    }
}

#[test]
fn all_names_of_a_file_and_all_links_to_it_show_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "longer than what comes").unwrap();
    fs::hard_link(path("file"), path("other")).unwrap();
    symlink("file", path("link")).unwrap();
    symlink(path("link"), path("second")).unwrap();
    symlink("none", path("dangling")).unwrap();
    write(&path("second"), "through links").unwrap();
    assert_eq!((read(&path("file")), read(&path("other"))), ("through links".into(), "through links".into()));
    fs::remove_file(path("other")).unwrap();
    write(&path("second"), "replaced").unwrap();
    assert_eq!(read(&path("file")), "replaced");
    write(&path("dangling"), "new").unwrap();
    assert_eq!(read(&path("none")), "new");
    assert!(["link", "second", "dangling"].iter().all(|name| path(name).is_symlink()));
    assert_eq!(names(&folder), ["dangling", "file", "link", "none", "second"]);
}

#[test]
fn a_file_keeps_its_mode_and_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let name = "user.lossc";
    let has_attributes = rustix::fs::setxattr(&path, name, b"kept", rustix::fs::XattrFlags::empty()).is_ok();
    for bits in [0o600, 0o640, 0o755, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        write(&path, "new").unwrap();
        assert_eq!((mode(&path), read(&path)), (bits, "new".into()));
    }
    if has_attributes {
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(&path, name, &mut value[..]), Ok(4));
    }
}

#[test]
fn a_fifo_and_a_socket_are_written_into() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, socket) = (folder.path().join("fifo"), folder.path().join("socket"));
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let received = thread::scope(|scope| {
        let reader = scope.spawn(|| read(&fifo));
        write(&fifo, "into the fifo").unwrap();
        let connection = scope.spawn(|| {
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            text
        });
        write(&socket, "into the socket").unwrap();
        (reader.join().unwrap(), connection.join().unwrap())
    });
    assert_eq!(received, ("into the fifo".into(), "into the socket".into()));
    assert_eq!(names(&folder), ["fifo", "socket"]);
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    symlink("second", folder.path().join("first")).unwrap();
    symlink("first", folder.path().join("second")).unwrap();
    fs::write(folder.path().join("file"), "old").unwrap();
    let error = |path: &Path| Output::create(path).err().unwrap().to_string();
    let missing = folder.path().join("none");
    assert_eq!(error(&missing.join("file")), format!("there is no directory {}", missing.display()));
    for name in ["", ".", "..", "new/", "new/."] {
        assert_eq!(error(&folder.path().join(name)), "it is a directory", "{name}");
    }
    assert_eq!(error(Path::new("")), "it has no name");
    assert_eq!(error(&folder.path().join("first")), "its symbolic links lead in a circle");
    assert!(error(&folder.path().join("file/below")).starts_with("Not a directory"));
    assert!(error(Path::new("/dev/fd/4000000000")).starts_with("entity not found"));
    assert_eq!(names(&folder), ["file", "first", "second"]);
}

#[test]
fn an_open_file_is_written_from_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut open = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    open.write_all(b"before ").unwrap();
    let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    symlink(&name, folder.path().join("link")).unwrap();
    write(Path::new(&name), "behind").unwrap();
    write(&folder.path().join("link"), " it").unwrap();
    assert_eq!(read(&path), "before behind it");
    let closed_to_writing = File::open(&path).unwrap();
    let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&closed_to_writing));
    let error = Output::create(Path::new(&name)).err().unwrap().to_string();
    assert_eq!(error, "it is open for reading only");
}

/// Files with hidden names, as on a file system without unnamed files.
#[test]
fn hidden_names_go_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let named = || {
        let file = WholeFile::named_in(folder.path(), 0o644).unwrap();
        file.file().write_all(b"contents").unwrap();
        assert!(names(&folder)[0].starts_with(WholeFile::PREFIX));
        file
    };
    drop(named());
    assert_eq!(names(&folder), Vec::<String>::new());
    named().link(&folder.path().join("new")).unwrap();
    assert!(named().replace(&folder.path().join("new")).is_ok());
    assert_eq!(names(&folder), ["new"]);
    assert_eq!(read(&folder.path().join("new")), "contents");
    fs::create_dir(folder.path().join("taken")).unwrap();
    assert!(named().replace(&folder.path().join("taken")).is_err());
    let unfinished = named();
    drop(discard_unfinished());
    assert_eq!(names(&folder), ["new", "taken"]);
    drop(unfinished);
}
