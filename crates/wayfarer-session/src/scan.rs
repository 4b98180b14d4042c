//! Reads JSON as Python writes it, without taking values apart.
//!
//! Python's JSON is wider than RFC 8259: `NaN`, `Infinity`, integers of any length, lone surrogates and repeated keys all
//! occur in sessions that Django wrote. This scanner finds where each value begins and ends, and leaves its text alone.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

/// Values may be nested this deep. Python's own reader gives up near here.
const MAX_DEPTH: usize = 1000;

/// Where the name and the value of an entry of an object lie in the text. The name is without its quotes.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The entries of a JSON object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) members: Vec<Member>,
    /// A backslash lies somewhere in a name or a text. Without one, ASCII is spelt in one way alone.
    pub(crate) escapes: bool,
}

/// The one JSON object that `text` is, or `None` if it is anything else.
pub(crate) fn object(text: &str) -> Option<Object> {
    let mut scanner = Scanner::new(text);
    let mut members = Vec::with_capacity(8);
    scanner.space();
    scanner.expect(b'{')?;
    scanner.space();
    if !scanner.eat(b'}') {
        loop {
            let name = scanner.name()?;
            let start = scanner.at;
            scanner.value()?;
            members.push(Member { name, value: start..scanner.at });
            scanner.space();
            if scanner.eat(b'}') {
                break;
            }
            scanner.expect(b',')?;
            scanner.space();
        }
    }
    scanner.end()?;
    Some(Object { members, escapes: scanner.escapes })
}

/// Whether `text` is one JSON value, with nothing around it but space.
pub(crate) fn is_value(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value().and_then(|()| scanner.end()).is_some()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    escapes: bool,
}

impl Scanner<'_> {
    fn new(text: &str) -> Scanner<'_> {
        Scanner { bytes: text.as_bytes(), at: 0, escapes: false }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let met = self.peek() == Some(byte);
        self.at += usize::from(met);
        met
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += count;
        count
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Option<()> {
        self.space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// A name, its colon, and the space up to the value.
    fn name(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.string()?;
        let name = start + 1..self.at - 1;
        self.space();
        self.expect(b':')?;
        self.space();
        Some(name)
    }

    /// Walks over one value. Not recursive: deep nesting costs memory of its own size and no stack.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            if !self.scalar_or_open(&mut open)? {
                continue;
            }
            loop {
                let Some(&close) = open.last() else { return Some(()) };
                self.space();
                if self.eat(close) {
                    open.pop();
                    continue;
                }
                self.expect(b',')?;
                self.space();
                if close == b'}' {
                    self.name()?;
                }
                break;
            }
        }
    }

    /// Walks over a scalar or an empty container and says `true`, or opens a container up to its first value and says
    /// `false`.
    fn scalar_or_open(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        let close = match self.peek()? {
            b'{' => b'}',
            b'[' => b']',
            b'"' => return self.string().map(|()| true),
            b'-' | b'0'..=b'9' => return self.number().map(|()| true),
            _ => return self.word().map(|()| true),
        };
        self.at += 1;
        self.space();
        if self.eat(close) {
            return Some(true);
        }
        if open.len() == MAX_DEPTH {
            return None;
        }
        open.push(close);
        if close == b'}' {
            self.name()?;
        }
        Some(false)
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            self.at += ordinary(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.escapes = true;
        self.at += 2;
        match self.bytes.get(self.at - 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return self.word();
        }
        if !self.eat(b'0') && self.digits() == 0 {
            return None;
        }
        if self.eat(b'.') && self.digits() == 0 {
            return None;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return None;
            }
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        self.skip_while(|byte| byte.is_ascii_digit())
    }

    fn word(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let words: [&[u8]; 5] = [b"true", b"false", b"null", b"NaN", b"Infinity"];
        let word = words.into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(())
    }
}

/// How many bytes there are before the first one that a JSON string cannot hold as it is: a quote, a backslash, a control.
fn ordinary(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let before = special.trailing_zeros() / 8;
            return number * 8 + usize::try_from(before).unwrap_or_default();
        }
    }
    let special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Marks the high bit of the first special byte of eight, and none before it; the bits after that mean nothing.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (ONES << 7)
}

/// How Python writes `text` inside a JSON string: ASCII only, astral characters as two surrogates.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for char in text.chars() {
        for unit in char.encode_utf16(&mut units) {
            escape_unit(*unit, &mut escaped);
        }
    }
    Cow::Owned(escaped)
}

fn escape_unit(unit: u16, out: &mut String) {
    match unit {
        0x22 => out.push_str("\\\""),
        0x5c => out.push_str("\\\\"),
        0x08 => out.push_str("\\b"),
        0x09 => out.push_str("\\t"),
        0x0a => out.push_str("\\n"),
        0x0c => out.push_str("\\f"),
        0x0d => out.push_str("\\r"),
        // Writing to a String cannot fail.
        _ => match char::from_u32(u32::from(unit)).filter(|char| (' '..='\x7f').contains(char)) {
            Some(char) => out.push(char),
            None => drop(write!(out, "\\u{unit:04x}")),
        },
    }
}

/// Whether Python writes `text` inside a JSON string as it is.
fn is_plain(text: &str) -> bool {
    text.is_ascii() && ordinary(text.as_bytes()) == text.len()
}

/// Whether a name has the one spelling that Python would write.
pub(crate) fn is_canonical(name: &str) -> bool {
    is_plain(name) || matches!(canonical(name), Cow::Borrowed(_))
}

/// The one spelling of a name that Python would write, so that two spellings of a name are one name.
pub(crate) fn canonical(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return escape(name);
    }
    let mut out = String::with_capacity(name.len());
    for unit in units(name) {
        escape_unit(unit, &mut out);
    }
    if out == name { Cow::Borrowed(name) } else { Cow::Owned(out) }
}

/// The text that a name stands for. A lone surrogate, which no Rust text can hold, becomes U+FFFD.
pub(crate) fn unescape(name: &str) -> String {
    if name.contains('\\') { String::from_utf16_lossy(&units(name)) } else { name.to_owned() }
}

/// The UTF-16 units of the inside of a JSON string, which the scanner has found well formed.
pub(crate) fn units(name: &str) -> Vec<u16> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.chars();
    let mut pair = [0; 2];
    while let Some(char) = rest.next() {
        if char != '\\' {
            out.extend_from_slice(char.encode_utf16(&mut pair));
            continue;
        }
        out.push(match rest.next() {
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some('n') => 0x0a,
            Some('r') => 0x0d,
            Some('t') => 0x09,
            Some('u') => {
                let digits = rest.as_str().get(..4).unwrap_or_default();
                rest = rest.as_str().get(4..).unwrap_or_default().chars();
                u16::from_str_radix(digits, 16).unwrap_or(0xfffd)
            }
            Some('"') => 0x22,
            Some('/') => 0x2f,
            _ => 0x5c,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
        let members = object(text)?.members;
        Some(members.into_iter().map(|m| (&text[m.name], &text[m.value])).collect())
    }

    #[test]
    fn values_keep_their_text() {
        let text = r#" { "a" : [1, {"b":"}"}] ,"n":NaN,"i":-Infinity,"big":123456789012345678901234567890,
            "s":"\ud800\"","e":{},"f":[],"a":2.50e+3} "#;
        let expected = [
            ("a", r#"[1, {"b":"}"}]"#),
            ("n", "NaN"),
            ("i", "-Infinity"),
            ("big", "123456789012345678901234567890"),
            ("s", r#""\ud800\"""#),
            ("e", "{}"),
            ("f", "[]"),
            ("a", "2.50e+3"),
        ];
        assert_eq!(parts(text).unwrap(), expected);
    }

    #[test]
    fn the_first_special_byte_is_found_wherever_it_lies() {
        for length in 0..40 {
            for (at, byte) in (0..length).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut bytes = vec![b'~'; length];
                bytes[at] = byte;
                let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(ordinary(&bytes), if special { at } else { length }, "{byte} at {at}");
            }
            assert_eq!(ordinary(&vec![0xff; length]), length);
        }
        assert_eq!(ordinary(b"!!!\"\x01\\!!!"), 3);
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let bad = [
            "",
            "{",
            "[]",
            "1",
            "{}x",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{a:1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e}"#,
            r#"{"a":-}"#,
            r#"{"a":nan}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u12g4"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":[1}}"#,
            r#"{"a":"\"#,
        ];
        for text in bad {
            assert!(parts(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parts(&deep(MAX_DEPTH)).is_some());
        assert!(parts(&deep(MAX_DEPTH + 2)).is_none());
        assert!(parts(&deep(1_000_000)).is_none());
    }

    #[test]
    fn names_have_one_spelling() {
        assert_eq!(canonical(r"caf\u00E9"), r"caf\u00e9");
        assert_eq!(canonical("café"), r"caf\u00e9");
        assert_eq!(canonical(r"a\/b"), "a/b");
        assert_eq!(canonical(r"\ud800"), r"\ud800");
        assert_eq!(escape("𝄞\u{7f}\u{1}\n"), "\\ud834\\udd1e\u{7f}\\u0001\\n");
        assert_eq!(unescape(r"\ud834\udd1e\n"), "𝄞\n");
        assert_eq!(unescape(r"\ud800"), "\u{fffd}");
    }
}
