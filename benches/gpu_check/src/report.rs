//! One line a check, and what becomes of the run.

use serde::Serialize;

use crate::Failure;

/// How a check ended that did not fail.
pub enum Verdict {
    /// What was found right.
    Passed(String),
    /// Why it was not tried.
    Skipped(String),
}

/// All checks so far.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub struct Report {
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    status: &'static str,
    check: &'static str,
    message: String,
}

impl Report {
    /// Notes and prints how a check ended.
    pub fn add(&mut self, check: &'static str, subject: &str, outcome: Result<Verdict, Failure>) {
        let (status, message) = match outcome {
            Ok(Verdict::Passed(message)) => ("ok", message),
            Ok(Verdict::Skipped(message)) => ("skipped", message),
            Err(failure) => ("FAILED", failure.to_string()),
        };
        let separator = if subject.is_empty() { "" } else { ": " };
        let message = format!("{subject}{separator}{}", message.trim_end_matches(';'));
        println!("{status:<8}{check:<20}{message}");
        self.lines.push(Line { status, check, message });
    }

    /// The number of checks that ended so: `ok`, `skipped` or `FAILED`.
    pub fn count(&self, status: &str) -> usize {
        self.lines.iter().filter(|line| line.status == status).count()
    }
}
