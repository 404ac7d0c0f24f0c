//! Results of each compiler pass for each loss, as text. A changed result is next to the rules that
//! led to it.
//!
//! `INSTA_UPDATE=always cargo test --test lossc snapshots` takes new snapshots.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use insta::{Settings, assert_snapshot};
use lossc::pipeline::{Optimised, Stage, emit, optimise};
use lossc::{Loss, Target};
use lossc_dialect::text;

use crate::data::program;
use crate::targets::library_losses;

/// Settings for snapshots next to the losses of `tests/ir`, or in its `library` folder.
fn settings(folder: &str) -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ir").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

/// The same on every machine: costs and schedules do not depend on the vector width.
fn target() -> Target {
    "cpu:avx2".parse().expect("a known target")
}

fn stages(loss: &Loss) -> Optimised {
    optimise(program(loss), &Default::default(), &target(), true).expect("the passes run")
}

/// The text of each stage of `loss`, with its name.
fn texts(loss: &Loss) -> Vec<(&'static str, String)> {
    let stages = stages(loss);
    let rules = stages.stable.rules.iter().chain(&stages.optimised.rules);
    let rules = rules.map(|rule| format!("{rule}\n")).collect();
    let schedule = |target: &Target| {
        emit(program(loss), &Default::default(), target, Stage::Schedule).expect("the loss compiles")
    };
    vec![
        ("1-loss", text::print(&stages.source)),
        ("2-stable", text::print(&stages.stable.program)),
        ("3-gradient", text::print(&stages.gradient)),
        ("4-optimised", text::print(&stages.program)),
        ("5-schedule", schedule(&target())),
        ("5-schedule-gpu", schedule(&"sm_90".parse().expect("a known target"))),
        ("rules", rules),
    ]
}

#[test]
fn library_snapshots() {
    settings("library").bind(|| {
        for loss in library_losses() {
            for (stage, text) in texts(&loss) {
                assert_snapshot!(format!("{}.{stage}", program(&loss).name()), text);
            }
        }
    });
}

/// Small losses, one topic each, as the optimiser rewrites them.
#[test]
fn small_losses() {
    settings("small").bind(|| {
        insta::glob!("../ir", "*/*.mlir", |path| {
            let source = fs::read_to_string(path).expect("readable");
            let loss = Loss::parse(&path.to_string_lossy(), &source).expect("a loss");
            let stages = stages(&loss);
            let rules = stages.optimised.rules.join(", ");
            assert_snapshot!(format!("// {rules}\n{}", text::print(&stages.program)));
        });
    });
}

/// A snapshot that no test takes any more must be deleted with the test.
#[test]
fn no_snapshot_is_left_over() {
    let mut expected = BTreeSet::new();
    for loss in library_losses() {
        let name = program(&loss).name().to_owned();
        expected.extend(texts(&loss).iter().map(|(stage, _)| format!("{name}.{stage}.snap")));
    }
    assert_eq!(files("library"), expected);

    let mut expected = BTreeSet::new();
    for folder in ["random", "reduction", "select", "sigmoid"] {
        expected.extend(files(folder).iter().map(|file| format!("small_losses@{folder}__{file}.snap")));
    }
    assert_eq!(files("small"), expected);
}

fn files(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ir").join(folder);
    let entries = fs::read_dir(folder).expect("readable");
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}
