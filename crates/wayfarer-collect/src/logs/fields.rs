//! Fields of a text line, cut off one after the other: bare, quoted, in brackets. Bytes in, no panics.

use std::borrow::Cow;

use jiff::{
    civil::{Date, Time},
    tz::{Offset, TimeZone},
};
use wayfarer_event::Micros;

/// Why a line could not be read: a sentence without a full stop, without anything of the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LineError(pub(crate) Cow<'static, str>);

impl LineError {
    pub(crate) const fn new(problem: &'static str) -> LineError {
        LineError(Cow::Borrowed(problem))
    }
}

/// What is left of a line.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The bytes before the next space; all that is left where there is none.
    pub(crate) fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr(b' ', self.0).unwrap_or(self.0.len());
        self.take(end, end + 1)
    }

    /// The bytes before `mark`, which is cut off too.
    pub(crate) fn before(&mut self, mark: &[u8]) -> Option<&'a [u8]> {
        let end = memchr::memmem::find(self.0, mark)?;
        self.take(end, end + mark.len())
    }

    /// A quoted field, still escaped. A quote closes it when no backslash stands before it and a space or the end of the
    /// line behind it: some servers do not escape the quotes that clients send.
    pub(crate) fn quoted(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let inside = self.0.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', inside.get(at..)?)?;
            let closes = inside.get(at) == Some(&b'"')
                && matches!(inside.get(at + 1), None | Some(b' ' | b'\t' | b'\r'));
            if closes {
                self.0 = inside.get(at + 1..)?;
                return inside.get(..at);
            }
            at += if inside.get(at) == Some(&b'\\') { 2 } else { 1 };
        }
    }

    /// A quoted field that the end of the line cuts off.
    pub(crate) fn open_quoted(&mut self) -> Option<&'a [u8]> {
        self.skip_spaces();
        let inside = self.0.strip_prefix(b"\"")?;
        self.0 = &[];
        Some(inside)
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.trim_ascii().is_empty()
    }

    fn skip_spaces(&mut self) {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn take(&mut self, end: usize, next: usize) -> Option<&'a [u8]> {
        let field = self.0.get(..end);
        self.0 = self.0.get(next..).unwrap_or_default();
        field
    }
}

/// The text of a field; `None` for `-` and for nothing. Escapes of Apache and nginx (`\"`, `\\`, `\xhh`) are undone where
/// they give a character that can be printed. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn text(field: &[u8]) -> Option<Cow<'_, str>> {
    if matches!(field, b"" | b"-") {
        return None;
    }
    if memchr::memchr(b'\\', field).is_none() && !field.iter().any(u8::is_ascii_control) {
        return Some(String::from_utf8_lossy(field));
    }
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, used)) = unescape(rest) {
        match byte {
            Some(byte) if byte >= b' ' && byte != 0x7f => out.push(byte),
            _ => out.extend(rest.iter().take(used).filter(|byte| !byte.is_ascii_control())),
        }
        rest = rest.get(used..).unwrap_or_default();
    }
    Some(String::from_utf8_lossy(&out).into_owned().into())
}

/// The first byte of an escaped field, if it is a known one, and how many bytes it takes; `None` at the end.
fn unescape(field: &[u8]) -> Option<(Option<u8>, usize)> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(match field {
        [] => return None,
        [b'\\', b'x', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => (Some(high << 4 | low), 4),
            _ => (Some(b'\\'), 1),
        },
        [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => (Some(*byte), 2),
        [byte, ..] => (Some(*byte), 1),
    })
}

/// Method and target of a request line such as `GET /a HTTP/1.1`; `None` for what is no HTTP.
pub(crate) fn request_line(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let is_method = (1..=32).contains(&method.len())
        && method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_');
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        _ => rest,
    };
    (is_method && !target.is_empty()).then_some((method, target))
}

/// A number that fills the field.
pub(crate) fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Time as Apache writes it: `17/May/2015:10:05:03 +0000`; without its zone it is one of `zone`.
pub(crate) fn apache_time(field: &[u8], zone: &TimeZone) -> Option<Micros> {
    let [d1, d2, b'/', m1, m2, m3, b'/', year @ ..] = field else { return None };
    let (year, clock) = year.split_at_checked(4)?;
    let [b':', h1, h2, b':', n1, n2, b':', s1, s2, offset @ ..] = clock else { return None };
    let date = Date::new(number(year)?, month([*m1, *m2, *m3])?, two(*d1, *d2)?).ok()?;
    // A leap second is counted as the one before it.
    let time = Time::new(two(*h1, *h2)?, two(*n1, *n2)?, two(*s1, *s2)?.min(59), 0).ok()?;
    let local = date.to_datetime(time);
    let instant = match offset {
        [] => zone.to_timestamp(local).ok()?,
        [b' ', sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let seconds = i32::from(two(*h1, *h2)?) * 3600 + i32::from(two(*m1, *m2)?) * 60;
            let seconds = if *sign == b'-' { -seconds } else { seconds };
            Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok()?
        }
        _ => return None,
    };
    Micros::from(instant).in_range()
}

fn month(name: [u8; 3]) -> Option<i8> {
    let names = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let at = names.chunks_exact(3).position(|month| month == name)?;
    i8::try_from(at + 1).ok()
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'));
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_close_where_a_field_ends() {
        let mut fields = Fields(br#""a \" b" "c"d" "e\\" -"#);
        assert_eq!(fields.quoted(), Some(&br#"a \" b"#[..]));
        assert_eq!(fields.quoted(), Some(&br#"c"d"#[..]));
        assert_eq!(fields.quoted(), Some(&br"e\\"[..]));
        assert_eq!(fields.quoted(), None);
        assert_eq!(Fields(br#""open"#).quoted(), None);
        assert_eq!(Fields(br#""open\"#).quoted(), None);
    }

    #[test]
    fn escapes_are_undone_where_they_can_be_printed() {
        assert_eq!(text(br#"a\"b\\c\x41"#).as_deref(), Some(r#"a"b\cA"#));
        assert_eq!(text(br"\xe4\xbd\xa0").as_deref(), Some("你"));
        assert_eq!(text(br"\x00\x16a\n").as_deref(), Some(r"\x00\x16a\n"));
        assert_eq!(text(b"\xff\0a\\").as_deref(), Some("\u{fffd}a\\"));
        assert_eq!(text(br"\xzz").as_deref(), Some(r"\xzz"));
        assert_eq!(text(b"-"), None);
    }

    #[test]
    fn a_request_line_has_method_and_target() {
        assert_eq!(request_line("GET /a b HTTP/1.1"), Some(("GET", "/a b")));
        assert_eq!(request_line("GET /"), Some(("GET", "/")));
        for line in ["", "GET", "\\x16\\x03 x", "GET  HTTP/1.1"] {
            assert_eq!(request_line(line), None, "{line}");
        }
    }

    #[test]
    fn times_are_instants() {
        let utc = TimeZone::UTC;
        let at = |text: &str| apache_time(text.as_bytes(), &utc).map(|ts| ts.to_string());
        assert_eq!(at("17/May/2015:10:05:03 +0000").as_deref(), Some("2015-05-17T10:05:03Z"));
        assert_eq!(at("01/Jan/2016:00:30:00 +0530").as_deref(), Some("2015-12-31T19:00:00Z"));
        assert_eq!(at("31/Dec/2016:23:59:60 -0100").as_deref(), Some("2017-01-01T00:59:59Z"));
        assert_eq!(at("17/May/2015:10:05:03").as_deref(), Some("2015-05-17T10:05:03Z"));
        for text in [
            "31/Feb/2015:10:05:03 +0000",
            "17/Mai/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/1969:10:05:03 +0000",
            "17/May/2015:10:05:03 +00",
            "",
            "\u{ff}",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        let local = apache_time(b"17/May/2015:10:05:03", &shanghai).unwrap();
        assert_eq!(local.to_string(), "2015-05-17T02:05:03Z");
    }
}
