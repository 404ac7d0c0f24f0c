//! Checks of a text before MLIR sees it.
//!
//! MLIR's parser recurses where a text nests and knows dialects that have no place in a loss,
//! and its bindings accept no empty name and no NUL. What is too long, too deep or too much is
//! therefore refused here, with its location. So are mistakes for which MLIR has no message.

use super::attributes::{CHOICE, DEFAULT, NAME, SUMMARY};
use super::mistake::Mistake;
use super::tokens::{Kind, Token, tokens};
use crate::near;
use crate::ops::{Op, table};

/// The most bytes a text may have.
pub const MAX_BYTES: usize = 4 << 20;
/// The most brackets that may be open at once.
pub const MAX_DEPTH: usize = 32;
/// The most operations a function of a loss may have, counted before equal ones are merged.
pub const MAX_OPERATIONS: usize = 10_000;
/// The most bytes of a name or number.
pub const MAX_NAME: usize = 128;
/// The most bytes of a string, such as a summary.
pub const MAX_STRING: usize = 1024;
/// The most tokens that an alias may stand for.
pub const MAX_ALIAS: usize = 64;

/// Types, attributes and locations that no loss has, each with a syntax of its own.
const FOREIGN: [&str; 14] = [
    "affine_map",
    "affine_set",
    "array",
    "complex",
    "dense",
    "dense_resource",
    "distinct",
    "loc",
    "memref",
    "opaque",
    "sparse",
    "strided",
    "tuple",
    "vector",
];

/// Dialects whose ops and attributes a loss's text may have.
const DIALECTS: [&str; 3] = ["loss", "func", "builtin"];

/// The words that begin an operation at the text's outermost level.
const OUTERMOST: [&str; 3] = ["module", "builtin.module", "func.func"];

/// Bytes allowed per operation in a text that may have more operations than a loss.
const BYTES_PER_OPERATION: usize = 128;

/// Checks `source`, the text of programs of up to `ops` operations.
pub(super) fn check(source: &str, ops: usize) -> Result<(), Mistake> {
    let most = MAX_BYTES.max(ops.saturating_mul(BYTES_PER_OPERATION));
    if source.len() > most {
        let message = format!("the text has {} bytes, a loss at most {most}", source.len());
        return Err(Mistake::of_text(message));
    }
    if let Some(nul) = source.find('\0') {
        return Err(Mistake::at(nul, "a NUL byte has no place in a text"));
    }
    let most = MAX_OPERATIONS.max(ops);
    let mut guard = Guard { source, most, open: vec![], operations: 0, alias: None, before: "" };
    let mut tokens = tokens(source).peekable();
    while let Some(token) = tokens.next() {
        guard.see(token, tokens.peek().copied())?;
        guard.before = token.text;
    }
    Ok(())
}

/// State of the check.
struct Guard<'a> {
    source: &'a str,
    /// The most operations that a function may have.
    most: usize,
    /// The brackets that are open.
    open: Vec<Token<'a>>,
    /// The number of operations of the function so far.
    operations: usize,
    /// The number of tokens so far of the alias being defined, if one is.
    alias: Option<usize>,
    /// The text of the token before.
    before: &'a str,
}

impl<'a> Guard<'a> {
    fn see(&mut self, token: Token<'a>, next: Option<Token<'a>>) -> Result<(), Mistake> {
        length(token)?;
        self.aliases(token, next)?;
        match token.kind {
            Kind::Open => self.open(token),
            Kind::Close => self.close(token),
            Kind::Word => self.word(token, next),
            Kind::Text => self.string(token, next),
            Kind::Sigil => sigil(token, next),
            Kind::Number => self.number(token),
            Kind::Unclosed => Err(Mistake::at(token.offset, "a string ends in its line, with `\"`")),
            Kind::Mark => Ok(()),
        }
    }

    fn open(&mut self, token: Token<'a>) -> Result<(), Mistake> {
        self.open.push(token);
        if self.open.len() <= MAX_DEPTH {
            return Ok(());
        }
        Err(Mistake::at(token.offset, format!("more than {MAX_DEPTH} brackets are open here")))
    }

    fn close(&mut self, token: Token<'a>) -> Result<(), Mistake> {
        let wrong = |message: String| Err(Mistake::at(token.offset, message));
        match self.open.pop().map(|open| closing(open.text)) {
            Some(expected) if expected == token.text => Ok(()),
            Some(expected) => wrong(format!("expected `{expected}`, not `{}`", token.text)),
            None => wrong(format!("`{}` closes nothing", token.text)),
        }
    }

    fn word(&mut self, token: Token<'a>, next: Option<Token<'a>>) -> Result<(), Mistake> {
        let wrong = |message: String| Err(Mistake::at(token.offset, message));
        let word = token.text;
        if word == "func.func" {
            self.operations = 0;
        }
        if FOREIGN.contains(&word) && next.is_some_and(|next| next.kind == Kind::Open) {
            return wrong(format!("`{word}` has no place in a loss"));
        }
        match word.split_once('.') {
            Some(("loss", name)) => attribute(word, name).map_or(Ok(()), wrong),
            Some((dialect, _)) if !DIALECTS.contains(&dialect) => wrong(no_op(word)),
            _ => Ok(()),
        }
    }

    fn string(&mut self, token: Token<'a>, next: Option<Token<'a>>) -> Result<(), Mistake> {
        let wrong = |message: String| Err(Mistake::at(token.offset, message));
        if token.text.is_empty() {
            return wrong("an empty string names nothing".into());
        }
        if has_control_character(token.text) {
            return wrong("a string holds printable text, without control characters".into());
        }
        if self.before == "@" || !is_called(next) {
            return Ok(());
        }
        self.operations += 1;
        if self.operations > self.most {
            return wrong(format!("the function has more than {} operations", self.most));
        }
        match token.text.split_once('.') {
            Some(("func" | "builtin", _)) => Ok(()),
            Some(("loss", name)) if Op::from_mnemonic(name).is_some() => Ok(()),
            _ => wrong(no_op(token.text)),
        }
    }

    /// Refuses `1e-5`, which is an integer and a name to MLIR.
    fn number(&self, token: Token<'a>) -> Result<(), Mistake> {
        let rest =
            self.source[token.offset + token.text.len()..].strip_prefix(['e', 'E']).unwrap_or_default();
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = rest[sign..].find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len() - sign);
        if digits == 0 || digits > MAX_NAME || token.text.contains(['.', 'x']) {
            return Ok(());
        }
        let (whole, power) = (token.text, &rest[..sign + digits]);
        Err(Mistake::at(token.offset, format!("a float has a point: write {whole}.0e{power}")))
    }

    /// Checks that an alias stands for little and for no other alias: a text means no more than
    /// it says.
    fn aliases(&mut self, token: Token<'a>, next: Option<Token<'a>>) -> Result<(), Mistake> {
        let wrong = |message: String| Err(Mistake::at(token.offset, message));
        let is_alias = token.kind == Kind::Sigil && token.text.starts_with(['!', '#']);
        if self.open.is_empty() {
            if is_alias && next.is_some_and(|next| next.text == "=") {
                self.alias = Some(0);
                return Ok(());
            }
            if OUTERMOST.contains(&token.text) || token.kind == Kind::Text && is_called(next) {
                self.alias = None;
            }
        }
        let Some(length) = &mut self.alias else { return Ok(()) };
        *length += 1;
        match (is_alias, *length > MAX_ALIAS) {
            (true, _) => wrong("an alias cannot stand for another alias".into()),
            (_, true) => wrong(format!("an alias stands for {MAX_ALIAS} tokens at most")),
            _ => Ok(()),
        }
    }
}

fn closing(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        "{" => "}",
        _ => ">",
    }
}

fn length(token: Token<'_>) -> Result<(), Mistake> {
    let most = if token.kind == Kind::Text { MAX_STRING } else { MAX_NAME };
    if token.text.len() <= most || token.kind == Kind::Unclosed {
        return Ok(());
    }
    let what = match token.kind {
        Kind::Text => "a string",
        Kind::Number => "a number",
        _ => "a name",
    };
    Err(Mistake::at(token.offset, format!("{what} of {} bytes; at most {most} are read", token.text.len())))
}

/// Returns whether `string` has a control character, also by an escape: `\00` to `\1F` and from
/// `\7F` on.
fn has_control_character(string: &str) -> bool {
    let mut characters = string.chars();
    let hex = |digit: Option<char>| digit.and_then(|digit| digit.to_digit(16));
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        let byte = hex(escaped).zip(escaped.and_then(|_| hex(characters.clone().next())));
        if character.is_control()
            || byte.is_some_and(|(high, low)| !(0x20..0x7f).contains(&(high << 4 | low)))
        {
            return true;
        }
    }
    false
}

fn sigil(token: Token<'_>, next: Option<Token<'_>>) -> Result<(), Mistake> {
    let wrong = |message: String| Err(Mistake::at(token.offset, message));
    let is_attached = next.is_some_and(|next| next.offset == token.offset + 1);
    match token.text {
        "@" | "#" | "!" | "%" | "^" if !is_attached => {
            wrong(format!("`{}` is followed by a name", token.text))
        }
        name if name.starts_with(['!', '#']) && name.contains('.') => {
            wrong(format!("`{name}` has no place in a loss"))
        }
        _ => Ok(()),
    }
}

/// Returns whether operands follow, as they do after an operation's name in quotes.
fn is_called(next: Option<Token<'_>>) -> bool {
    next.is_some_and(|next| next.text == "(")
}

/// The mistake in the bare word `loss.name`, if it is not one of the attributes.
fn attribute(word: &str, name: &str) -> Option<String> {
    let known = [NAME, DEFAULT, CHOICE, SUMMARY];
    if known.contains(&word) {
        return None;
    }
    if Op::from_mnemonic(name).is_some() {
        return Some(format!("an op's name stands in quotes: \"{word}\"(…)"));
    }
    Some(format!("there is no attribute `{word}`{}", near::hint(word, known)))
}

/// The error about an operation of this name.
pub(super) fn no_op(name: &str) -> String {
    let names: Vec<_> = table().map(|definition| format!("loss.{}", definition.mnemonic)).collect();
    format!("{name} is no op of the loss dialect{}", near::hint(name, names.iter().map(String::as_str)))
}
