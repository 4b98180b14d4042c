//! Moving house: sessions from one store into another, under the keys that they have, so that nobody is logged out.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    error::{Error, ErrorKind},
    store::{Created, SessionStore},
};

/// How many sessions are read at once.
const BATCH: u32 = 500;

/// What came of [`copy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Copied {
    /// Sessions that are in the other store now.
    pub copied: u64,
    /// Sessions whose key the other store knew already: copied before, or ended there. They were left as they are.
    pub there: u64,
}

/// Copies every live session of one store into another. Nothing is overwritten, so it can be run again: once while the
/// application still writes into the old store, and once more, quickly, when it has changed over. Records are copied as they
/// are, so both stores must be of one kind: native, or of one of Django's.
///
/// # Errors
/// When `from` cannot walk over its sessions ([`ErrorKind::Unsupported`]), or one of the stores is in trouble. What was copied
/// until then stays copied.
pub async fn copy(
    from: &dyn SessionStore,
    to: &dyn SessionStore,
    now: Timestamp,
) -> Result<Copied, Error> {
    const DOING: &str = "copy sessions";
    if !from.capabilities().scan {
        return Err(Error::new(ErrorKind::Unsupported, DOING)
            .because("the store that they are in cannot tell its sessions"));
    }
    let mut copied = Copied::default();
    let mut cursor = None;
    loop {
        let page = from.scan(cursor.as_ref(), BATCH, now).await;
        let page = page.map_err(|error| Error::from_store(DOING, error))?;
        for session in page.sessions {
            let created = to.create(&session.key, &session.loaded.record, now).await;
            match created.map_err(|error| Error::from_store(DOING, error))? {
                Created::Stored(_) => copied.copied += 1,
                Created::Taken => copied.there += 1,
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(copied),
        }
    }
}
