//! The native record: what Wayfarer writes into a store of its own.
//!
//! One line of JSON about the session, then the session itself:
//! ```text
//! 1{"created":1767225600000000}
//! {"cart":[3,5],"_session_expiry":600}
//! ```
//! The first byte is the version. A newer version is refused by name and left as it is.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    data::Data,
    error::{Error, ErrorKind},
};

const VERSION: char = '1';

/// What is known of a session besides what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// When the session began, in microseconds of UTC.
    created: i64,
}

impl Meta {
    pub(crate) fn new(created: Timestamp) -> Meta {
        Meta { created: created.as_microsecond() }
    }

    pub(crate) fn created(self) -> Timestamp {
        Timestamp::from_microsecond(self.created).unwrap_or(Timestamp::MIN)
    }
}

/// Writes a record.
pub(crate) fn encode(meta: Meta, data: &Data) -> Result<Arc<[u8]>, Error> {
    let mut text = String::with_capacity(256);
    text.push(VERSION);
    let meta = serde_json::to_string(&meta)
        .map_err(|error| Error::new(ErrorKind::Unwritable, "write a session").because(error))?;
    text.push_str(&meta);
    text.push('\n');
    data.write(&mut text);
    Ok(text.into_bytes().into())
}

/// Reads a record.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Meta, Data), Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let Some(versioned) = text.strip_prefix(VERSION) else {
        return Err(unreadable(format!("it is not of version {VERSION}")));
    };
    let (meta, data) = versioned.split_once('\n').ok_or_else(|| unreadable("it is cut off"))?;
    let meta = serde_json::from_str(meta).map_err(|error| unreadable(error.to_string()))?;
    let data = Data::parse(&data.into()).ok_or_else(|| unreadable("its data are not an object"))?;
    Ok((meta, data))
}

fn unreadable(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unreadable, "read a session").because(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let data = Data::parse(&r#"{"a":NaN,"b":[1, 2]}"#.into()).unwrap();
        let meta = Meta::new(Timestamp::from_second(1_767_225_600).unwrap());
        let bytes = encode(meta, &data).unwrap();
        let expected = "1{\"created\":1767225600000000}\n{\"a\":NaN,\"b\":[1, 2]}";
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
        assert_eq!(decode(&bytes).unwrap(), (meta, data));
    }

    #[test]
    fn what_is_not_ours_is_unreadable() {
        let bad: [&[u8]; 7] = [
            b"",
            b"1",
            b"2{}\n{}",
            b"1{}\n{}",
            b"1{\"created\":1}\n[]",
            b"1{\"created\":1}",
            b"\xff",
        ];
        for bytes in bad {
            assert_eq!(decode(bytes).unwrap_err().kind(), ErrorKind::Unreadable, "{bytes:?}");
        }
    }
}
