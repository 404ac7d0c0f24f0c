//! Errors as the user sees them: one line, and the location in the loss's text.

use lossc::npy::NpyError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

/// Reason why the command failed.
pub struct Failure {
    message: String,
    /// The marked source line, if there is one.
    location: Option<String>,
}

impl Failure {
    /// A failure without a location in a text.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), location: None }
    }

    /// Prints to standard error.
    pub fn report(&self) {
        eprintln!("error: {}", self.message);
        if let Some(location) = &self.location {
            eprint!("{location}");
        }
    }
}

impl From<lossc::Error> for Failure {
    fn from(error: lossc::Error) -> Self {
        Self { message: error.to_string(), location: location(&error) }
    }
}

impl From<NpyError> for Failure {
    fn from(error: NpyError) -> Self {
        Self::message(error.to_string())
    }
}

/// The source line as miette marks it, without the message it prints above.
fn location(error: &dyn Diagnostic) -> Option<String> {
    error.source_code()?;
    let mut report = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut report, error).ok()?;
    let start = report.find('╭')?;
    let line = report[..start].rfind('\n').map_or(0, |end| end + 1);
    Some(report[line..].to_owned())
}
