//! Every input that is kept for the fuzz targets, through their checks: among them those
//! that lossc once panicked, hung or was wrong on, named after the fault.
//!
//! `LOSSC_UPDATE=1 cargo test --test lossc fuzz_corpus` writes those anew that lossc makes.

use std::fs;
use std::path::{Path, PathBuf};

use lossc::{Compiler, Loss, Numerics, Target};
use lossc_fuzz::{TARGETS, bundle, cache, header};

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

/// The checks' own assertions are the test's.
#[track_caller]
fn replay(target: &str) {
    let (_, check) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target");
    let mut files: Vec<_> = fs::read_dir(seeds(target))
        .expect("a folder of seeds")
        .map(|file| file.expect("readable").path())
        .collect();
    files.sort();
    let taken = |file: &PathBuf| {
        // A crash names no input.
        println!("{}", file.display());
        check(&fs::read(file).expect("readable"))
    };
    let taken: Vec<_> = files.iter().map(taken).collect();
    // Else the inputs are of an older format, and reach nothing.
    assert!(taken.contains(&true), "{target}: lossc takes none of the inputs");
    assert!(taken.contains(&false), "{target}: lossc refuses none of the inputs");
}

#[test]
fn texts() {
    replay("text");
}

#[test]
fn npy_files() {
    replay("npy");
}

#[test]
fn bundles() {
    replay("bundle");
}

#[test]
fn cache_entries() {
    replay("cache");
}

#[test]
fn certificates() {
    replay("certificate");
}

#[test]
fn options() {
    replay("options");
}

/// What lossc writes today, where that is what the seeds should be.
fn written_by_lossc() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let loss = Loss::parse("two_passes.mlir", bundle::LOSS).expect("a loss");
    let target: Target = "cpu:x86-64".parse().expect("known");
    let certificate =
        lossc::certificate::certify(&loss, &target, Numerics::Reproducible).expect("it is proven");
    let gpu = Compiler::new("sm_90".parse().expect("known")).bundle(&loss).expect("it compiles");
    let gpu = gpu.to_bytes().expect("small");
    vec![
        ("bundle", "two_passes.lossc", bundle::seed().to_vec()),
        ("bundle", "two_passes.json", header::split(bundle::seed()).0.to_vec()),
        ("bundle", "two_passes.sm_90.json", header::split(&gpu).0.to_vec()),
        ("cache", "of_another_build", cache::entry().to_vec()),
        ("cache", "two_passes.json", header::split(cache::seed()).0.to_vec()),
        ("certificate", "two_passes.json", serde_json::to_vec(&certificate).expect("plain JSON")),
    ]
}

#[test]
fn seeds_are_of_todays_formats() {
    if std::env::var_os("LOSSC_UPDATE").is_none() {
        return;
    }
    for (target, name, bytes) in written_by_lossc() {
        fs::write(seeds(target).join(name), bytes).expect("it can be written");
    }
}
