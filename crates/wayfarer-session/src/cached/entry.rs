//! What a fast store remembers under a key, and how that is written into one of its records.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    key::Subject,
    store::{Loaded, Record, RecordData, Version},
};

/// What is remembered.
#[derive(Debug)]
pub enum Entry {
    /// The session, as the durable store had it then.
    Value {
        /// What it had.
        loaded: Loaded,
        /// When it was asked.
        asked_at: Timestamp,
    },
    /// Somebody changes it since then, or did not come back to say that it was done.
    Busy {
        /// Since when.
        since: Timestamp,
    },
    /// It ended.
    Ended,
    /// Somebody else's, which says nothing to us.
    Foreign,
}

/// How entries are written. Outside of this crate there is no other way.
pub trait Entries: Send + Sync + 'static {
    /// The bytes of an entry. `None`: it cannot be written, and is not to be remembered.
    fn write(&self, entry: &Entry) -> Option<Vec<u8>>;

    /// What these bytes say.
    fn read(&self, record: &Record) -> Entry;
}

/// A line of JSON, then the record's data.
#[derive(Clone, Copy, Debug)]
pub struct NativeEntries;

const FORM: u8 = b'1';

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Head {
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    busy_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_at: Option<i64>,
    /// Left out where the data themselves are the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
}

impl Entries for NativeEntries {
    fn write(&self, entry: &Entry) -> Option<Vec<u8>> {
        let (head, data) = match entry {
            Entry::Value { loaded, asked_at } => {
                (value_head(loaded, *asked_at)?, &*loaded.record.data)
            }
            Entry::Busy { since } => {
                (Head { busy_since: Some(since.as_microsecond()), ..Head::default() }, &[][..])
            }
            Entry::Ended => (Head { ended: Some(true), ..Head::default() }, &[][..]),
            Entry::Foreign => return None,
        };
        let mut bytes = vec![FORM];
        serde_json::to_writer(&mut bytes, &head).ok()?;
        bytes.push(b'\n');
        bytes.extend_from_slice(data);
        Some(bytes)
    }

    fn read(&self, record: &Record) -> Entry {
        read(&record.data, record.expires_at).unwrap_or(Entry::Foreign)
    }
}

fn value_head(loaded: &Loaded, asked_at: Timestamp) -> Option<Head> {
    let version = loaded.version.as_number();
    let told = version.is_some() || loaded.version.as_content() == Some(&*loaded.record.data);
    let user = loaded.record.user.as_deref().map(Into::into);
    let asked_at = Some(asked_at.as_microsecond());
    told.then(|| Head {
        version,
        asked_at,
        subject: loaded.record.subject,
        user,
        ..Head::default()
    })
}

/// What bytes of ours say of a session that ends then.
fn read(bytes: &[u8], expires_at: Timestamp) -> Option<Entry> {
    let rest = bytes.strip_prefix(&[FORM])?;
    let (head, data) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'\n')?)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    if head.ended.is_some() {
        return Some(Entry::Ended);
    }
    if let Some(since) = head.busy_since {
        return Some(Entry::Busy { since: instant(since) });
    }
    let data = RecordData::from(data.get(1..)?);
    let version = match head.version {
        Some(number) => Version::number(number),
        None => Version::content(data.clone()),
    };
    let user = head.user.map(Into::into);
    let record = Record { data, expires_at, subject: head.subject, user };
    Some(Entry::Value { loaded: Loaded { record, version }, asked_at: instant(head.asked_at?) })
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)
}

/// A pickle for Django, then the same for us: Python stops reading where the pickle ends.
///
/// ```text
/// pickle  native entry  length of it (4 bytes, little-endian)  "wayfarer"
/// ```
/// The pickle is the session, or `None`, which Django takes for a miss.
#[cfg(feature = "django")]
#[derive(Clone, Debug)]
pub struct DjangoEntries {
    table: crate::django::DjangoCodec,
    cache: crate::django::PickleCodec,
}

#[cfg(feature = "django")]
const MARK: &[u8] = b"wayfarer";

#[cfg(feature = "django")]
impl DjangoEntries {
    pub(super) fn new(table: crate::django::DjangoCodec) -> DjangoEntries {
        DjangoEntries { table, cache: crate::django::PickleCodec::new() }
    }
}

#[cfg(feature = "django")]
impl Entries for DjangoEntries {
    fn write(&self, entry: &Entry) -> Option<Vec<u8>> {
        const NONE: &[u8] = b"\x80\x05N.";
        let mut bytes = match entry {
            Entry::Value { loaded, .. } => {
                let text = std::str::from_utf8(&loaded.record.data).ok()?;
                self.cache.encode_data(&self.table.read(text).ok()?.0).ok()?
            }
            _ => NONE.to_vec(),
        };
        let ours = NativeEntries.write(entry)?;
        bytes.extend_from_slice(&ours);
        bytes.extend_from_slice(&u32::try_from(ours.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(MARK);
        Some(bytes)
    }

    fn read(&self, record: &Record) -> Entry {
        ours(&record.data).and_then(|ours| read(ours, record.expires_at)).unwrap_or(Entry::Foreign)
    }
}

#[cfg(feature = "django")]
fn ours(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_suffix(MARK)?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let from = rest.len().checked_sub(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    rest.get(from..)
}
