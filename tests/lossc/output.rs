//! Files that the command writes are whole or unchanged, and are the ones the user named.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use lossc_runtime::Bundle;
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt as _, read_npy};
use rustix::fs::{CWD, FileType, Mode, makedev, mkfifoat, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::Value;

use crate::bundle::SCALED;
use crate::command::{Directory, stderr};

/// A command without the name of its output.
const GRADIENT: &str = "run bce --logits x.npy --labels t.npy --grad";

/// All outputs that a user can name.
const OUTPUTS: [&str; 4] =
    [GRADIENT, "compile bce -o", "compile bce --emit bundle -o", "explain bce --certificate"];

/// Runs a command that writes `name`, and must succeed.
fn write(directory: &Directory, output: &str, name: &str) {
    let output = directory.lossc(&format!("{output} {name}"));
    assert!(output.status.success(), "{name}: {}", stderr(&output));
}

/// The contents that a command writes into a new file.
fn expected(directory: &Directory, output: &str) -> Vec<u8> {
    write(directory, output, "expected");
    let contents = fs::read(directory.path().join("expected")).expect("written");
    fs::remove_file(directory.path().join("expected")).expect("ours");
    contents
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

/// `--grad /dev/null` once made a file of the device.
#[test]
fn a_device_stays_a_device() {
    let directory = Directory::new();
    let path = directory.path().join("device");
    for (minor, is_full) in [(3, false), (7, true)] {
        let device = makedev(1, minor);
        if mknodat(CWD, &path, FileType::CharacterDevice, Mode::RWXU, device).is_err() {
            assert!(!geteuid().is_root(), "root can make devices");
            return;
        }
        for output in OUTPUTS {
            let ran = directory.lossc(&format!("{output} device"));
            assert_eq!(ran.status.success(), !is_full, "{output}: {}", stderr(&ran));
            if is_full {
                let error = "error: cannot write device: No space left on device (os error 28)\n";
                assert_eq!(stderr(&ran), error, "{output}");
            }
            let found = fs::metadata(&path).expect("there");
            assert!(found.file_type().is_char_device() && found.rdev() == device, "{output}");
        }
        fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn a_fifo_is_written_into() {
    let directory = Directory::new();
    let path = directory.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("made");
    for output in OUTPUTS {
        let expected = expected(&directory, output);
        let received = thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read(&path).expect("readable"));
            write(&directory, output, "fifo");
            reader.join().expect("it ends")
        });
        assert!(received == expected, "{output}");
        assert!(fs::metadata(&path).expect("there").file_type().is_fifo());
    }
}

/// A link once became a file, and the other names of a file kept the old contents.
#[test]
fn links_and_other_names_show_what_was_written() {
    let directory = Directory::new();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("far")).expect("made");
    for output in OUTPUTS {
        let expected = expected(&directory, output);
        fs::write(path("far/file"), vec![b'x'; 1 << 20]).expect("written");
        symlink("far/file", path("link")).expect("made");
        symlink("far/new", path("dangling")).expect("made");
        write(&directory, output, "link");
        write(&directory, output, "dangling");
        assert!(fs::read(path("far/file")).expect("there") == expected, "{output}");
        assert!(fs::read(path("far/new")).expect("there") == expected, "{output}");
        for contents in [vec![b'x'; 1 << 20], vec![]] {
            fs::write(path("far/file"), contents).expect("written");
            fs::hard_link(path("far/file"), path("other")).expect("made");
            write(&directory, output, "link");
            assert!(fs::read(path("other")).expect("there") == expected, "{output}");
            fs::remove_file(path("other")).expect("ours");
        }
        for link in ["link", "dangling"] {
            assert!(path(link).is_symlink());
            fs::remove_file(path(link)).expect("ours");
        }
        fs::remove_file(path("far/new")).expect("ours");
    }
}

/// A private file once was readable for all after it was rewritten.
#[test]
fn a_file_keeps_its_mode_and_owner() {
    let directory = Directory::new();
    let path = directory.path().join("file");
    for output in OUTPUTS {
        fs::write(&path, "old").expect("written");
        let owner = if geteuid().is_root() { 12345 } else { geteuid().as_raw() };
        std::os::unix::fs::chown(&path, Some(owner), None).expect("root may, and anybody to oneself");
        for bits in [0o600, 0o640, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).expect("ours");
            write(&directory, output, "file");
            assert_eq!((mode(&path), fs::metadata(&path).expect("there").uid()), (bits, owner), "{output}");
        }
        fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn a_new_file_follows_the_umask() {
    let directory = Directory::new();
    for output in OUTPUTS {
        for (umask, expected) in [("077", 0o600), ("027", 0o640), ("000", 0o666)] {
            let arguments: Vec<_> = output.split_whitespace().collect();
            let script = format!("umask {umask}; exec \"$0\" \"$@\" file");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_lossc")]).args(arguments);
            shell.env("LOSSC_CACHE", "off").current_dir(directory.path()).stdout(Stdio::null());
            assert!(shell.status().expect("it runs").success());
            assert_eq!(mode(&directory.path().join("file")), expected, "{output}");
            fs::remove_file(directory.path().join("file")).expect("ours");
        }
    }
}

/// `-` once made a file of that name, and `/dev/stdout` could not be written.
#[test]
fn standard_output_is_an_output_like_others() {
    let directory = Directory::new();
    for output in OUTPUTS {
        let expected = expected(&directory, output);
        let report = directory.lossc(&format!("{output} file")).stdout;
        for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            let ran = directory.lossc(&format!("{output} {name}"));
            assert!(ran.status.success() && ran.stdout == expected, "{output} {name}: {}", stderr(&ran));
            assert_eq!(ran.stderr, report, "the report goes to standard error");
        }
    }
    let ran = directory.lossc(&format!("{GRADIENT} - --json"));
    let gradient = ArrayD::<f32>::read_npy(&*ran.stdout).expect("nothing but the gradient");
    assert_eq!(gradient.shape(), [2, 40, 50]);
    let report: Value = serde_json::from_slice(&ran.stderr).expect("nothing but the report");
    assert_eq!(report["gradient"], "-");
    let bundle = directory.lossc("compile bce --emit bundle -o -").stdout;
    assert_eq!(Bundle::from_bytes(&bundle).expect("a bundle").manifest.name, "bce");
    write(&directory, GRADIENT, "./-");
    assert!(read_npy::<_, ArrayD<f32>>(directory.path().join("-")).is_ok());
}

#[test]
fn a_descriptor_is_an_output_like_others() {
    let directory = Directory::new();
    let expected = expected(&directory, GRADIENT);
    let script = format!("exec 3>\"$1\"; exec \"$0\" {GRADIENT} /dev/fd/3");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_lossc"), "third"]).env("LOSSC_CACHE", "off");
    let ran = shell.current_dir(directory.path()).output().expect("it runs");
    assert!(ran.status.success() && ran.stdout.starts_with(b"loss "), "{}", stderr(&ran));
    assert!(fs::read(directory.path().join("third")).expect("there") == expected);
    // The same pipe as standard output, by another number.
    let script = format!("exec \"$0\" {GRADIENT} /dev/fd/3 3>&1");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_lossc")]).env("LOSSC_CACHE", "off");
    let ran = shell.current_dir(directory.path()).output().expect("it runs");
    assert!(ran.stdout == expected && ran.stderr.starts_with(b"loss "), "{}", stderr(&ran));
}

/// Two streams into one file would spoil both.
#[test]
fn what_is_printed_is_not_mixed_with_what_is_written() {
    let directory = Directory::new();
    let command = |name: &str| directory.command(&format!("{GRADIENT} {name}"));
    let both = || {
        let file = File::create(directory.path().join("both")).expect("made");
        (file.try_clone().expect("open"), file)
    };
    let (first, second) = both();
    let status = command("-").stdout(first).stderr(second).status().expect("it runs");
    assert_eq!(status.code(), Some(1));
    let message = fs::read_to_string(directory.path().join("both")).expect("text");
    assert!(message.starts_with("error: cannot write standard output: the report goes to"), "{message}");
    let ran = command("both").stdout(both().0).output().expect("it runs");
    assert_eq!(stderr(&ran), "error: cannot write both: it is standard output too\n");
    let status = command("both").stderr(both().0).status().expect("it runs");
    assert_eq!(status.code(), Some(1));
    let message = fs::read_to_string(directory.path().join("both")).expect("text");
    assert_eq!(message, "error: cannot write both: it is standard error too\n");
}

/// An output that is an input, by any name, once replaced it.
#[test]
fn an_input_is_never_an_output() {
    let directory = Directory::new();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("own.mlir"), SCALED).expect("written");
    write(&directory, "compile bce --emit bundle -o", "own.lossc");
    for input in ["x.npy", "t.npy", "own.mlir", "own.lossc"] {
        fs::hard_link(path(input), path(&format!("hard.{input}"))).expect("made");
        symlink(input, path(&format!("soft.{input}"))).expect("made");
        let before = fs::read(path(input)).expect("there");
        for name in [input.to_owned(), format!("./{input}"), format!("hard.{input}"), format!("soft.{input}")]
        {
            let run = match input {
                "own.mlir" | "own.lossc" => format!("run {input} --logits x.npy --labels t.npy --grad"),
                _ => GRADIENT.into(),
            };
            let others = ["compile own.mlir -o", "explain own.mlir --certificate"];
            let others = others.into_iter().filter(|_| input == "own.mlir").map(str::to_owned);
            for output in others.chain([run]) {
                let error = directory.failure(&format!("{output} {name}"));
                assert_eq!(error, format!("error: cannot write {name}: it is {input}, which is read"));
            }
            assert!(fs::read(path(input)).expect("there") == before);
        }
    }
}

#[test]
fn what_cannot_be_written_is_an_error_before_the_work() {
    let directory = Directory::new();
    fs::create_dir(directory.path().join("folder")).expect("made");
    fs::write(directory.path().join("file"), "old").expect("written");
    let cases = [
        ("none/file", "there is no directory none"),
        ("folder", "it is a directory"),
        ("new/", "it is a directory"),
        ("file/below", "Not a directory (os error 20)"),
        ("/proc/none", "No such file or directory (os error 2)"),
    ];
    for output in OUTPUTS {
        for (name, why) in cases {
            let error = directory.failure(&format!("{output} {name}"));
            assert_eq!(error, format!("error: cannot write {name}: {why}"), "{output}");
        }
    }
    assert_eq!(fs::read(directory.path().join("file")).expect("there"), b"old");
}

/// Runs as another user than root, who may do everything.
#[test]
fn a_file_that_may_not_be_written_is_as_it_was() {
    let directory = Directory::new();
    let path = directory.path().join("file");
    fs::write(&path, "old").expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("ours");
    let open_to_all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), open_to_all.clone()).expect("ours");
    let run = |arguments: &str| {
        let mut command = directory.command(arguments);
        if geteuid().is_root() {
            command.uid(12345).gid(12345);
        }
        command.output().expect("it runs")
    };
    let ran = run(&format!("{GRADIENT} file"));
    assert_eq!(stderr(&ran), "error: cannot write file: Permission denied (os error 13)\n");
    assert_eq!(fs::read(&path).expect("there"), b"old");
    // A writable file, in a directory where nothing can be added.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).expect("ours");
    let ran = run(&format!("{GRADIENT} file"));
    assert!(ran.status.success(), "{}", stderr(&ran));
    assert!(read_npy::<_, ArrayD<f32>>(&path).is_ok());
    assert_eq!(mode(&path), 0o666);
    fs::set_permissions(directory.path(), open_to_all).expect("ours");
}

/// Signals once left a `.tmp…` next to the output, and so did kill -9 in most cases.
#[test]
fn a_killed_command_leaves_the_old_file_or_the_new_one() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let start = |seed: u64| {
        let mut command = directory
            .command(&format!("run random-drop --logits x.npy --labels t.npy --seed {seed} --grad g.npy"));
        command.env("LOSSC_CACHE", &cache).stdout(Stdio::null());
        command.spawn().expect("it starts")
    };
    let gradient = || fs::read(directory.path().join("g.npy")).expect("always there");
    let gradients = [1, 2].map(|seed| {
        assert!(start(seed).wait().expect("it ends").success());
        gradient()
    });
    let before = std::time::Instant::now();
    assert!(start(1).wait().expect("it ends").success());
    let usual = before.elapsed().as_micros() as u64;
    let names = || {
        let entries = fs::read_dir(directory.path()).expect("readable");
        entries.map(|entry| entry.expect("readable").file_name()).collect::<BTreeSet<_>>()
    };
    let usual_names = names();
    let (mut killed, mut left_over) = (0, 0);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        for round in 0..50 {
            let mut child = start(1 + round % 2);
            // Times spread over the whole run, denser towards the end, when files get their names.
            thread::sleep(Duration::from_micros(usual * (50 - (49 - round) * (49 - round) / 49) / 50));
            let pid = Pid::from_raw(child.id().cast_signed()).expect("a number");
            kill_process(pid, signal).expect("it was not waited for");
            killed += usize::from(child.wait().expect("it ends").code().is_none());
            for name in names().difference(&usual_names) {
                assert_eq!(signal, Signal::KILL, "{name:?} was left");
                fs::remove_file(directory.path().join(name)).expect("ours");
                left_over += 1;
            }
            assert!(gradients.contains(&gradient()), "{signal:?} left half a file");
        }
    }
    assert!(killed > 50, "{killed} of 200 were killed");
    // Nobody can clean up after SIGKILL, and between two system calls a file that replaces another
    // has a name of its own.
    assert!(left_over <= 3, "SIGKILL left {left_over} names");
}
