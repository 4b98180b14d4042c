//! Python's text in a pickle: UTF-8 in which lone surrogates may stand too.

use super::super::{Unpicklable, value::Text};
use crate::scan;

pub(super) fn read(bytes: &[u8]) -> Result<Text, Unpicklable> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    // Where the last surrogate ended, if it was a high one.
    let mut high = None;
    loop {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => valid_part(rest, error.valid_up_to()),
        };
        out.push_str(&scan::escape(valid));
        rest = rest.get(valid.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Text(out.into()));
        }
        let unit = surrogate(rest).ok_or(Unpicklable::Malformed("text that is not UTF-8"))?;
        if high == Some(out.len()) && unit >= 0xdc00 {
            // JSON would join the two to one character, which is another text.
            return Err(Unpicklable::Malformed("a character in two surrogates"));
        }
        out.push_str(&format!("\\u{unit:04x}"));
        high = (unit < 0xdc00).then_some(out.len());
        rest = rest.get(3..).unwrap_or_default();
    }
}

fn valid_part(bytes: &[u8], length: usize) -> &str {
    bytes.get(..length).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
}

fn surrogate(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
            Some(0xd000 | (u16::from(second & 0x3f) << 6) | u16::from(third & 0x3f))
        }
        _ => None,
    }
}
