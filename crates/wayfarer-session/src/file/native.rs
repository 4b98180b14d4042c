//! What a file of [`FileStore`](super::FileStore) holds: a line of JSON about the session, then its record.
//!
//! ```text
//! 1{"version":3,"expires_at":1767225600000000,"subject":"…","user":"42"}
//! …
//! ```
//! The first byte is the version of the form. A session that ended leaves `1{"dead":true,"expires_at":…}`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    folder::{Content, Written},
    store::{Entry, Form},
};
use crate::{
    BoxError,
    key::Subject,
    store::{Capabilities, Loaded, Record, Version},
};

const FORM: u8 = b'1';

/// The files of native mode.
#[derive(Clone, Copy, Debug)]
pub struct NativeFiles;

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dead: bool,
    #[serde(default)]
    version: u64,
    /// Microseconds of UTC.
    expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
}

impl Head {
    fn expires_at(&self) -> Timestamp {
        let end = if self.expires_at < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_microsecond(self.expires_at).unwrap_or(end)
    }

    fn before(&self, data: &[u8]) -> Written {
        let mut bytes = vec![FORM];
        // Numbers and text: nothing that could not be written.
        drop(serde_json::to_writer(&mut bytes, self));
        bytes.push(b'\n');
        bytes.extend_from_slice(data);
        Written { bytes, modified: None }
    }
}

impl Form for NativeFiles {
    const SPREAD: bool = true;

    fn prefix(&self) -> &str {
        ""
    }

    fn promises(&self, capabilities: &mut Capabilities) {
        capabilities.final_delete = true;
        capabilities.enumerate = true;
    }

    fn read(&self, content: Content) -> Result<Entry, BoxError> {
        let rest = content.bytes.strip_prefix(&[FORM]).ok_or("it is not of form 1")?;
        let line = rest.iter().position(|byte| *byte == b'\n').ok_or("it is cut off")?;
        let (head, data) = rest.split_at_checked(line).ok_or("it is cut off")?;
        let head: Head = serde_json::from_slice(head)?;
        let expires_at = head.expires_at();
        if head.dead {
            return Ok(Entry::Dead { until: expires_at });
        }
        let record = Record {
            data: data.get(1..).unwrap_or_default().into(),
            expires_at,
            subject: head.subject,
            user: head.user.map(Into::into),
        };
        Ok(Entry::Session(Loaded { record, version: Version::number(head.version) }))
    }

    fn write(&self, record: &Record, version: &Version, _now: Timestamp) -> Written {
        let head = Head {
            dead: false,
            version: version.as_number().unwrap_or_default(),
            expires_at: record.expires_at.as_microsecond(),
            subject: record.subject,
            user: record.user.as_deref().map(Into::into),
        };
        head.before(&record.data)
    }

    fn dead(&self, until: Timestamp) -> Option<Written> {
        let expires_at = until.as_microsecond();
        let head = Head { dead: true, version: 0, expires_at, subject: None, user: None };
        Some(head.before(b""))
    }

    fn next(&self, last: Option<&Version>, _record: &Record) -> Version {
        Version::number(last.and_then(Version::as_number).unwrap_or_default() + 1)
    }
}
