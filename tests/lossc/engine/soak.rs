//! The fixed slice, and the soak.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::case::Case;
use super::corpus::Corpus;
use super::finding::{Counts, Finding, check};
use super::{reproducer, shrink};

/// What stands before a finding of the slice.
pub const FOUND: &str = "found in case";

/// Generated cases of the fixed slice.
const GENERATED: usize = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The cases of the ordinary tests.
fn slice() -> Vec<Case> {
    let mut corpus = Corpus::new(1);
    let written = corpus.written();
    let mut cases: Vec<_> = written.into_iter().map(|subject| corpus.call(subject, 3)).collect();
    cases.extend((0..GENERATED).map(|_| corpus.next()));
    cases
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak")
}

/// Makes a finding small and writes it down; what to print of it.
fn report(case: &Case, finding: &Finding, name: &str) -> String {
    println!("finding in {}: {finding}", case.subject.name);
    let (case, finding) = shrink::shrink(case, finding, 300);
    let written = reproducer::write(&folder().join(name), &case, &finding);
    let text = written.unwrap_or_else(|error| format!("could not be written: {error}"));
    format!("finding: {finding}\n{text}")
}

/// `LOSSC_SLICE_FROM` only turns the order. With a fault put in, the first finding is
/// enough: it is not made small.
#[test]
fn the_fixed_slice_has_no_finding() {
    let (mut counts, cases) = (Counts::default(), slice());
    let from = number("LOSSC_SLICE_FROM").unwrap_or(0) as usize;
    for index in (0..cases.len()).map(|index| (from + index) % cases.len()) {
        let Err(finding) = check(&cases[index], &mut counts) else { continue };
        assert!(std::env::var_os(lossc_faults::VARIABLE).is_none(), "{FOUND} {index}: {finding}");
        panic!("{}", report(&cases[index], &finding, &format!("slice-{index}")));
    }
    println!("{counts}");
}

/// Goes on until its minutes are up: `cargo xtask soak`.
#[test]
#[ignore = "a soak takes as long as one wants: cargo xtask soak"]
fn soak() {
    let minutes = number("LOSSC_SOAK_MINUTES").unwrap_or(1);
    let seed = number("LOSSC_SOAK_SEED").unwrap_or(1);
    let keeps_going = number("LOSSC_SOAK_KEEP_GOING") == Some(1);
    println!("seed {seed}, {minutes} minutes");
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let (mut corpus, mut counts, mut next) = (Corpus::new(seed), Counts::default(), Instant::now());
    let mut kinds = BTreeMap::new();
    while Instant::now() < end {
        let case = corpus.next();
        if let Err(finding) = check(&case, &mut counts) {
            let known = kinds.entry(finding.kind()).or_insert(0);
            *known += 1;
            if *known == 1 {
                println!("{}", report(&case, &finding, &format!("seed-{seed}-{}", counts.cases)));
            }
            assert!(keeps_going, "there is a finding with seed {seed}");
        }
        if Instant::now() >= next {
            println!("{counts}");
            next = Instant::now() + Duration::from_secs(20);
        }
    }
    println!("seed {seed}: {counts}");
    assert!(kinds.is_empty(), "findings: {kinds:?}");
}
