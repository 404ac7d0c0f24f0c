//! Files that lossc cannot read: each is one error, at once, whatever it claims.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use ndarray::ArrayD;
use ndarray_npy::write_npy;

use crate::command::{Directory, stderr};

const RUN: &str = "run bce --logits x.npy --labels t.npy";

/// A .npy file with this header and `data` bytes of data.
fn npy(header: &str, data: usize) -> Vec<u8> {
    let size = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &size[..], header.as_bytes(), &vec![0; data]].concat()
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

/// Runs a command that must fail quickly.
fn fails(directory: &Directory, arguments: &str, expected: &str) {
    let begin = Instant::now();
    let error = directory.failure(arguments);
    assert!(begin.elapsed() < Duration::from_secs(20), "{arguments}: {:?}", begin.elapsed());
    assert!(error.contains(expected), "{arguments}: `{error}` does not say `{expected}`");
}

#[test]
fn a_header_is_compared_with_the_file_before_anything_is_made_of_it() {
    let directory = Directory::new();
    let nested = format!("{{'descr': {}'a'{}, 'shape': (1, 1)}}", "[(".repeat(2000), ")]".repeat(2000));
    let cases = [
        (npy(&header("<f4", "(1000000000, 1000000000)"), 16), "truncated"),
        (npy(&header("<f4", "(18446744073709551615, 0)"), 0), "no memory holds"),
        (npy(&header("<f4", "(4294967296, 4294967296)"), 0), "no memory holds"),
        (npy(&header("<f4", "(2, 2)"), 15), "the file has 15"),
        (npy(&header("<f4", "(2, 2)"), 17), "but 17 follow"),
        (npy(&nested, 4), "records"),
        (npy("{", 0), "a string"),
        (npy("", 0), "'{' should be"),
        (npy(&header("<f8", "(2, 2)"), 32), "x.astype(\"float32\")"),
        (npy(&header(">f4", "(2, 2)"), 16), "big-endian"),
        (npy(&header("|i1", "(2, 2)"), 4), "x.astype(\"int32\")"),
        (npy(&header("<u2", "(2, 2)"), 8), "x.astype(\"int64\")"),
        (npy(&header("<c8", "(2, 2)"), 32), "complex"),
        (npy(&header("|O", "(2, 2)"), 32), "Python object"),
        (npy(&header("|V2", "(2, 2)"), 8), "bfloat16"),
        (npy(&header("", "(2, 2)"), 8), "unknown"),
        (npy(&header("<f4", "()"), 4), "single number"),
        (npy(&header("<f4", "(4,)"), 16), "reshape"),
        (npy(&header("<f4", "(1, 1, 1, 2, 2)"), 16), "reshape"),
        (npy(&header("<f4", "(2, 2)").replace("False", "True"), 16), "ascontiguousarray"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "header"),
        (b"\x93NUMPY\x09\x00".to_vec(), "version 9.0"),
        (b"\x93NUMP".to_vec(), "no .npy file"),
    ];
    for (bytes, expected) in cases {
        fs::write(directory.path().join("odd.npy"), bytes).expect("written");
        fails(&directory, "run bce --logits odd.npy --labels t.npy", expected);
        fails(&directory, "run bce --logits x.npy --labels odd.npy", expected);
    }
}

#[test]
fn pixels_that_no_load_can_take_are_copied() {
    let directory = Directory::new();
    let values: Vec<u8> = [1.0f32, -2.0, 0.5, 3.0].iter().flat_map(|it| it.to_le_bytes()).collect();
    let loss = |padding: usize| {
        let header = header("<f4", "(2, 2)").replace('\n', &format!("{}\n", " ".repeat(padding)));
        let bytes = [npy(&header, 0), values.clone()].concat();
        fs::write(directory.path().join("shifted.npy"), bytes).expect("written");
        directory.json("run bce --logits shifted.npy --labels ones.npy --json")["loss"].to_string()
    };
    write_npy(directory.path().join("ones.npy"), &ArrayD::<u8>::ones(vec![2, 2])).expect("written");
    let all: Vec<_> = (0..8).map(loss).collect();
    assert!(all.iter().all(|loss| *loss == all[0]), "{all:?}");
}

#[test]
fn a_pipe_a_device_or_a_directory_is_named_wherever_a_file_is_read() {
    let directory = Directory::new();
    let file = |name: &str| directory.path().join(name);
    for name in ["pipe.npy", "pipe.mlir", "pipe.lossc"] {
        assert!(Command::new("mkfifo").arg(file(name)).status().expect("mkfifo runs").success());
    }
    for name in ["zero.npy", "zero.mlir", "zero.lossc"] {
        std::os::unix::fs::symlink("/dev/zero", file(name)).expect("a link");
    }
    fs::create_dir(file("folder.mlir")).expect("made");
    for (name, expected) in [("pipe", "a pipe"), ("zero", "a device")] {
        fails(&directory, &format!("run bce --logits {name}.npy --labels t.npy"), expected);
        fails(&directory, &format!("run bce --logits x.npy --labels {name}.npy"), expected);
        fails(&directory, &format!("{RUN} --weights {name}.npy"), expected);
        fails(&directory, &format!("explain {name}.mlir"), expected);
        fails(&directory, &format!("run {name}.lossc --logits x.npy --labels t.npy"), expected);
        fails(&directory, &format!("verify-certificate {name}.npy"), expected);
    }
    fails(&directory, "explain folder.mlir", "a directory");
    fails(&directory, "verify-certificate .", "a directory");
}

#[test]
fn a_file_longer_than_what_is_read_is_not_read() {
    let directory = Directory::new();
    for name in ["large.mlir", "large.lossc", "large.json"] {
        let file = fs::File::create(directory.path().join(name)).expect("made");
        file.set_len(1 << 40).expect("a sparse file");
    }
    fails(&directory, "explain large.mlir", "at most");
    fails(&directory, "run large.lossc --logits x.npy --labels t.npy", "at most");
    fails(&directory, "verify-certificate large.json", "at most");
}

#[test]
fn more_threads_than_there_is_work_are_not_started() {
    let directory = Directory::new();
    let begin = Instant::now();
    let many = directory.json(&format!("{RUN} --threads 65535 --json"));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(many, directory.json(&format!("{RUN} --threads 1 --json")));
}

#[test]
fn a_gradients_path_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let directory = Directory::new();
    let name = std::ffi::OsStr::from_bytes(b"g\xff.npy");
    let output = directory.command(&format!("{RUN} --json --grad")).arg(name).output().expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["gradient"], "g\u{fffd}.npy");
    assert!(directory.path().join(name).exists());
}

#[test]
fn an_ignored_label_is_one_that_the_labels_have() {
    let directory = Directory::new();
    fails(&directory, &format!("{RUN} --ignore-index 256"), "from 0 to 255");
    fails(&directory, &format!("{RUN} --ignore-index -1"), "from 0 to 255");
    let labels = |values: &[i64]| {
        let labels = ArrayD::from_shape_vec(vec![1, values.len()], values.to_vec()).expect("fits");
        write_npy(directory.path().join("i64.npy"), &labels).expect("written");
        write_npy(directory.path().join("f32.npy"), &labels.mapv(|it| it as f32)).expect("written");
        write_npy(directory.path().join("bool.npy"), &labels.mapv(|it| it == 1)).expect("written");
        write_npy(directory.path().join("logits.npy"), &labels.mapv(|_| 0.5f32)).expect("written");
    };
    labels(&[0, 1, 1 << 24, (1 << 24) + 1]);
    let run = |labels: &str, index: i64| {
        format!("run bce --logits logits.npy --labels {labels}.npy --ignore-index {index}")
    };
    fails(&directory, &run("bool", 2), "0 or 1");
    fails(&directory, &run("f32", (1 << 24) + 1), "exactly");
    fails(&directory, &run("i64", (1 << 24) - 1), "2 labels are neither");
    for index in [1 << 24, (1 << 24) + 1] {
        fails(&directory, &run("i64", index), &format!("1 label is neither 0 nor 1 nor {index}"));
    }
    for wide in [(1 << 53) + 1, i64::MIN, i64::MAX, -1] {
        labels(&[0, 1, wide, wide]);
        directory.json(&format!("{} --json", run("i64", wide)));
        labels(&[0, 1, wide, wide ^ 1]);
        fails(&directory, &run("i64", wide), "1 label is neither");
    }
}

#[test]
fn an_invalid_label_is_named_with_its_place_and_a_remedy() {
    let directory = Directory::new();
    let logits = ArrayD::<f32>::zeros(vec![2, 3]);
    write_npy(directory.path().join("logits.npy"), &logits).expect("written");
    let mut mask = ArrayD::<u8>::zeros(vec![2, 3]);
    mask[[1, 2]] = 255;
    write_npy(directory.path().join("mask.npy"), &mask).expect("written");
    write_npy(directory.path().join("scores.npy"), &mask.mapv(|it| f32::from(it) / 510.0)).expect("written");
    fails(
        &directory,
        "run bce --logits logits.npy --labels mask.npy",
        "1 label is neither 0 nor 1: the first is 255 at [1, 2]; divide a mask",
    );
    fails(&directory, "run bce --logits logits.npy --labels scores.npy", "0.5 at [1, 2]; compare scores");
}

#[test]
fn a_weight_that_is_none_is_an_error() {
    let directory = Directory::new();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -1e-30] {
        let mut weights = ArrayD::<f32>::ones(vec![2, 40, 50]);
        weights[[1, 3, 7]] = wrong;
        write_npy(directory.path().join("w.npy"), &weights).expect("written");
        fails(&directory, &format!("{RUN} --weights w.npy --grad g.npy"), "at [1, 3, 7]");
        weights[[1, 3, 7]] = -0.0;
        write_npy(directory.path().join("w.npy"), &weights).expect("written");
        directory.json(&format!("{RUN} --weights w.npy --json"));
    }
}
