//! Compiled code is found again, and only if it is the right code.

mod accidents;

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use half::f16;
use lossc::{Balance, Cache, Compiler, Loss, Numerics, Reduction, Target};
use lossc_runtime::Bundle;
use ndarray_npy::write_npy;
use sha2::{Digest as _, Sha256};
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

/// Result of a process with the cache `cache`.
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

/// The number of warnings of the cache.
fn warnings(ran: &Ran) -> usize {
    ran.log.lines().filter(|line| line.contains("WARN lossc::cache")).count()
}

impl Ran {
    /// Returns whether the process compiled; if not, it found code.
    fn compiled(&self) -> bool {
        let generated = self.log.contains("codegen");
        let found = self.log.contains("found compiled code");
        assert!(generated != found && self.read() >= generated, "{}", self.log);
        generated
    }

    /// Returns whether the process read the loss.
    fn read(&self) -> bool {
        self.log.contains("reading the loss's text")
    }
}

/// The cache's own directory in a cache directory.
fn own(cache: &Path) -> PathBuf {
    cache.join("compiled-1")
}

/// The entries of a cache, sorted by name; nothing else may be there.
fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(own(cache)).into_iter().flatten().map(|file| file.expect("readable").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.iter().all(|file| file.extension().is_some_and(|it| it == "entry")), "{files:?}");
    files
}

/// The only entry of a cache.
fn entry(cache: &Path) -> PathBuf {
    let entries = entries(cache);
    assert_eq!(entries.len(), 1);
    entries[0].clone()
}

/// Range of the bundle in an entry: the hash of an entry has 32 bytes.
fn bundle_range(entry: &[u8]) -> Range<usize> {
    let magic = b"\x89LOSSC\r\n";
    let start = entry.windows(magic.len()).position(|it| it == magic).expect("a bundle");
    start..entry.len() - 32
}

/// Changes the bundle in an entry, as if lossc had compiled it that way.
fn change_bundle(path: &Path, change: impl FnOnce(&mut Bundle)) {
    let mut bytes = fs::read(path).expect("readable");
    let range = bundle_range(&bytes);
    let mut bundle = Bundle::from_bytes(&bytes[range.clone()]).expect("a bundle");
    change(&mut bundle);
    bytes.truncate(range.start);
    bytes.extend(bundle.to_bytes().expect("fits"));
    bytes.extend(Sha256::digest(&bytes));
    fs::write(path, bytes).expect("written");
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
        // The text tells whether a loss has a mean.
        assert_eq!(second.read(), loss.contains("--reduction mean"), "{loss}");
        assert_eq!(first.printed, second.printed, "{loss}");
        assert_eq!(entries(&cache).len(), count + 1);
    }
    for directory in [&cache, &own(&cache)] {
        let mode = fs::metadata(directory).expect("a directory").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
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
    change_bundle(&entry(&cache), |bundle| {
        bundle.manifest.results.iter_mut().for_each(|result| result.name = result.name.to_uppercase());
    });
    let ran = run(&directory, &cache, "random-drop");
    assert!(!ran.compiled() && ran.printed.contains("KEPT"), "{}", ran.printed);
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
    let bytes = fs::read(entry(&cache)).expect("readable");
    let bundle = Bundle::from_bytes(&bytes[bundle_range(&bytes)]).expect("whole");
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
    // Root may write there nevertheless.
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
    let cache = Cache::at(directory.path());
    compile(&cache, "log");
    let oldest = entry(directory.path());
    let size = fs::metadata(&oldest).expect("there").len();
    let small = || Cache::with_limit(directory.path(), size * 5 / 2);
    compile(&small(), "linear");
    assert_eq!(entries(directory.path()).len(), 2);
    compile(&small(), "squ");
    assert_eq!(entries(directory.path()).len(), 2);
    assert!(!oldest.exists());
}

/// Compiles random-drop with a schedule.
fn compile(cache: &Cache, schedule: &str) {
    let loss = Loss::library("random-drop").expect("in the library").set("schedule", schedule);
    let compiled = Compiler::new(host()).cache(cache.clone()).compile(&loss).expect("compiles");
    sample(&[9, 9], 0.5, 1).step(&compiled, &options(1, Balance::Image));
}

#[test]
fn a_cache_in_memory_tells_options_apart() {
    let cache = Cache::in_memory();
    let sample = sample(&[9, 9], 0.5, 1);
    let loss = Loss::library("bce").expect("in the library");
    let reductions = [Reduction::Sum, Reduction::Mean, Reduction::Sum, Reduction::Mean];
    let losses = reductions.map(|reduction| {
        let compiler = Compiler::new(host()).reduction(reduction).cache(cache.clone());
        sample.step(&compiler.compile(&loss).expect("compiles"), &options(1, Balance::Image)).loss
    });
    assert_eq!(losses[..2], losses[2..]);
    assert!((losses[0] / losses[1] - 81.0).abs() < 1e-3, "{losses:?}");
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
