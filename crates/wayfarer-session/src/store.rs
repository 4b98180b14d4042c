//! The store trait: where sessions are kept, as records that a store does not look into.
//!
//! The contract stands beside each method of [`SessionStore`], outcomes are in the types, and the conformance suite
//! (feature `conformance`) checks a store against the contract. What a store cannot promise, its [`Capabilities`] say.
//!
//! Time is an argument of every method: a store reads no clock.

mod record;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::record::{Record, RecordData};
use crate::{error::BoxError, key::StoreKey};

/// Names one state of a stored session. A save succeeds only upon the state that it started from.
///
/// It may carry a hint of its store's. That is no part of the state: versions that differ in it alone are equal.
#[derive(Clone)]
pub struct Version {
    state: Token,
    hint: Option<RecordData>,
}

#[derive(Clone, PartialEq, Eq)]
enum Token {
    Number(u64),
    Content(RecordData),
}

impl Version {
    /// A version that the store counts.
    #[must_use]
    pub fn number(number: u64) -> Version {
        Version { state: Token::Number(number), hint: None }
    }

    /// A version that is the stored content itself, for tables that have no room for a number.
    #[must_use]
    pub fn content(content: impl Into<RecordData>) -> Version {
        Version { state: Token::Content(content.into()), hint: None }
    }

    /// The same version, with what its store likes to be told again beside the state, such as the bytes that lay under the key.
    /// A save upon a version that has lost its hint does the same, perhaps more slowly: [`CachedStore`](crate::CachedStore)
    /// remembers none.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<RecordData>) -> Version {
        Version { hint: Some(hint.into()), ..self }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self.state {
            Token::Number(number) => Some(number),
            Token::Content(_) => None,
        }
    }

    /// The content, if it is that.
    #[must_use]
    pub fn as_content(&self) -> Option<&[u8]> {
        match &self.state {
            Token::Number(_) => None,
            Token::Content(content) => Some(content),
        }
    }

    /// The hint, if it carries one.
    #[must_use]
    pub fn as_hint(&self) -> Option<&[u8]> {
        self.hint.as_deref()
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.state == other.state
    }
}

impl Eq for Version {}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Token::Number(number) => write!(f, "Version({number})"),
            Token::Content(_) => f.write_str("Version(content)"),
        }
    }
}

/// A live session, as a store has it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was stored.
    pub record: Record,
    /// The state that this is.
    pub version: Version,
}

/// A live session of a user, as a store lists it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What the store knows it as.
    pub key: StoreKey,
    /// What is stored, and its state.
    pub loaded: Loaded,
}

/// Live sessions, a page of them. See [`SessionStore::scan`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Sessions that were live when the page was made. There may be none although more pages follow.
    pub sessions: Vec<Listed>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
}

/// Where a page of [`SessionStore::scan`] begins: text that means something to its store alone.
///
/// It may be kept and used after a restart. In django mode it may be a key, so `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor that is this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Cursor {
        Cursor(text.into())
    }

    /// Its text. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(…)")
    }
}

/// One rotation, as a store is asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The key under which the session lives so far.
    pub from: &'a StoreKey,
    /// The key under which it goes on.
    pub to: &'a StoreKey,
    /// Its new state, which goes under `to`.
    pub record: &'a Record,
    /// What stays under `from`, live until its own `expires_at`. `None`: `from` is afterwards as dead as after a delete.
    pub left: Option<&'a Record>,
    /// The state of `from` that this starts from.
    pub expected: &'a Version,
}

/// What came of [`SessionStore::create`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// It is stored.
    Stored(Version),
    /// The key is in use, or was: by a live session, an expired one, or one that was deleted. Nothing was changed.
    Taken,
}

/// What came of [`SessionStore::save`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// It is stored, and this is its state now.
    Stored(Version),
    /// Somebody else stored another state meanwhile. Nothing was changed: load again and merge.
    Conflict,
    /// The session was deleted, rotated away or ran out. Nothing was changed, and it stays gone.
    Gone,
}

/// What came of [`SessionStore::touch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// It lives until the new end.
    Moved,
    /// It lives, but until another end than the caller saw: somebody else has moved it. Nothing was changed.
    Conflict,
    /// There was no live session. Nothing was changed.
    Gone,
}

/// What came of [`SessionStore::rotate`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Rotated {
    /// It lies under the new key, and the old one holds what was to be left there.
    Stored(Version),
    /// Somebody else stored another state meanwhile. Nothing was changed: load again and merge.
    Conflict,
    /// The session was deleted, rotated away or ran out. Nothing was changed, and it stays gone.
    Gone,
    /// The new key is in use. Nothing was changed: draw another.
    Taken,
}

/// What came of a call that either met a live session or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Met {
    /// There was a live session, and the call did its work on it.
    Live,
    /// There was none. Nothing was changed.
    Gone,
}

/// What a store promises. Everything else it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// A save upon an old version is refused, whoever wrote meanwhile.
    pub cas: bool,
    /// A deleted key stays dead: until the session would have run out, `create` answers [`Created::Taken`] for it.
    pub final_delete: bool,
    /// Rotation is one step: nobody ever sees the session under both keys or under none. A store without this writes the
    /// new key first, and takes it away again where the old one turns out to have changed.
    pub atomic_rotate: bool,
    /// Expired sessions lie there until they are purged. A store without this forgets them by itself.
    pub purge: bool,
    /// Subject and user of a record are kept, so that sessions can be listed by them.
    pub enumerate: bool,
    /// All live sessions can be walked over.
    pub scan: bool,
    /// Sessions survive a restart of the application.
    pub durable: bool,
    /// How exactly `expires_at` is kept, in microseconds. 1 is exact.
    pub expiry_precision_us: u64,
    /// A record may have this many bytes of data. `None`: only memory limits it.
    pub max_bytes: Option<usize>,
}

impl Capabilities {
    /// A store that promises nothing. Set the fields that hold.
    #[must_use]
    pub const fn none() -> Capabilities {
        Capabilities {
            cas: false,
            final_delete: false,
            atomic_rotate: false,
            purge: false,
            enumerate: false,
            scan: false,
            durable: false,
            expiry_precision_us: 1,
            max_bytes: None,
        }
    }
}

/// Why a store could not do what it was asked: what kind of trouble, during which call, and the source.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed: {source}")]
pub struct StoreError {
    kind: StoreErrorKind,
    call: &'static str,
    source: BoxError,
}

/// What kind of trouble a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It cannot be reached, is too busy, or refused the call. Trying again later may help.
    Unavailable,
    /// What lies there is not what this store writes. It is left as it is.
    Unreadable,
    /// The record is larger than the store takes.
    TooLarge,
}

impl StoreError {
    /// Trouble of this kind during `call`.
    #[must_use]
    pub fn new(
        kind: StoreErrorKind,
        call: &'static str,
        source: impl Into<BoxError>,
    ) -> StoreError {
        StoreError { kind, call, source: source.into() }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

/// Where sessions are kept.
///
/// A session is **live** under a key from its creation until its `expires_at` (that instant excluded), or until it is
/// deleted or rotated away. Every method is atomic against every other, except where the capabilities say otherwise.
/// Dropping a method's future may leave its work done or not done, but never half done.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// What this store promises. The answer never changes.
    fn capabilities(&self) -> Capabilities;

    /// Stores a new session. Never overwrites anything: a key in use answers [`Created::Taken`].
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError>;

    /// The live session under `key`. Changes nothing.
    ///
    /// # Errors
    /// When the store is in trouble, or what lies there is not a record of this store's.
    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError>;

    /// Stores a new state of a live session, if `expected` is still its state. Never creates a session.
    ///
    /// A store without `cas` may answer [`Saved::Stored`] upon an old version, but still never creates a session.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError>;

    /// Lets a live session whose end is still `from` live until `expires_at`, and leaves its version as it is: a touch makes
    /// no save fail. With another end it stays as it is and the answer is [`Touched::Conflict`], so that no touch undoes an
    /// end that somebody else has set.
    ///
    /// `from` is the end as a load gave it, or as it was given to be stored; what the store's precision does not tell apart
    /// is the same end. A store that cannot compare and change in one step compares first.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError>;

    /// Moves a live session from one key to another, if `expected` is still its state. `to` must be free. What lies under
    /// `from` afterwards is a new state: a save upon `expected` fails.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError>;

    /// Ends a session for good. [`Met::Gone`] if there was no live one.
    ///
    /// # Errors
    /// When the store is in trouble. The session may then still be live.
    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError>;

    /// The live sessions of a user, those that run out last first, at most `limit` of them. A store without `enumerate`
    /// lists none.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn list(&self, user: &str, limit: u32, now: Timestamp)
    -> Result<Vec<Listed>, StoreError>;

    /// Live sessions in the store's own order, a page at a time: from the start, then from each page's `next`. A session
    /// that lives, and keeps its key, from before the first page until after the last is met at least once. A page has about
    /// `limit` sessions. A store without `scan` answers one empty page.
    ///
    /// # Errors
    /// When the store is in trouble, or `from` is no cursor of this store's.
    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError>;

    /// Forgets at most `limit` sessions that ran out before `now`, and says how many it forgot. Call it again while it
    /// answers `limit`. A store that forgets by itself answers 0.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError>;
}

/// A shared store is a store.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        (**self).create(key, record, now).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        (**self).load(key, now).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        (**self).save(key, record, expected, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        (**self).touch(key, from, expires_at, now).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        (**self).rotate(rotation, now).await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        (**self).delete(key, now).await
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        (**self).list(user, limit, now).await
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        (**self).scan(from, limit, now).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        (**self).purge(limit, now).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_no_part_of_the_state_and_is_not_shown() {
        let counted = Version::number(7).with_hint(*b"secret");
        assert_eq!(counted, Version::number(7));
        assert_ne!(counted, Version::number(8).with_hint(*b"secret"));
        assert_eq!((counted.as_number(), counted.as_content()), (Some(7), None));
        assert_eq!(counted.as_hint(), Some(&b"secret"[..]));
        assert_eq!(format!("{counted:?}"), "Version(7)");
        let told = Version::content(*b"state").with_hint(*b"secret");
        assert_eq!(told, Version::content(*b"state"));
        assert_ne!(told, counted);
        assert_eq!((told.as_number(), told.as_content()), (None, Some(&b"state"[..])));
        assert_eq!(format!("{told:?}"), "Version(content)");
    }
}
