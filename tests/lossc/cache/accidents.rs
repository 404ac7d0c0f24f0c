//! Accidents, not attacks, that happen to a cache's files: copied, moved, truncated, restored from
//! elsewhere, or replaced by something else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use lossc::Cache;
use lossc_runtime::Bundle;
use ndarray_npy::write_npy;
use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{TENSORS, bundle_range, change_bundle, compile, entries, entry, own, run, warnings};
use crate::bundle::SCALED;
use crate::command::{Directory, stderr};
use crate::data::sample;

#[test]
fn a_damaged_entry_is_compiled_anew() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let expected = run(&directory, &cache, "bce").printed;
    let entry = entry(&cache);
    let whole = fs::read(&entry).expect("readable");
    let changed = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    let rehashed = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 32);
        bytes.extend(Sha256::digest(&bytes));
        bytes
    };
    let bundle = whole[bundle_range(&whole)].to_vec();
    let damages = [
        vec![],
        whole[..100].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], b"\0"].concat(),
        whole[..whole.len() / 2].iter().copied().chain(vec![0; whole.len() / 2]).collect(),
        b"something else".to_vec(),
        changed(8),
        changed(whole.len() / 2),
        // Another version of the format, the key's length, the key itself, a bundle alone.
        rehashed(changed(14)),
        rehashed(changed(16)),
        rehashed(changed(23)),
        rehashed(changed(40)),
        bundle,
    ];
    for damage in damages {
        fs::write(&entry, damage).expect("written");
        let ran = run(&directory, &cache, "bce");
        assert_eq!(warnings(&ran), 1, "{}", ran.log);
        assert!(ran.log.contains("compiling anew"), "{}", ran.log);
        assert!(ran.compiled() && ran.printed == expected);
        assert!(fs::read(&entry).expect("readable") == whole, "the entry is whole again");
    }
}

#[test]
fn an_entry_that_cannot_be_loaded_is_compiled_anew() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let expected = run(&directory, &cache, "bce").printed;
    let entry = entry(&cache);
    change_bundle(&entry, |bundle| bundle.manifest.kernels.push(bundle.manifest.kernels[0].clone()));
    let ran = run(&directory, &cache, "bce");
    assert!(ran.log.contains("cannot be loaded") && ran.log.contains("codegen"), "{}", ran.log);
    assert_eq!(ran.printed, expected);
    assert!(!run(&directory, &cache, "bce").compiled());
}

/// A cache in one of the user's directories once deleted the bundles there.
#[test]
fn a_cache_deletes_nothing_that_it_did_not_write() {
    let directory = TempDir::new().expect("a directory");
    compile(&Cache::at(directory.path()), "log");
    let entry = entry(directory.path());
    let (own, name) = (own(directory.path()), entry.file_name().expect("a name").to_owned());
    let hash = "0123456789abcdef".repeat(4);
    let others = [
        directory.path().join("mine.lossc"),
        directory.path().join(".tmp-mine"),
        directory.path().join(".lossc-mine"),
        directory.path().join(&name),
        own.join("mine.lossc"),
        own.join("mine.entry"),
        own.join(format!("{hash}.lossc")),
        own.join(format!("{hash}.entry")),
        own.join(format!("{hash}0.entry")),
        own.join("notes.txt"),
        own.join(".lossc-of-a-running-process"),
    ];
    for other in &others {
        fs::write(other, vec![b'x'; 1 << 16]).expect("written");
        if !other.ends_with(".lossc-of-a-running-process") {
            age(other);
        }
    }
    let left_over = own.join(".lossc-of-a-killed-process");
    fs::write(&left_over, "half an entry").expect("written");
    age(&left_over);
    compile(&Cache::with_limit(directory.path(), 1), "linear");
    assert!(others.iter().all(|other| fs::read(other).is_ok_and(|it| it == [b'x'; 1 << 16])));
    assert!(!left_over.exists() && !entry.exists());
    assert_eq!(fs::read_dir(own).expect("readable").count(), 7, "the new entry went too");
}

/// Sets the modification time of a file back.
fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("there");
    file.set_modified(SystemTime::now() - Duration::from_secs(100_000)).expect("ours");
}

/// Another loss's entry once ran as bce, and so did bce's own with other options.
#[test]
fn an_entry_under_another_name_does_not_run() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    fs::write(directory.path().join("scaled.mlir"), SCALED).expect("written");
    let losses = ["bce", "random-drop", "bce --reduction mean", "scaled.mlir"];
    let made = losses.map(|loss| {
        let cache = directory.path().join(format!("cache of {loss}"));
        let printed = run(&directory, &cache, loss).printed;
        (loss, printed, entry(&cache))
    });
    for (loss, expected, place) in &made {
        for (_, _, other) in made.iter().filter(|(other, ..)| other != loss) {
            let name = own(&cache).join(place.file_name().expect("a name"));
            fs::create_dir_all(own(&cache)).expect("made");
            fs::set_permissions(&cache, fs::Permissions::from_mode(0o700)).expect("ours");
            fs::copy(other, &name).expect("copied");
            let ran = run(&directory, &cache, loss);
            assert!(ran.log.contains("of something else than its name says"), "{}", ran.log);
            assert!(ran.compiled() && ran.printed == *expected && warnings(&ran) == 1, "{loss}: {}", ran.log);
            assert!(!run(&directory, &cache, loss).compiled(), "the entry was replaced");
            fs::rename(&name, directory.path().join("gone")).expect("moved");
        }
    }
}

/// An entry for f16 logits under the name of that for f32 once failed, every time.
#[test]
fn an_entry_of_another_type_is_replaced() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let labels = sample(&[2, 40, 50], 0.1, 1).labels;
    write_npy(directory.path().join("i.npy"), &labels.mapv(i32::from)).expect("written");
    let expected = run(&directory, &cache, "bce").printed;
    let right = entry(&cache);
    let of_type = |labels: &str| {
        let mut command = directory.command(&format!("run bce --logits x.npy --labels {labels}"));
        let output = command.env("LOSSC_CACHE", &cache).output().expect("it runs");
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(of_type("i.npy"), expected);
    let wrong = entries(&cache).into_iter().find(|it| *it != right).expect("of i32 labels");
    fs::copy(&wrong, &right).expect("copied");
    let ran = run(&directory, &cache, "bce");
    assert!(ran.compiled() && ran.printed == expected);
    assert!(!run(&directory, &cache, "bce").compiled());
    assert_eq!(of_type("i.npy"), expected);
}

/// Creates something at a path.
type Make<'a> = &'a dyn Fn(&Path);

/// A FIFO in place of an entry was once read until somebody wrote into it.
#[test]
fn what_is_no_file_of_ours_is_neither_followed_nor_waited_for() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let expected = run(&directory, &cache, "bce").printed;
    let entry = entry(&cache);
    let copy = directory.path().join("copy");
    fs::copy(&entry, &copy).expect("copied");
    let device =
        |path: &Path, minor| mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR, makedev(1, minor));
    let huge = |path: &Path| fs::File::create(path).expect("made").set_len(1 << 40).expect("sparse");
    let open_to_all = |path: &Path| {
        fs::copy(&copy, path).expect("copied");
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("ours");
    };
    let kinds: [(&str, Make<'_>); 9] = [
        ("a FIFO", &|path| mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("made")),
        ("a link to an entry", &|path| symlink(&copy, path).expect("made")),
        ("a link to nothing", &|path| symlink("none", path).expect("made")),
        ("a link to a device", &|path| symlink("/dev/zero", path).expect("made")),
        ("a socket", &|path| drop(UnixListener::bind(path).expect("bound"))),
        ("a huge file", &huge),
        ("a file that all may write", &open_to_all),
        // Only root can create devices; for others there is none to be found.
        ("a device that never ends", &|path| _ = device(path, 5)),
        ("a directory", &|path| fs::create_dir(path).expect("made")),
    ];
    for (kind, make) in kinds {
        fs::remove_file(&entry).expect("ours");
        make(&entry);
        let is_there = entry.symlink_metadata().is_ok();
        let ran = run(&directory, &cache, "bce");
        assert!(ran.compiled() && ran.printed == expected, "{kind}: {}", ran.log);
        assert_eq!(warnings(&ran), usize::from(is_there), "{kind}: {}", ran.log);
        let again = run(&directory, &cache, "bce");
        assert_eq!((again.compiled(), again.printed), (entry.is_dir(), expected.clone()), "{kind}");
    }
    assert!(fs::read_dir(&entry).expect("still there").next().is_none());
    assert!(fs::read(&copy).is_ok());
}

#[test]
fn a_directory_of_links_and_pipes_costs_one_warning() {
    let directory = Directory::new();
    let expected = run(&directory, &directory.path().join("cache"), "bce").printed;
    let path = |name: &str| directory.path().join(name);
    mkfifoat(CWD, path("fifo"), Mode::RUSR | Mode::WUSR).expect("made");
    fs::create_dir(path("user")).expect("made");
    mkfifoat(CWD, own(&path("user")), Mode::RUSR | Mode::WUSR).expect("made");
    symlink("circle", path("circle")).expect("made");
    for cache in ["fifo", "user", "circle"] {
        let ran = run(&directory, &path(cache), "bce");
        assert_eq!((ran.compiled(), &ran.printed, warnings(&ran)), (true, &expected, 1), "{}", ran.log);
    }
}

/// A process that is killed leaves only whole entries, at any time.
#[test]
fn a_killed_process_leaves_no_half_entry() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let expected = run(&directory, &directory.path().join("other"), "bce").printed;
    let mut killed = 0;
    for round in 0..24u64 {
        let mut command = directory.command(&format!("run bce {TENSORS}"));
        command.env("LOSSC_CACHE", &cache).stdout(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        std::thread::sleep(Duration::from_millis(round * 12));
        child.kill().expect("it may be over");
        killed += usize::from(!child.wait().expect("it ends").success());
        for entry in entries(&cache) {
            let bytes = fs::read(entry).expect("readable");
            assert!(Bundle::from_bytes(&bytes[bundle_range(&bytes)]).is_ok());
        }
    }
    assert!(killed > 0);
    assert_eq!(run(&directory, &cache, "bce").printed, expected);
}
