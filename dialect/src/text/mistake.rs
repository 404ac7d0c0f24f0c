//! Mistakes in a text and their locations.

use std::sync::Arc;

use melior::ir::Location;
use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::tokens::tokens;

/// Error of a text that is not a loss, with its location.
#[derive(Debug, Error, Diagnostic)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ParseError {
    /// Description of the mistake.
    pub message: String,
    /// The name that came with the text.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    #[source_code]
    text: Arc<NamedSource<String>>,
    #[label("here")]
    span: SourceSpan,
}

/// The longest part of a line that an error shows.
const SHOWN: usize = 240;

/// The longest message: it may quote a text of any length.
const MESSAGE: usize = 600;

/// A mistake and its location.
pub(super) struct Mistake {
    message: String,
    position: Position,
}

/// A location in a text.
enum Position {
    /// Line and column, from 1.
    Line(usize, usize),
    /// Bytes from the start.
    Offset(usize),
    /// The first string with this text.
    String(String),
}

impl Mistake {
    pub(super) fn new(location: Location<'_>, message: impl Into<String>) -> Self {
        let (line, column) = position(location);
        Self { message: message.into(), position: Position::Line(line, column) }
    }

    /// A mistake of the text as a whole.
    pub(super) fn of_text(message: impl Into<String>) -> Self {
        Self::at(0, message)
    }

    /// A mistake this many bytes from the start.
    pub(super) fn at(offset: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), position: Position::Offset(offset) }
    }

    /// A mistake about a name that is a string in the text.
    pub(super) fn named(name: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), position: Position::String(name.into()) }
    }

    pub(super) fn into_error(self, file: &str, source: &str) -> ParseError {
        let offset = self.position.offset(source);
        let start = source[..offset].rfind('\n').map_or(0, |end| end + 1);
        let (shown, span) = excerpt(source, start, offset);
        ParseError {
            message: one_line(&self.message),
            file: file.into(),
            line: source[..start].matches('\n').count() + 1,
            column: offset - start + 1,
            text: Arc::new(NamedSource::new(file, shown)),
            span: span.into(),
        }
    }
}

/// The first line, up to [`MESSAGE`] bytes of it.
fn one_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let end = line.floor_char_boundary(MESSAGE);
    if end < line.len() { format!("{} …", &line[..end]) } else { line.to_owned() }
}

/// A text to show an error in, and the error's offset there: the text itself, or only part of
/// the line if that is long.
fn excerpt(source: &str, start: usize, offset: usize) -> (String, usize) {
    let end = source[offset..].find('\n').map_or(source.len(), |length| offset + length);
    if end - start <= SHOWN {
        return (source.to_owned(), offset);
    }
    let from = source.floor_char_boundary(offset.saturating_sub(SHOWN / 2).max(start));
    let to = source.floor_char_boundary((from + SHOWN).min(end));
    (source[from..to].to_owned(), offset - from)
}

impl Position {
    /// The byte offset in `source`, or the nearest there is.
    fn offset(&self, source: &str) -> usize {
        let offset = match self {
            Self::Offset(offset) => *offset,
            Self::String(name) => {
                tokens(source).find(|token| token.is_string(name)).map_or(0, |token| token.offset)
            }
            Self::Line(line, column) => {
                let lines = source.split_inclusive('\n');
                let before: usize = lines.clone().take(line - 1).map(str::len).sum();
                let length = lines.clone().nth(line - 1).map_or(0, |line| line.trim_end().len());
                before + (column - 1).min(length)
            }
        };
        source.floor_char_boundary(offset.min(source.len()))
    }
}

/// The line and column of an operation, from 1.
pub(super) fn position(location: Location<'_>) -> (usize, usize) {
    if !location.is_file_line_col_range() {
        return (1, 1);
    }
    (location.file_line_col_range_start_line().max(1), location.file_line_col_range_start_column().max(1))
}
