//! A text's tokens, to the extent that MLIR's lexer and this crate's checks agree on them.

/// One token and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// The token's text; a string's is without its quotes.
    pub(super) text: &'a str,
    /// Bytes from the text's start.
    pub(super) offset: usize,
}

impl Token<'_> {
    /// Returns whether it is the string `text`.
    pub(super) fn is_string(&self, text: &str) -> bool {
        self.kind == Kind::Text && self.text == text
    }
}

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare name, with its dots: `func.func`.
    Word,
    /// A name behind one of `%@^!#`, which is part of it.
    Sigil,
    /// Digits, with point and exponent, or `0x` and hexadecimal ones.
    Number,
    /// A string, without its quotes.
    Text,
    /// A quote that is not closed in its line.
    Unclosed,
    /// One of `([{<`.
    Open,
    /// One of `)]}>`.
    Close,
    /// `->`, or any other character.
    Mark,
}

/// The tokens of `source`, without comments and white space.
pub(super) fn tokens(source: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += skipped(&source[at..]);
        let rest = &source[at..];
        let (kind, length) = first(rest)?;
        let inner = if kind == Kind::Text { 1..length - 1 } else { 0..length };
        let token = Token { kind, text: &rest[inner], offset: at };
        at += length;
        Some(token)
    })
}

/// The length of the white space and the comments that `rest` begins with.
fn skipped(rest: &str) -> usize {
    let mut length = 0;
    loop {
        let after = &rest[length..];
        let blank = after.len() - after.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let comment = after[blank..].starts_with("//");
        let line = if comment { after[blank..].find('\n').unwrap_or(after.len() - blank) } else { 0 };
        if blank + line == 0 {
            return length;
        }
        length += blank + line;
    }
}

fn first(rest: &str) -> Option<(Kind, usize)> {
    let head = rest.chars().next()?;
    Some(match head {
        '"' => string(rest),
        '(' | '[' | '{' | '<' => (Kind::Open, 1),
        ')' | ']' | '}' | '>' => (Kind::Close, 1),
        '%' | '@' | '^' | '!' | '#' => (Kind::Sigil, 1 + run(&rest[1..], is_suffix)),
        '0'..='9' => (Kind::Number, number(rest)),
        'a'..='z' | 'A'..='Z' | '_' => (Kind::Word, run(rest, is_word)),
        '-' if rest.starts_with("->") => (Kind::Mark, 2),
        _ => (Kind::Mark, head.len_utf8()),
    })
}

fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|character| !belongs(character)).unwrap_or(text.len())
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_$.".contains(character)
}

fn is_suffix(character: char) -> bool {
    is_word(character) || character == '-'
}

fn string(rest: &str) -> (Kind, usize) {
    let mut escaped = false;
    for (index, character) in rest.char_indices().skip(1) {
        match character {
            '\n' => return (Kind::Unclosed, index),
            '"' if !escaped => return (Kind::Text, index + 1),
            _ => escaped = character == '\\' && !escaped,
        }
    }
    (Kind::Unclosed, rest.len())
}

fn number(rest: &str) -> usize {
    if let Some(hex) = rest.strip_prefix("0x") {
        return 2 + run(hex, |digit| digit.is_ascii_hexdigit());
    }
    let digits = |text: &str| run(text, |digit| digit.is_ascii_digit());
    let mut length = digits(rest);
    if rest[length..].starts_with('.') {
        length += 1 + digits(&rest[length + 1..]);
        let exponent = rest[length..].strip_prefix(['e', 'E']).unwrap_or_default();
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let power = digits(&exponent[sign..]);
        length += if power > 0 { 1 + sign + power } else { 0 };
    }
    length
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokens};

    #[test]
    fn a_line_of_a_loss_is_cut_as_mlir_cuts_it() {
        let line = r#"%0 = "loss.add"(%a, %b-c) {value = -1.5e-3 : f32} // "(
            : tensor<?x?xf32> -> @"a\"b" 0x7FC0 1e-5"#;
        let found: Vec<_> = tokens(line).map(|token| token.text).collect();
        let expected = [
            "%0", "=", "loss.add", "(", "%a", ",", "%b-c", ")", "{", "value", "=", "-", "1.5e-3", ":", "f32",
            "}", ":", "tensor", "<", "?", "x", "?", "xf32", ">", "->", "@", r#"a\"b"#, "0x7FC0", "1", "e",
            "-", "5",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_string_ends_with_its_line() {
        let kinds: Vec<_> = tokens("\"a\nb \"c").map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Unclosed, Kind::Word, Kind::Unclosed]);
        assert_eq!(tokens("").count() + tokens("// only a comment").count(), 0);
    }
}
