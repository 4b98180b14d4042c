//! What a store keeps of a session: [`Record`], and the bytes in it.
//!
//! A session that is written may be read again by the same process, so [`RecordData`] keeps what it says beside its bytes, and
//! makes either of the other when it is first asked for. A store in memory never asks for the bytes; one on a disk or a server
//! never knows that there was anything else.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;

use crate::{
    error::Error,
    key::Subject,
    native::{self, Payload},
};

/// What a store keeps of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The session as its codec wrote it. A store gives it back byte for byte.
    pub data: RecordData,
    /// From this instant on the session is dead. Stores keep it to the precision that they declare.
    pub expires_at: Timestamp,
    /// The session's internal id, where there is one: stores that can enumerate index it.
    pub subject: Option<Subject>,
    /// The account, where one is known: stores that can enumerate index it.
    pub user: Option<Arc<str>>,
}

impl Record {
    /// Whether this is its end, to the microsecond: no end is told finer.
    #[must_use]
    pub fn ends_at(&self, end: Timestamp) -> bool {
        self.expires_at.as_microsecond() == end.as_microsecond()
    }
}

/// Shows sizes and times, never data.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("bytes", &self.data.len())
            .field("expires_at", &self.expires_at)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// The bytes of a record. Cheap to clone: clones share them.
///
/// It is used as a `&[u8]`, and made of a `Vec<u8>` or a slice.
#[derive(Clone)]
pub struct RecordData(Arc<Forms>);

/// One of the two is there from the start.
#[derive(Default)]
struct Forms {
    bytes: OnceLock<Vec<u8>>,
    /// What the bytes say as a native record. Nobody asks this of another.
    says: OnceLock<Payload>,
    /// How many bytes there are or would be.
    length: OnceLock<usize>,
}

impl RecordData {
    /// The native record that says this.
    pub(crate) fn native(payload: Payload) -> RecordData {
        RecordData(Arc::new(Forms { says: payload.into(), ..Forms::default() }))
    }

    /// What this native record says.
    pub(crate) fn says(&self) -> Result<&Payload, Error> {
        if let Some(payload) = self.0.says.get() {
            return Ok(payload);
        }
        let payload = native::read(self)?;
        Ok(self.0.says.get_or_init(|| payload))
    }

    /// How many bytes there are. This alone does not write them.
    #[must_use]
    pub fn len(&self) -> usize {
        match (self.0.bytes.get(), self.0.says.get()) {
            (None, Some(payload)) => *self.0.length.get_or_init(|| native::length(payload)),
            _ => self.deref().len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Deref for RecordData {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.bytes.get_or_init(|| self.0.says.get().map(native::write).unwrap_or_default())
    }
}

impl From<Vec<u8>> for RecordData {
    fn from(bytes: Vec<u8>) -> RecordData {
        RecordData(Arc::new(Forms { bytes: bytes.into(), ..Forms::default() }))
    }
}

impl From<&[u8]> for RecordData {
    fn from(bytes: &[u8]) -> RecordData {
        RecordData::from(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for RecordData {
    fn from(bytes: [u8; N]) -> RecordData {
        RecordData::from(bytes.to_vec())
    }
}

impl PartialEq for RecordData {
    fn eq(&self, other: &RecordData) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for RecordData {}

/// Shows how many bytes there are, and none of them.
impl fmt::Debug for RecordData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordData({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::Data,
        key::StoreKey,
        native::{About, Moved},
    };

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).unwrap()
    }

    fn payloads() -> Vec<Payload> {
        let data = Data::parse(r#"{"a":NaN,"\ud800":[1, 2]}"#).unwrap();
        let abouts = [i64::MIN >> 10, -1, 0, 9, 10, 1_767_225_600_000_000].map(|created| About {
            created: Some(at(created)),
            renewed: (created % 2 == 0).then(|| at(created / 2)),
            prior: (created > 5).then(|| StoreKey::new("a \"key\"")),
        });
        let moved = Moved { to: StoreKey::new("b"), nonce: [7; 16], until: at(-5), used: false };
        let sessions = abouts.map(|about| Payload::Session(about, data.clone()));
        sessions.into_iter().chain([Payload::Moved(moved), Payload::Ended]).collect()
    }

    #[test]
    fn what_was_never_written_has_the_length_and_the_bytes_that_it_would_have() {
        for payload in payloads() {
            let unwritten = RecordData::native(payload.clone());
            let length = unwritten.len();
            assert!(unwritten.0.bytes.get().is_none(), "{payload:?} was written for its length");
            let bytes = unwritten.to_vec();
            assert_eq!(length, bytes.len(), "{payload:?}");
            let read = RecordData::from(bytes);
            assert_eq!(read.says().unwrap(), &payload);
            assert_eq!(read, unwritten);
        }
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        let data = RecordData::from(*b"2{}");
        assert!(data.says().is_err());
        assert!(data.says().is_err(), "the second time too");
        assert_eq!(*data, *b"2{}");
        assert_eq!(format!("{data:?}"), "RecordData(3 bytes)");
    }
}
