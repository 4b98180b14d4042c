//! What a file of Django's `file` backend holds: the signed text of the session, and nothing else. It is named by the cookie
//! and the key.
//!
//! Its end is nowhere in it: a session lives for the project's cookie age after the file was written, or until the instant
//! that the session names. Django forgets a third case, a session that names a number of seconds, and lets it live for
//! ever; here it ends when it says. An empty file is what Django leaves for a moment when it draws a key: a session that
//! holds nothing.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    Durability, Files,
    folder::{Content, Written},
    store::{Entry, Form},
};
use crate::{
    BoxError,
    django::DjangoCodec,
    expiry::{self, Kept, later},
    store::{Capabilities, Loaded, Record, RecordData, StoreError, Version},
};

/// The settings of a Django project that its session files depend on, with Django's defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DjangoFileOptions {
    /// `SESSION_COOKIE_NAME`, by which files are named. The default is `sessionid`.
    pub cookie_name: String,
    /// `SESSION_COOKIE_AGE`. The default is two weeks. The idle time of the sessions must be the same.
    pub cookie_age: Duration,
    /// How much a power cut may take back. The default is nothing; Django itself syncs nothing.
    pub durability: Durability,
}

impl Default for DjangoFileOptions {
    fn default() -> DjangoFileOptions {
        DjangoFileOptions {
            cookie_name: "sessionid".to_owned(),
            cookie_age: Duration::from_secs(14 * 24 * 60 * 60),
            durability: Durability::Full,
        }
    }
}

/// The files of Django's `file` backend.
#[derive(Debug)]
pub struct DjangoFiles {
    codec: DjangoCodec,
    cookie_name: String,
    cookie_age: SignedDuration,
}

impl Files<DjangoFiles> {
    /// The sessions in this folder, the project's `SESSION_FILE_PATH`. `codec` is that of the session manager: a session may
    /// say in itself when it ends.
    ///
    /// Django takes no locks: what it writes at the same moment wins over what we write.
    ///
    /// # Errors
    /// When the folder cannot be made, or the cookie's name cannot begin the name of a file.
    pub fn open(
        folder: &Path,
        codec: &DjangoCodec,
        options: DjangoFileOptions,
    ) -> Result<Files<DjangoFiles>, StoreError> {
        let DjangoFileOptions { cookie_name, cookie_age, durability } = options;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !cookie_name.bytes().all(plain) || cookie_name.starts_with('.') {
            let why = "the cookie's name has characters that no file should be named by";
            return Err(super::trouble("open", why));
        }
        let cookie_age = SignedDuration::try_from(cookie_age).unwrap_or(SignedDuration::MAX);
        let form = DjangoFiles { codec: codec.clone(), cookie_name, cookie_age };
        Files::over(folder, durability, form)
    }
}

impl DjangoFiles {
    /// What a session says of its end. One that cannot be read says nothing.
    fn kept(&self, bytes: &[u8]) -> Kept {
        let text = std::str::from_utf8(bytes).ok();
        let read = text.and_then(|text| self.codec.read(text).ok());
        Kept::of(read.and_then(|(data, _)| data.get(expiry::ENTRY)).as_ref())
    }
}

impl Form for DjangoFiles {
    const SPREAD: bool = false;

    fn prefix(&self) -> &str {
        &self.cookie_name
    }

    fn promises(&self, _: &mut Capabilities) {}

    fn read(&self, content: Content) -> Result<Entry, BoxError> {
        let expires_at = self.kept(&content.bytes).date(self.cookie_age, content.modified);
        let data = RecordData::from(content.bytes);
        let version = Version::content(data.clone());
        let record = Record { data, expires_at, subject: None, user: None };
        Ok(Entry::Session(Loaded { record, version }))
    }

    /// The time of the file is such that the session ends when the record does; for one that is saved now, that is now.
    fn write(&self, record: &Record, _version: &Version, now: Timestamp) -> Written {
        let modified = match self.kept(&record.data) {
            Kept::At(_) => now,
            other => later(record.expires_at, -other.age(self.cookie_age, now)),
        };
        Written { bytes: record.data.to_vec(), modified: Some(modified) }
    }

    fn dead(&self, _until: Timestamp) -> Option<Written> {
        None
    }

    fn next(&self, _last: Option<&Version>, record: &Record) -> Version {
        Version::content(record.data.clone())
    }
}
