//! Headers of .npy files, as NumPy documents them: versions 1, 2 and 3.
//!
//! A header is a Python dictionary of three entries. Nothing in it nests except a shape, so nothing
//! here recurses; everything undocumented is refused.

/// The longest start of a file that holds a header.
pub const MAX_BYTES: usize = 1 << 16;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Alignment of the data in NumPy's files.
const ALIGNMENT: usize = 64;

/// The most elements that a tensor may have: kernels index in i64.
const MOST: u64 = i64::MAX as u64 / 8;

/// Contents of a header.
#[derive(Debug, PartialEq)]
pub struct Header {
    /// NumPy's name of the element type, such as `<f4`.
    pub descr: String,
    is_fortran: bool,
    shape: Vec<u64>,
    /// Bytes from the file's start to the data.
    pub end: usize,
}

impl Header {
    /// Parses the header that a file with these first bytes begins with.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (text, end) = text(bytes)?;
        let mut cursor = Cursor { text, at: 0 };
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        cursor.expect('{')?;
        while !cursor.take('}') {
            match cursor.string()? {
                "descr" if descr.is_none() => descr = Some(cursor.value(Cursor::descr)?),
                "fortran_order" if is_fortran.is_none() => is_fortran = Some(cursor.value(Cursor::truth)?),
                "shape" if shape.is_none() => shape = Some(cursor.value(Cursor::tuple)?),
                key => return Err(format!("its header has {key:?} twice, or it does not belong there")),
            }
            if !cursor.take(',') {
                cursor.expect('}')?;
                break;
            }
        }
        if !cursor.rest().is_empty() {
            return Err(cursor.wrong("the end"));
        }
        let missing = |key: &str| format!("its header has no {key:?}");
        Ok(Self {
            descr: descr.ok_or_else(|| missing("descr"))?,
            is_fortran: is_fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            end,
        })
    }

    /// The dimensions, if they are those of pixels.
    pub fn check_shape(&self) -> Result<Vec<usize>, String> {
        let shape = self.shape_text();
        let known = "(H, W), (C, H, W) and (N, C, H, W) are read";
        match self.shape.len() {
            0 => return Err(format!("holds a single number; {known}")),
            1 => {
                return Err(format!(
                    "has the shape {shape}; {known}: np.save(path, x.reshape(height, width))"
                ));
            }
            5.. => {
                return Err(format!("has the shape {shape}; {known}: np.save(path, x.reshape(n, c, h, w))"));
            }
            _ => {}
        }
        if self.is_fortran {
            return Err(
                "is in Fortran order: save it again with np.save(path, np.ascontiguousarray(x))".into()
            );
        }
        self.elements()?;
        self.shape
            .iter()
            .map(|&it| usize::try_from(it))
            .collect::<Result<_, _>>()
            .map_err(|it| it.to_string())
    }

    /// The number of elements. The product without zero dimensions must fit in memory too.
    pub fn elements(&self) -> Result<u64, String> {
        let sizes = self.shape.iter().try_fold(1u64, |all, &size| all.checked_mul(size.max(1)));
        match sizes.filter(|&elements| elements <= MOST) {
            Some(elements) => Ok(if self.shape.contains(&0) { 0 } else { elements }),
            None => Err(format!("has the shape {}, which no memory holds", self.shape_text())),
        }
    }

    /// The shape as Python writes it.
    pub fn shape_text(&self) -> String {
        tuple_text(&self.shape)
    }
}

fn tuple_text<T: ToString>(sizes: &[T]) -> String {
    let text = sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if sizes.len() == 1 { format!("({text},)") } else { format!("({text})") }
}

/// The dictionary, and the offset of its end.
fn text(bytes: &[u8]) -> Result<(&str, usize), String> {
    if !bytes.starts_with(MAGIC) {
        return Err("is no .npy file: it does not begin with \\x93NUMPY".into());
    }
    let size = match bytes.get(6..8) {
        Some([1, 0]) => bytes.get(8..10).map(|size| (10, u32::from(u16::from_le_bytes([size[0], size[1]])))),
        Some([2 | 3, 0]) => bytes.get(8..12).map(|it| (12, u32::from_le_bytes([it[0], it[1], it[2], it[3]]))),
        Some([major, minor]) => {
            return Err(format!("is a .npy file of version {major}.{minor}; 1.0, 2.0 and 3.0 are read"));
        }
        _ => None,
    };
    let (begin, size) = size.ok_or("truncated: it ends in its header")?;
    let end = begin + size as usize;
    if end > MAX_BYTES {
        return Err(format!("its header has {size} bytes, at most {} are read", MAX_BYTES - begin));
    }
    let text = bytes.get(begin..end).ok_or("truncated: it ends in its header")?;
    let text = std::str::from_utf8(text).map_err(|error| format!("its header is not text: {error}"))?;
    Ok((text, end))
}

/// A position in the dictionary.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The text that follows, after white space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start_matches([' ', '\n', '\t', '\r']);
        self.at = self.text.len() - rest.len();
        rest
    }

    fn wrong(&mut self, expected: &str) -> String {
        let found: String = self.rest().chars().take(20).collect();
        let found = if found.is_empty() { "the end".into() } else { format!("{found:?}") };
        format!("its header has {found} where {expected} should be")
    }

    fn take(&mut self, token: char) -> bool {
        let is_there = self.rest().starts_with(token);
        self.at += if is_there { token.len_utf8() } else { 0 };
        is_there
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(&format!("{token:?}"))) }
    }

    /// Reads the value after a key and a colon.
    fn value<T>(&mut self, read: fn(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.expect(':')?;
        read(self)
    }

    /// A string without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|quote| "'\"".contains(*quote));
        let end = quote.and_then(|quote| rest[1..].find(quote));
        let inner = end.map(|end| &rest[1..=end]).filter(|inner| !inner.contains(['\\', '\n']));
        let inner = inner.ok_or_else(|| self.wrong("a string"))?;
        self.at += inner.len() + 2;
        Ok(inner)
    }

    fn descr(&mut self) -> Result<String, String> {
        if self.rest().starts_with(['[', '(']) {
            let fields: String = self.rest().chars().take(40).collect();
            return Err(format!("holds records ({fields}…): save one field with np.save(path, x[\"name\"])"));
        }
        Ok(self.string()?.to_owned())
    }

    fn truth(&mut self) -> Result<bool, String> {
        for (text, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(text) {
                self.at += text.len();
                return Ok(value);
            }
        }
        Err(self.wrong("True or False"))
    }

    /// A tuple of sizes; Python 2 writes an `L` behind long ones.
    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        let mut sizes = vec![];
        self.expect('(')?;
        while !self.take(')') {
            sizes.push(self.size()?);
            let is_last = !self.take(',');
            if is_last && (sizes.len() == 1 || !self.rest().starts_with(')')) {
                return Err(self.wrong("','"));
            }
        }
        Ok(sizes)
    }

    fn size(&mut self) -> Result<u64, String> {
        let rest = self.rest();
        let digits = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
        let size = rest[..digits].parse().map_err(|_| self.wrong("a size below 2^64"))?;
        self.at += digits;
        self.take('L');
        Ok(size)
    }
}

/// The header of a tensor, as NumPy writes it.
pub fn bytes(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape = tuple_text(shape);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(ALIGNMENT) - MAGIC.len() - 4;
    text += &" ".repeat(length - 1 - text.len());
    let size = u16::try_from(length).expect("a shape of four sizes is short");
    [MAGIC, &[1, 0], &size.to_le_bytes(), text.as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::{Header, bytes};

    fn version(major: u8, text: &str) -> Vec<u8> {
        let size = (text.len() as u32).to_le_bytes();
        let size = if major == 1 { &size[..2] } else { &size[..] };
        [b"\x93NUMPY", &[major, 0][..], size, text.as_bytes()].concat()
    }

    fn parse(text: &str) -> Result<Header, String> {
        Header::parse(&version(1, text))
    }

    #[test]
    fn a_header_that_is_written_is_read() {
        for shape in [&[2, 3][..], &[1, 2, 40, 50], &[0, 7], &[usize::MAX >> 8, 1]] {
            let written = bytes("<f4", shape);
            assert_eq!(written.len() % 64, 0);
            let header = Header::parse(&written).expect("a header");
            assert_eq!((header.descr.as_str(), header.end), ("<f4", written.len()));
            assert_eq!(header.check_shape().expect("pixels"), shape);
        }
        let text = "{\"shape\": (2L, 3L,), 'fortran_order': False , 'descr': \"|u1\"}  \n";
        for major in [1, 2, 3] {
            let header = Header::parse(&version(major, text)).expect("a header");
            assert_eq!((header.descr.as_str(), header.shape), ("|u1", vec![2, 3]));
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        let nested = format!("{{'descr': {}, ", "[('a',".repeat(5000));
        let shape = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
        let cases = [
            (nested.as_str(), "records"),
            ("", "where '{' should be"),
            ("{", "a string"),
            ("{}", "no \"descr\""),
            ("{'descr': '<f4', 'descr': '<f4'}", "twice"),
            ("{'descr': '<f4' 'shape': ()}", "where '}' should be"),
            ("{'descr': '<f4', 'fortran_order': 0}", "True or False"),
            ("{'descr': '<\\x664'}", "a string"),
            (&shape("(2, 3)} x"), "the end"),
            (&shape("[2, 3]"), "where '(' should be"),
            (&shape("(2, -3)"), "a size"),
            (&shape("(2 3)"), "where ',' should be"),
            (&shape("(2)"), "where ',' should be"),
            (&shape("(18446744073709551616, 1)"), "a size below 2^64"),
            (&shape("(1e3, 1)"), "where ',' should be"),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err("no header");
            assert!(error.contains(expected), "`{error}` does not say `{expected}`");
        }
        for bytes in [
            &b""[..],
            b"\x93NUMPY",
            b"\x93NUMPY\x01\x00",
            b"\x93NUMPY\x01\x00\xff\xff{",
            b"\x93NUMPY\x04\x00\x00",
        ] {
            Header::parse(bytes).expect_err("no header");
        }
    }

    #[test]
    fn shapes_that_are_no_pixels_say_what_to_do() {
        let error = |shape: &str, order: &str| {
            let text = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}}}");
            parse(&text).and_then(|header| header.check_shape()).expect_err("no pixels")
        };
        assert!(error("()", "False").contains("single number"));
        assert!(error("(3,)", "False").contains("(3,)") && error("(3,)", "False").contains("reshape"));
        assert!(error("(1, 1, 1, 1, 1)", "False").contains("reshape"));
        assert!(error("(2, 3)", "True").contains("ascontiguousarray"));
        for shape in
            ["(18446744073709551615, 0)", "(1000000000, 100000000000)", "(0, 18446744073709551615, 2)"]
        {
            assert!(error(shape, "False").contains("no memory holds"), "{shape}");
        }
    }
}
