//! Checks of a case: by each of its executors, then by the reference.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lossc::Optimisation;
use lossc_passes::differentiate::{DifferentiateError, differentiate};
use lossc_passes::specialise::specialise;

use super::case::Case;
use super::executors::Bench;
use super::verdict::{Tally, compare};

/// A disagreement of an executor with the interpreter, or of that with the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The executor's name, or `reference`.
    pub by: String,
    /// The difference, or the failure.
    pub what: String,
}

impl Finding {
    /// The finding without its numbers, which is the same for findings of one kind.
    pub fn kind(&self) -> String {
        let words =
            self.what.split_whitespace().filter(|word| !word.contains(|it: char| it.is_ascii_digit()));
        // Executors of one program differ in the same way.
        let by = if self.by == "reference" { "reference" } else { "executors" };
        format!("{by}: {}", words.take(8).collect::<Vec<_>>().join(" "))
    }

    /// Returns whether this finding of a smaller case counts as `other`. A missing gradient does
    /// not.
    pub fn is_like(&self, other: &Self) -> bool {
        let panics = |finding: &Self| finding.what.starts_with("panicked");
        self.by == other.by && panics(self) == panics(other) && !self.what.contains("has no gradient")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.by, self.what)
    }
}

/// Numbers of comparisons so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub cases: u64,
    /// Losses that an option does not apply to, or without a gradient.
    pub refused: u64,
    pub by_executor: BTreeMap<String, u64>,
    pub tally: Tally,
}

impl Counts {
    /// Adds the counts of another worker.
    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.refused += other.refused;
        for (name, count) in &other.by_executor {
            *self.by_executor.entry(name.clone()).or_default() += count;
        }
        self.tally.values += other.tally.values;
        self.tally.slopes += other.tally.slopes;
        self.tally.unknown += other.tally.unknown;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: u64 = self.by_executor.values().sum();
        let Tally { values, slopes, unknown } = self.tally;
        write!(formatter, "{} cases ({} refused), {calls} comparisons (", self.cases, self.refused)?;
        for (index, (name, count)) in self.by_executor.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name} {count}")?;
        }
        write!(formatter, "), compared {values} values and {slopes} slopes, {unknown} unknown")
    }
}

/// Checks `case`.
///
/// # Errors
/// The first finding.
pub fn check(case: &Case, counts: &mut Counts) -> Result<(), Finding> {
    counts.cases += 1;
    if is_refused(case) {
        counts.refused += 1;
        return Ok(());
    }
    let mut bench = Bench::new(case);
    for optimisation in [Optimisation::Compaction, Optimisation::Fusion] {
        let mut tally = counts.tally;
        guarded("reference", || {
            let (_, found) = bench.expected(optimisation)?;
            compare(case, found, &mut tally)
        })?;
        counts.tally = tally;
    }
    for &executor in &case.executors {
        guarded(&executor.name(), || bench.check(executor))?;
        *counts.by_executor.entry(executor.name()).or_default() += 1;
    }
    Ok(())
}

/// Returns whether the compiler rightly refuses this case: by an error of its own, and not by a
/// consequence.
fn is_refused(case: &Case) -> bool {
    let Ok(program) = specialise(&case.subject.program, &case.choices.options(&case.input)) else {
        return true;
    };
    matches!(differentiate(&program), Err(DifferentiateError::NoPath(_)))
}

/// Runs `check`; a panic is a finding too.
fn guarded(by: &str, check: impl FnOnce() -> Result<(), String>) -> Result<(), Finding> {
    let finding = |what: String| Finding { by: by.into(), what };
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(result) => result.map_err(finding),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something");
            Err(finding(format!("panicked: {text}")))
        }
    }
}
