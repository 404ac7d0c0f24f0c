//! Compiled code is found again, and only where it is the right code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use half::f16;
use lossc::{Balance, Cache, Compiler, Loss, Numerics, Target};
use lossc_runtime::Bundle;
use ndarray_npy::write_npy;
use tempfile::TempDir;

use crate::bundle::SCALED;
use crate::command::{Directory, stderr};
use crate::data::{bits, compiled, host, options, sample};

const TENSORS: &str = "--logits x.npy --labels t.npy";

/// Two losses, whose choice has numbers as values.
const NUMBERED: &str = r#"
module attributes {loss.choice = "power", loss.default = "1", loss.name = "numbered"} {
  func.func @numbered.1(%logit: tensor<?x?xf32>, %label: tensor<?x?xui8>) -> tensor<f32> {
    %g = "loss.sum"(%logit) : (tensor<?x?xf32>) -> tensor<?xf32>
    %loss = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
    return %loss : tensor<f32>
  }
  func.func @numbered.2(%logit: tensor<?x?xf32>, %label: tensor<?x?xui8>) -> tensor<f32> {
    %s = "loss.mul"(%logit, %logit) : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %g = "loss.sum"(%s) : (tensor<?x?xf32>) -> tensor<?xf32>
    %loss = "loss.sum_groups"(%g) : (tensor<?xf32>) -> tensor<f32>
    return %loss : tensor<f32>
  }
}
"#;

/// What a process with the cache `cache` did.
struct Ran {
    printed: String,
    log: String,
}

fn run(directory: &Directory, cache: &Path, loss: &str) -> Ran {
    let mut command = directory.command(&format!("run {loss} {TENSORS}"));
    let output =
        command.env("LOSSC_CACHE", cache).env("LOSSC_LOG", "lossc=debug,lossc_passes=debug").output();
    let output = output.expect("the command runs");
    assert!(output.status.success(), "{loss}: {}", stderr(&output));
    Ran { printed: String::from_utf8_lossy(&output.stdout).into_owned(), log: stderr(&output) }
}

impl Ran {
    /// Whether the process compiled; if not, it did not even read the loss.
    fn compiled(&self) -> bool {
        let read = self.log.contains("reading the loss's text");
        let generated = self.log.contains("codegen");
        let found = self.log.contains("found compiled code");
        assert!(read == generated && read != found, "{}", self.log);
        generated
    }
}

/// The entries of a cache, oldest names first; nothing else may be there.
fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(cache).expect("a directory").map(|file| file.expect("readable").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.iter().all(|file| file.extension().is_some_and(|it| it == "lossc")), "{files:?}");
    files
}

/// The cache's one entry.
fn entry(cache: &Path) -> PathBuf {
    let entries = entries(cache);
    assert_eq!(entries.len(), 1);
    entries[0].clone()
}

#[test]
fn a_second_process_neither_reads_nor_compiles() {
    let directory = Directory::new();
    let cache = directory.path().join("cache/of/lossc");
    fs::write(directory.path().join("scaled.mlir"), SCALED).expect("written");
    let losses = [
        "random-drop",
        "random-drop --set schedule=squ --seed 3",
        "bce --ignore-index 255 --reduction mean --balance batch",
        "scaled.mlir --set scale=3",
    ];
    for (count, loss) in losses.iter().enumerate() {
        let first = run(&directory, &cache, loss);
        assert!(first.compiled(), "{loss}");
        let second = run(&directory, &cache, loss);
        assert!(!second.compiled(), "{loss}");
        assert_eq!(first.printed, second.printed, "{loss}");
        assert_eq!(entries(&cache).len(), count + 1);
    }
    let mode = fs::metadata(&cache).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_number_is_an_argument_and_not_a_reason_to_compile() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    fs::write(directory.path().join("scaled.mlir"), SCALED).expect("written");
    let loss = |scale: &str, compiles: bool| -> f64 {
        let ran = run(&directory, &cache, &format!("scaled.mlir --set scale={scale}"));
        assert_eq!(ran.compiled(), compiles, "{scale}");
        ran.printed.split_whitespace().nth(1).expect("a loss").parse().expect("a number")
    };
    let (one, four) = (loss("1", true), loss("4", false));
    assert!(one > 0.0 && (four / one - 4.0).abs() < 1e-6, "{one} {four}");
}

#[test]
fn choices_that_read_as_numbers_are_told_apart() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    fs::write(directory.path().join("numbered.mlir"), NUMBERED).expect("written");
    let printed =
        |power: &str| run(&directory, &cache, &format!("numbered.mlir --set power={power}")).printed;
    let (first, second) = (printed("1"), printed("2"));
    assert_ne!(first, second);
    assert_eq!((printed("1"), printed("2"), printed("2")), (first, second.clone(), second));
}

#[test]
fn all_that_code_follows_from_is_in_the_key() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let file = |name: &str| directory.path().join(name);
    let source = sample(&[2, 40, 50], 0.1, 1);
    write_npy(file("i.npy"), &source.labels.mapv(i32::from)).expect("written");
    write_npy(file("w.npy"), &source.logits.mapv(f32::abs)).expect("written");
    let labels = "--logits x.npy --labels i.npy";
    fs::write(file("own.mlir"), SCALED).expect("written");
    fs::write(file("edited.mlir"), SCALED.replace("= 2.0", "= 2.5")).expect("written");
    let losses = [
        "random-drop",
        "random-drop --set schedule=linear",
        "random-drop --ignore-index 255",
        "random-drop --ignore-index 254",
        "random-drop --reduction mean",
        "random-drop --weights w.npy",
        "bce",
        "own.mlir",
        "edited.mlir",
    ];
    for loss in losses {
        assert!(run(&directory, &cache, loss).compiled(), "{loss}");
    }
    let mut other_type = directory.command(&format!("run random-drop {labels}"));
    assert!(other_type.env("LOSSC_CACHE", &cache).output().expect("runs").status.success());
    assert_eq!(entries(&cache).len(), losses.len() + 1);
}

#[test]
fn an_entry_is_what_runs() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    run(&directory, &cache, "random-drop");
    let mut bundle = Bundle::read(&entry(&cache)).expect("an entry is a bundle");
    bundle.manifest.results.iter_mut().for_each(|result| result.name = result.name.to_uppercase());
    bundle.write(&entry(&cache)).expect("written");
    let ran = run(&directory, &cache, "random-drop");
    assert!(!ran.compiled() && ran.printed.contains("KEPT"), "{}", ran.printed);
}

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
    let damages =
        [vec![], whole[..100].to_vec(), b"something else".to_vec(), changed(8), changed(whole.len() / 2)];
    for damage in damages {
        fs::write(&entry, damage).expect("written");
        let ran = run(&directory, &cache, "bce");
        assert!(ran.log.contains("WARN") && ran.log.contains("compiling anew"), "{}", ran.log);
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
    let mut bundle = Bundle::read(&entry).expect("an entry is a bundle");
    let kernel = bundle.manifest.kernels[0].clone();
    bundle.manifest.kernels.push(kernel);
    bundle.write(&entry).expect("written");
    let ran = run(&directory, &cache, "bce");
    assert!(ran.log.contains("cannot be loaded") && ran.log.contains("codegen"), "{}", ran.log);
    assert_eq!(ran.printed, expected);
    assert!(!run(&directory, &cache, "bce").compiled());
}

#[test]
fn processes_share_a_cache() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    let start = |_| {
        let mut command = directory.command(&format!("run bce {TENSORS}"));
        command.env("LOSSC_CACHE", &cache).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the command starts")
    };
    let children: Vec<_> = (0..6).map(start).collect();
    let outputs: Vec<_> = children.into_iter().map(|it| it.wait_with_output().expect("it ends")).collect();
    for output in &outputs {
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(output));
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    let bundle = Bundle::read(&entry(&cache)).expect("whole");
    assert_eq!(bundle.manifest.name, "bce");
}

#[test]
fn a_cache_that_is_off_leaves_nothing() {
    let directory = Directory::new();
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("made");
    let run = |cache: Option<&str>| {
        let mut command = directory.command(&format!("run bce {TENSORS}"));
        command.env("HOME", &home).env_remove("XDG_CACHE_HOME").env_remove("LOSSC_CACHE");
        let output = command.envs(cache.map(|value| ("LOSSC_CACHE", value))).output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    };
    run(Some("off"));
    assert_eq!(fs::read_dir(&home).expect("readable").count(), 0);
    run(None);
    entry(&home.join(".cache/lossc"));
}

#[test]
fn a_directory_that_cannot_be_used_costs_one_warning() {
    let directory = Directory::new();
    let expected = run(&directory, &directory.path().join("cache"), "bce").printed;
    let shared = directory.path().join("shared");
    fs::create_dir(&shared).expect("made");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).expect("ours");
    for cache in [directory.path().join("x.npy/cache"), "/proc/none".into(), shared.clone()] {
        let ran = run(&directory, &cache, "bce");
        assert_eq!(ran.printed, expected);
        let warnings: Vec<_> = ran.log.lines().filter(|line| line.contains("WARN")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("the compile cache"), "{warnings:?}");
    }
    assert!(entries(&shared).is_empty());
    // Root may write there all the same.
    let read_only = directory.path().join("read-only");
    fs::create_dir(&read_only).expect("made");
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o500)).expect("ours");
    assert_eq!(run(&directory, &read_only, "bce").printed, expected);
}

#[test]
fn wrong_options_are_errors_with_and_without_an_entry() {
    let directory = Directory::new();
    let cache = directory.path().join("cache");
    run(&directory, &cache, "random-drop");
    run(&directory, &cache, "random-drop --set schedule=log");
    for set in ["schedule=cubic", "upstream=1", "nonsense=2", "schedule=1"] {
        for _ in 0..2 {
            let mut command = directory.command(&format!("run random-drop --set {set} {TENSORS}"));
            let output = command.env("LOSSC_CACHE", &cache).output().expect("it runs");
            assert!(output.status.code() == Some(1) && stderr(&output).starts_with("error: "), "{set}");
        }
    }
}

#[test]
fn the_oldest_entries_go_beyond_the_limit() {
    let directory = TempDir::new().expect("a directory");
    let sample = sample(&[9, 9], 0.5, 1);
    let compile = |cache: &Cache, schedule: &str| {
        let loss = lossc::Loss::library("random-drop").expect("in the library").set("schedule", schedule);
        let compiled = Compiler::new(host()).cache(cache.clone()).compile(&loss).expect("compiles");
        sample.step(&compiled, &options(1, Balance::Image));
    };
    let cache = Cache::at(directory.path());
    compile(&cache, "log");
    let oldest = entry(directory.path());
    let left_over = directory.path().join(".tmp-of-a-killed-process");
    fs::rename(&oldest, &left_over).expect("moved");
    compile(&Cache::at(directory.path()), "log");
    let size = fs::metadata(&oldest).expect("there").len();
    compile(&Cache::with_limit(directory.path(), size * 5 / 2), "linear");
    assert_eq!(entries(directory.path()).len(), 2, "and nothing of what was left over");
    fs::write(directory.path().join("other.txt"), b"not ours").expect("written");
    compile(&Cache::with_limit(directory.path(), size * 5 / 2), "squ");
    fs::remove_file(directory.path().join("other.txt")).expect("still there");
    assert_eq!(entries(directory.path()).len(), 2);
    assert!(!oldest.exists());
}

#[test]
fn a_cache_serves_every_type_and_gives_the_same_bits() {
    let directory = TempDir::new().expect("a directory");
    let sample = sample(&[3, 30, 40], 0.1, 3);
    let options = options(5, Balance::Image);
    let expected = bits(&sample.step(&compiled("random-drop", &[]), &options));
    let half = sample.logits.mapv(f16::from_f32);
    let loss = lossc::losses::random_drop(lossc::losses::Schedule::Log).expect("in the library");
    let mut halves = vec![];
    for _ in 0..2 {
        let cache = Cache::at(directory.path());
        for _ in 0..2 {
            let compiler = Compiler::new(host()).cache(cache.clone());
            let compiled = compiler.compile(&loss).expect("compiles");
            assert!(bits(&sample.step(&compiled, &options)) == expected);
            let step = compiled.forward_backward(&half, &sample.labels, options.clone()).expect("runs");
            halves.push(bits(&step));
        }
    }
    assert!(halves.iter().all(|it| *it == halves[0]));
    assert_eq!(entries(directory.path()).len(), 2, "one for f32 logits, one for f16");
}

#[test]
fn numerics_are_in_the_key() {
    let directory = TempDir::new().expect("a directory");
    let loss = Loss::library("bce").expect("a library loss");
    let target: Target = "sm_90".parse().expect("a known target");
    let compiler = Compiler::new(target).cache(Cache::at(directory.path()));
    let bundle = |numerics| compiler.clone().numerics(numerics).bundle(&loss).expect("compiles");
    let bundles = [Numerics::Reproducible, Numerics::Fast, Numerics::Reproducible].map(bundle);
    assert!(bundles[0] == bundles[2] && bundles[0] != bundles[1]);
    assert_eq!(entries(directory.path()).len(), 2);
}
