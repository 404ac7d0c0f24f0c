//! The fixed slice, and the soak.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::case::Case;
use super::corpus::Corpus;
use super::executors::Executor;
use super::finding::{Counts, Finding, check};
use super::{reproducer, shrink};

/// Prefix of a finding of the slice.
pub const FOUND: &str = "found in case";

/// Generated cases of the fixed slice.
const GENERATED: usize = 24;

/// Executors of a written case of the fixed slice.
const PER_CASE: usize = 3;

/// Number of the library's losses, with their choices: the first written ones.
const LIBRARY: usize = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// The cases of the ordinary tests: the written losses at edges, on long planes and on the seed's
/// inputs, by all executors in turn, and some generated ones.
fn slice() -> Vec<Case> {
    let mut corpus = Corpus::new(1);
    let written = corpus.written();
    let mut cases: Vec<_> = written.iter().flat_map(|subject| corpus.edges(subject)).collect();
    cases[0].executors.push(Executor::Simulator);
    let library = written.iter().take(LIBRARY).cloned().enumerate();
    let long = library.map(|(number, subject)| corpus.ordinary(subject, number)).collect::<Vec<_>>();
    let seeded = written.into_iter().map(|subject| corpus.call(subject, 0));
    let mut executors = Executor::all().into_iter().cycle();
    for case in long.into_iter().chain(seeded.collect::<Vec<_>>()) {
        let chosen = executors.by_ref().filter(|executor| executor.takes(&case.input));
        cases.push(Case { executors: chosen.take(PER_CASE).collect(), ..case });
    }
    cases.extend((0..GENERATED).map(|_| corpus.next()));
    cases
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak")
}

/// Shrinks a finding and writes it down; returns the text to print.
fn report(case: &Case, finding: &Finding, name: &str) -> String {
    println!("finding in {}: {finding}", case.subject.name);
    let (case, finding) = shrink::shrink(case, finding, 300);
    let written = reproducer::write(&folder().join(name), &case, &finding);
    let text = written.unwrap_or_else(|error| format!("could not be written: {error}"));
    format!("finding: {finding}\n{text}")
}

/// The first finding in `cases`, by two workers, and its index among all.
fn first_finding(cases: &[(usize, Case)], counts: &Mutex<Counts>) -> Option<(usize, Finding)> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(None));
    let is_found = || found.lock().expect("no panic").is_some();
    let work = || {
        while let Some((index, case)) =
            cases.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !is_found())
        {
            let mut own = Counts::default();
            let finding = check(case, &mut own).err();
            counts.lock().expect("no panic").add(&own);
            if let Some(finding) = finding {
                found.lock().expect("no panic").get_or_insert((*index, finding));
            }
        }
    };
    std::thread::scope(|scope| [(); 2].map(|()| _ = scope.spawn(work)));
    found.into_inner().expect("no panic")
}

/// `LOSSC_SLICE_FROM` only rotates the order. With a seeded fault, the first finding is enough, and
/// is not shrunk.
#[test]
fn the_fixed_slice_has_no_finding() {
    let mut cases: Vec<_> = slice().into_iter().enumerate().collect();
    let from = number("LOSSC_SLICE_FROM").unwrap_or(0) as usize % cases.len();
    cases.rotate_left(from);
    let counts = Mutex::default();
    let found = first_finding(&cases, &counts);
    println!("{}", counts.into_inner().expect("no panic"));
    let Some((index, finding)) = found else { return };
    assert!(std::env::var_os(lossc_faults::VARIABLE).is_none(), "{FOUND} {index}: {finding}");
    let case = &slice()[index];
    panic!("{}", report(case, &finding, &format!("slice-{index}")));
}

/// Continues until its minutes are up: `cargo xtask soak`.
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
