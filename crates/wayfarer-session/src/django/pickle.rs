//! Django's cache values: the session as a pickled `dict`, as the cache backends of Redis and Memcached hold it.
//!
//! A pickle is a program. [`PickleCodec`] reads the part of its language that writes values, refuses everything else by
//! name, and calls nothing: `read` turns bytes into a value, `write` turns a value into the bytes that Python would write.
//! What JSON cannot say of a value stands in it as a **tag**, so that it goes through the session core, and through a
//! handler, as JSON text and comes back equal (`json`):
//!
//! | Python | in the session |
//! | --- | --- |
//! | `None`, `bool`, `int` of any length, `float` with `NaN`, `str`, `list`, `dict` | JSON, as Python writes it |
//! | `(1, 2)` | `{"__python__":"tuple","value":[1,2]}`; `set` and `frozenset` alike |
//! | `b"\x00"` | `{"__python__":"bytes","value":"AA=="}`; `bytearray` alike |
//! | `datetime(…, tzinfo=utc)` | `{"__python__":"datetime","value":"2026-01-02T03:04:05.678901+00:00"}`, with `"fold":1` and `"tzname"` where there are any; `time` alike |
//! | `date(…)` | `{"__python__":"date","value":"2026-01-02"}` |
//! | `timedelta(1, 2, 3)` | `{"__python__":"timedelta","value":[1,2,3]}`: days, seconds, microseconds |
//! | `timezone(…)` | `{"__python__":"timezone","value":"+01:00"}`, with `"tzname"` where there is one |
//! | `Decimal("9.99")` | `{"__python__":"Decimal","value":"9.99"}` |
//! | `UUID(…)` | `{"__python__":"UUID","value":"00000000-0000-0000-0000-000000000005"}` |
//! | a key that is no text, or begins with `__python__` | `__python__` and the key as JSON: `{1: 2}` is `{"__python__1":2}` |
//!
//! A handler may set a value with such a tag, and Django gets the Python value. Equal texts of a session are written once
//! and referred to, as Python does with texts that are one object; other values that Python shares come back as copies.

mod json;
mod read;
mod value;
mod write;

use std::sync::Arc;

use crate::{
    data::Data,
    error::{Error, ErrorKind},
};

/// Values may be nested this deep. Python's own pickler gives up at a few hundred.
const MAX_DEPTH: usize = 200;

/// A pickle may hold this many values, each counted as often as it is referred to.
const MAX_VALUES: usize = 1 << 20;

/// Bytes of the longest integer: Python reads no more than 4300 digits from text.
const MAX_INTEGER: usize = 1785;

/// Writes and reads the values of Django's caches.
///
/// What it cannot read it refuses, and a session that was refused is an error and is never overwritten.
///
/// ```
/// use wayfarer_session::django::PickleCodec;
/// let codec = PickleCodec::new();
/// let value = codec.encode(r#"{"count":1}"#)?;
/// assert_eq!(&*codec.decode(&value)?, r#"{"count":1}"#);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PickleCodec {
    max_bytes: usize,
}

impl Default for PickleCodec {
    fn default() -> PickleCodec {
        PickleCodec::new()
    }
}

/// Why a pickle is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpicklable {
    /// It ends before its value is whole.
    #[error("it is cut off")]
    CutOff,
    /// It uses an instruction that no value needs.
    #[error("it uses the instruction {0:#04x}, which no session value needs")]
    Instruction(u8),
    /// It names a class or a function that is not on the list of those that are read.
    #[error("it names `{0}`, which is not on the list of what is read")]
    Class(String),
    /// Its instructions do not fit together.
    #[error("its instructions make no value: {0}")]
    Malformed(&'static str),
    /// It is nested deeper than is allowed, or holds itself.
    #[error("it is nested too deep, or holds itself")]
    TooDeep,
    /// It is larger than is allowed, or would be once it is unpacked.
    #[error("it holds more than is allowed")]
    TooLarge,
    /// It holds something else than a `dict`.
    #[error("it holds something else than a session")]
    NoSession,
}

impl PickleCodec {
    /// A codec that reads at most 4 MiB.
    #[must_use]
    pub fn new() -> PickleCodec {
        PickleCodec { max_bytes: 4 << 20 }
    }

    /// The same codec, reading at most this many bytes, packed or unpacked.
    #[must_use]
    pub fn with_max_bytes(mut self, most: usize) -> PickleCodec {
        self.max_bytes = most;
        self
    }

    /// Pickles a session, as Python's protocol 5 does. `json` is the text of a JSON object, in Python's sense, with tags
    /// where JSON does not suffice.
    ///
    /// # Errors
    /// When it is something else ([`ErrorKind::Unwritable`]): not an object, a tag that says nothing, or nested too deep.
    pub fn encode(&self, json: &str) -> Result<Vec<u8>, Error> {
        let data = Data::parse(json).ok_or_else(|| unwritable("it is not a JSON object"))?;
        self.encode_data(&data)
    }

    /// The session in a pickle, as the text of a JSON object with tags. All protocols from 2 to 5 are read.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decode(&self, bytes: &[u8]) -> Result<Arc<str>, Unpicklable> {
        let session = read::session(bytes, self.max_bytes)?;
        let text = json::write(&session, self.max_bytes.saturating_mul(6))?;
        Ok(text.into())
    }

    pub(crate) fn encode_data(&self, data: &Data) -> Result<Vec<u8>, Error> {
        let session = json::read(data.text()).map_err(unwritable)?;
        Ok(write::session(&session))
    }

    pub(crate) fn decode_data(&self, bytes: &[u8]) -> Result<Data, Unpicklable> {
        Data::parse(&*self.decode(bytes)?).ok_or(Unpicklable::NoSession)
    }
}

fn unwritable(why: &'static str) -> Error {
    Error::new(ErrorKind::Unwritable, "pickle a session").because(why)
}

#[cfg(test)]
mod tests;
