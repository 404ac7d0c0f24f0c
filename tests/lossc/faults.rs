//! The fixed slice of the engine finds each fault that can be seeded in lossc.

use std::process::Command;

use lossc_faults::{Fault, VARIABLE};

use crate::engine::FOUND;

/// Case of the slice that finds a fault first, if known: it determines an order, not a choice.
const FROM: [(Fault, usize); 16] = [
    (Fault::ScalarsAreReducedLate, 58),
    (Fault::SavedValuesAreOverwritten, 98),
    (Fault::CompactionTakesTheWrongBound, 3),
    (Fault::SumsMayOverflow, 92),
    (Fault::RangesAreNotAsked, 75),
    (Fault::StabilisingGivesUp, 50),
    (Fault::MeanIsNotDivided, 55),
    (Fault::MeanCountsIgnoredPixels, 4),
    (Fault::IgnoredLabelsAreRounded, 4),
    (Fault::AccumulatorsAreAddedOtherwise, 96),
    (Fault::ProductsAreRounded, 95),
    (Fault::TotalsAreRounded, 18),
    (Fault::EntriesAreNotChecked, 105),
    (Fault::OptionsAreNotInTheKey, 105),
    (Fault::PlanesReplaceOneAnother, 103),
    (Fault::UpstreamIsForgotten, 103),
];

/// Output of the slice in a process with `fault`, if it does not find the fault.
fn missed(fault: Fault) -> Option<String> {
    let from = FROM.iter().find(|(known, _)| *known == fault).map_or(0, |(_, from)| *from);
    let mut slice = Command::new(std::env::current_exe().expect("this test is a program"));
    slice.args(["engine::soak::the_fixed_slice_has_no_finding", "--exact", "--nocapture"]);
    slice.env(VARIABLE, format!("{fault:?}")).env("LOSSC_SLICE_FROM", from.to_string());
    let output = slice.env("RUST_BACKTRACE", "0").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = text.lines().find(|line| line.contains(FOUND));
    println!("{fault:?}: {}", found.unwrap_or("not found"));
    (output.status.success() || found.is_none()).then(|| format!("{fault:?}: {text}"))
}

#[test]
fn every_seeded_fault_is_found() {
    // The slice itself has two workers.
    let missed: Vec<_> = Fault::ALL.iter().copied().filter_map(missed).collect();
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}
