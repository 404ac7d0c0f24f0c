//! Every stored input of the fuzz targets, through their checks: among them those on which lossc
//! once panicked, hung or was wrong, named after the fault.
//!
//! `LOSSC_UPDATE=1 cargo test --test lossc fuzz_corpus` rewrites the inputs that lossc generates.

use std::fs;
use std::path::{Path, PathBuf};

use lossc::{Compiler, Loss, Numerics, Target};
use lossc_fuzz::{TARGETS, bundle, cache, header};
use serde_json::Value;

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
        // A crash does not name its input.
        println!("{}", file.display());
        check(&fs::read(file).expect("readable"))
    };
    let taken: Vec<_> = files.iter().map(taken).collect();
    // Otherwise the inputs are of an older format, and reach nothing.
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

/// Texts too long to be stored: each overflowed the stack of MLIR's parser, or of a pass.
fn long_texts() -> [String; 3] {
    let pixel = "tensor<?x?xf32>";
    let op = |index| format!("%v{} = \"loss.neg\"(%v{index}) : ({pixel}) -> {pixel}\n", index + 1);
    let chain: String = (0..100_000).map(op).collect();
    [
        format!("{}{}", "module {".repeat(4000), "}".repeat(4000)),
        format!("func.func @f(%x: {}{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!(
            "func.func @f(%v0: {pixel}, %t: {pixel}) -> tensor<f32> {{\n{chain}\
             %g = \"loss.sum\"(%v100000) : ({pixel}) -> tensor<?xf32>\n\
             %l = \"loss.sum_groups\"(%g) : (tensor<?xf32>) -> tensor<f32>\n\
             return %l : tensor<f32>\n}}"
        ),
    ]
}

#[test]
fn long_texts_are_refused_wherever_they_stand() {
    let kept = fs::read(seeds("certificate").join("two_passes.json")).expect("readable");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    for text in long_texts() {
        assert!(!lossc_fuzz::text::check(text.as_bytes()));
        for (phase, part) in [(0, "source"), (0, "result"), (1, "source"), (1, "result")] {
            let mut certificate = kept.clone();
            certificate["phases"][phase][part] = text.clone().into();
            assert!(!lossc_fuzz::certificate::check(certificate.to_string().as_bytes()), "{phase} {part}");
        }
    }
}

#[test]
fn a_proof_of_a_hundred_thousand_nodes_is_refused() {
    let kept = fs::read(seeds("certificate").join("two_passes.json")).expect("readable");
    let mut certificate: Value = serde_json::from_slice(&kept).expect("JSON");
    for phase in certificate["phases"].as_array_mut().expect("two") {
        let nodes = phase["proof"]["nodes"].as_array_mut().expect("some");
        let last = nodes.len() - 1;
        nodes.extend((last..last + 100_000).map(|child| format!("neg {child}").into()));
        phase["proof"]["source"] = (last + 100_000).into();
    }
    assert!(!lossc_fuzz::certificate::check(certificate.to_string().as_bytes()));
}

/// The seeds that lossc writes itself, in today's formats.
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
