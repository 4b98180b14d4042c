//! Takes addresses out of lines that go to a file of rejects.

use std::net::{IpAddr, SocketAddr};

use crate::{collector::cut, scrub::MASK};

/// The longest text that is kept of a line, in bytes.
const LONGEST: usize = 2048;

/// A line without anything that is or looks like an address, cut to a bounded length. With `first` the first word is
/// taken for one whatever it looks like: most formats have the client there, which may be a host's name.
pub(super) fn mask(line: &[u8], first: bool) -> String {
    let text = String::from_utf8_lossy(line.get(..LONGEST * 2).unwrap_or(line));
    let (head, rest) = match text.split_once(' ') {
        Some((_, rest)) if first => (MASK, format!(" {rest}")),
        _ => ("", text.into_owned()),
    };
    let mut out = String::from(head);
    let mut word = String::new();
    for c in rest.chars().chain(['\n']) {
        if c.is_ascii_hexdigit() || matches!(c, '.' | ':') {
            word.push(c);
            continue;
        }
        out.push_str(if is_address(&word) { MASK } else { &word });
        word.clear();
        if !c.is_control() {
            out.push(c);
        }
    }
    cut(&out, LONGEST).to_owned()
}

/// Whether a run of hexadecimal digits, dots and colons is an address, or a damaged one.
fn is_address(word: &str) -> bool {
    let trimmed = word.trim_matches(['.', ':']);
    word.parse::<IpAddr>().is_ok()
        || trimmed.parse::<IpAddr>().is_ok()
        || word.parse::<SocketAddr>().is_ok()
        || word.contains("::")
        || word.matches(':').count() >= 4
        || has_four_numbers(word)
}

/// Whether four numbers stand in a row, parted by dots: an address, with or without a port, even one over 255.
fn has_four_numbers(word: &str) -> bool {
    word.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|part| {
        let mut run = 0;
        part.split('.').any(|number| {
            run = if number.is_empty() { 0 } else { run + 1 };
            run == 4
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_left() {
        let cases = [
            (
                "192.0.2.1 - - [17/May/2015:10:05:03 +0000] x",
                "[address] - - [17/May/2015:10:05:03 +0000] x",
            ),
            ("a 198.51.100.7:8080, 2001:db8::1 b", "[address] [address], [address] b"),
            ("host.example 2001:db8:0:0:1:2:3:4x", "[address] [address]x"),
            (
                "x 999.1.2.3 1.2.3.4.5 10:05:03 1.2.3",
                "[address] [address] [address] 10:05:03 1.2.3",
            ),
        ];
        for (line, masked) in cases {
            assert_eq!(mask(line.as_bytes(), true), masked);
        }
        assert_eq!(mask(br#"{"ip":"192.0.2.1"}"#, false), r#"{"ip":"[address]"}"#);
        assert_eq!(mask(b"192.0.2.1", true), "[address]");
    }

    #[test]
    fn what_is_kept_is_bounded_and_printable() {
        let line = [0xff, 0, b'\n', b' '].repeat(10_000);
        let masked = mask(&line, false);
        assert!(masked.len() <= LONGEST);
        assert!(!masked.contains(['\0', '\n']));
    }
}
