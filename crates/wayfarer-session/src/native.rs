//! The native record: what Wayfarer writes into a store of its own.
//!
//! A session is one line of JSON about it, then the session itself. A session that was given a new key leaves under the old
//! one where it went; one that is being ended leaves that.
//! ```text
//! 1{"created":1767225600000000}
//! {"cart":[3,5],"_session_expiry":600}
//!
//! 1>{"to":"66687a…","nonce":"EjRWeJCrze8SNFZ4kKvN7w","until":1767225900000000,"used":false}
//!
//! 1.
//! ```
//! The first byte is the version. A newer version is refused by name and left as it is.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    data::Data,
    error::{Error, ErrorKind},
    key::{self, StoreKey},
    scan,
    store::RecordData,
};

const VERSION: char = '1';

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// A session.
    Session(About, Data),
    /// The session lives under another key.
    Moved(Moved),
    /// The session is being ended.
    Ended,
}

/// What is known of a session besides what it holds. In django mode nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// When it began.
    pub(crate) created: Option<Timestamp>,
    /// When it got its key; `None`: it has the key that it began with.
    pub(crate) renewed: Option<Timestamp>,
    /// Under this key lies where it went, for requests that do not know its new key yet.
    pub(crate) prior: Option<StoreKey>,
}

impl About {
    /// A session that begins now.
    pub(crate) fn new(now: Timestamp) -> About {
        About { created: Some(now), ..About::default() }
    }

    /// When the session got the key that it has.
    pub(crate) fn keyed(&self) -> Option<Timestamp> {
        self.renewed.or(self.created)
    }
}

/// Where a session went. Who has the old key and is let in computes the new one from it and the nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// What the store knows the session as.
    pub(crate) to: StoreKey,
    pub(crate) nonce: [u8; 16],
    /// From this instant on the old key opens nothing.
    pub(crate) until: Timestamp,
    /// The new key came in a request: already the old one opens nothing.
    pub(crate) used: bool,
}

#[derive(Deserialize)]
struct AboutLine {
    created: i64,
    #[serde(default)]
    renewed: Option<i64>,
    #[serde(default)]
    prior: Option<Box<str>>,
}

#[derive(Deserialize)]
struct MovedLine {
    to: Box<str>,
    nonce: Box<str>,
    until: i64,
    used: bool,
}

/// The record of a session. One that does not tell when it began begins now.
pub(crate) fn session(about: &About, data: &Data, now: Timestamp) -> RecordData {
    let about = About { created: about.created.or(Some(now)), ..about.clone() };
    RecordData::native(Payload::Session(about, data.clone()))
}

/// The record of where a session went.
pub(crate) fn moved(moved: Moved) -> RecordData {
    RecordData::native(Payload::Moved(moved))
}

/// The record of a session that is being ended.
pub(crate) fn ended() -> RecordData {
    RecordData::native(Payload::Ended)
}

/// Writes a record.
pub(crate) fn write(payload: &Payload) -> Vec<u8> {
    let mut text = String::with_capacity(length(payload));
    // Writing to a String cannot fail.
    let _ = write_head(payload, &mut text);
    if let Payload::Session(_, data) = payload {
        text.push_str(data.text());
    }
    text.into_bytes()
}

/// How many bytes [`write()`] writes.
pub(crate) fn length(payload: &Payload) -> usize {
    let mut head = Counted(0);
    let _ = write_head(payload, &mut head);
    match payload {
        Payload::Session(_, data) => head.0 + data.text().len(),
        Payload::Moved(_) | Payload::Ended => head.0,
    }
}

/// Counts what is written.
struct Counted(usize);

impl fmt::Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// All but what a session holds.
fn write_head(payload: &Payload, out: &mut impl fmt::Write) -> fmt::Result {
    out.write_char(VERSION)?;
    match payload {
        Payload::Session(about, _) => {
            let created = about.created.map_or(0, Timestamp::as_microsecond);
            write!(out, "{{\"created\":{created}")?;
            if let Some(renewed) = about.renewed {
                write!(out, ",\"renewed\":{}", renewed.as_microsecond())?;
            }
            if let Some(prior) = &about.prior {
                write!(out, ",\"prior\":\"{}\"", scan::escape(prior.expose()))?;
            }
            out.write_str("}\n")
        }
        Payload::Moved(Moved { to, nonce, until, used }) => {
            let (to, nonce) = (scan::escape(to.expose()), URL_SAFE_NO_PAD.encode(nonce));
            let until = until.as_microsecond();
            write!(
                out,
                ">{{\"to\":\"{to}\",\"nonce\":\"{nonce}\",\"until\":{until},\"used\":{used}}}"
            )
        }
        Payload::Ended => out.write_char('.'),
    }
}

/// Reads a record.
pub(crate) fn read(bytes: &[u8]) -> Result<Payload, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let Some(rest) = text.strip_prefix(VERSION) else {
        return Err(unreadable(format!("it is not of version {VERSION}")));
    };
    if rest == "." {
        return Ok(Payload::Ended);
    }
    if let Some(line) = rest.strip_prefix('>') {
        return read_moved(line).map(Payload::Moved);
    }
    let (line, data) = rest.split_once('\n').ok_or_else(|| unreadable("it is cut off"))?;
    let line: AboutLine = read_line(line)?;
    let data = Data::parse(data).ok_or_else(|| unreadable("its data are not an object"))?;
    let about = About {
        created: Some(timestamp(line.created)),
        renewed: line.renewed.map(timestamp),
        prior: line.prior.map(StoreKey::new),
    };
    Ok(Payload::Session(about, data))
}

fn read_moved(line: &str) -> Result<Moved, Error> {
    let line: MovedLine = read_line(line)?;
    let nonce = key::decode(&line.nonce).ok_or_else(|| unreadable("its nonce is damaged"))?;
    let until = timestamp(line.until);
    Ok(Moved { to: StoreKey::new(line.to), nonce, until, used: line.used })
}

fn read_line<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, Error> {
    serde_json::from_str(line).map_err(|error| unreadable(error.to_string()))
}

/// An instant beyond what can be said counts as the first one: what hangs on it is over.
fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)
}

fn unreadable(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unreadable, "read a session").because(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_session_reads_back() {
        let data = Data::parse(r#"{"a":NaN,"b":[1, 2]}"#).unwrap();
        let about = About::new(at(1_767_225_600));
        let bytes = session(&about, &data, at(0));
        let expected = "1{\"created\":1767225600000000}\n{\"a\":NaN,\"b\":[1, 2]}";
        assert_eq!(text(&bytes), expected);
        assert_eq!(read(&bytes).unwrap(), Payload::Session(about, data));
    }

    #[test]
    fn a_renewed_session_reads_back() {
        let about = About {
            renewed: Some(at(20)),
            prior: Some(StoreKey::new("abc")),
            ..About::new(at(10))
        };
        let bytes = session(&about, &Data::default(), at(0));
        let expected = "1{\"created\":10000000,\"renewed\":20000000,\"prior\":\"abc\"}\n{}";
        assert_eq!(text(&bytes), expected);
        assert_eq!(read(&bytes).unwrap(), Payload::Session(about, Data::default()));
    }

    #[test]
    fn what_is_left_reads_back() {
        let moved = Moved { to: StoreKey::new("abc"), nonce: [0; 16], until: at(10), used: true };
        let bytes = super::moved(moved.clone());
        let expected =
            r#"1>{"to":"abc","nonce":"AAAAAAAAAAAAAAAAAAAAAA","until":10000000,"used":true}"#;
        assert_eq!(text(&bytes), expected);
        assert_eq!(read(&bytes).unwrap(), Payload::Moved(moved));
        assert_eq!(read(&ended()).unwrap(), Payload::Ended);
    }

    #[test]
    fn what_is_not_ours_is_unreadable() {
        let bad: [&[u8]; 11] = [
            b"",
            b"1",
            b"2{}\n{}",
            b"1{}\n{}",
            b"1{\"created\":1}\n[]",
            b"1{\"created\":1}",
            b"1..",
            b"1>",
            b"1>{}",
            br#"1>{"to":"abc","nonce":"AA","until":10000000,"used":true}"#,
            b"\xff",
        ];
        for bytes in bad {
            assert_eq!(read(bytes).unwrap_err().kind(), ErrorKind::Unreadable, "{bytes:?}");
        }
    }
}
