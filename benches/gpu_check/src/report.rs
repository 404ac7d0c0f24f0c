//! One line per check, and the outcome of the run.

use std::fmt;

use serde::Serialize;

use crate::Failure;

/// Outcome of a check that did not fail.
pub enum Verdict {
    /// The result found.
    Passed(String),
    /// The reason why it was not tried.
    Skipped(String),
}

/// Outcome of a check.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    #[serde(rename = "ok")]
    Passed,
    #[serde(rename = "skipped")]
    Skipped,
    #[serde(rename = "FAILED")]
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Passed => "ok",
            Self::Skipped => "skipped",
            Self::Failed => "FAILED",
        })
    }
}

/// All checks so far.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    status: Status,
    check: &'static str,
    message: String,
}

impl Report {
    /// Records and prints the outcome of a check.
    pub fn add(&mut self, check: &'static str, subject: &str, outcome: Result<Verdict, Failure>) {
        let (status, message) = match outcome {
            Ok(Verdict::Passed(message)) => (Status::Passed, message),
            Ok(Verdict::Skipped(message)) => (Status::Skipped, message),
            Err(failure) => (Status::Failed, failure.to_string()),
        };
        let separator = if subject.is_empty() { "" } else { ": " };
        let message = format!("{subject}{separator}{}", message.trim_end_matches(';'));
        println!("{status:<8}{check:<20}{message}");
        self.lines.push(Line { status, check, message });
    }

    /// The number of checks with this outcome.
    pub fn count(&self, status: Status) -> usize {
        self.lines.iter().filter(|line| line.status == status).count()
    }
}
