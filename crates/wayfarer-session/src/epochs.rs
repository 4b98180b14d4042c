//! Epochs: the instants before which the sessions of a user, or one session, are over.
//!
//! They are the one thing that a server can say of sessions which lie in their cookies. Where they are kept is an [`Epochs`]:
//! [`MemoryEpochs`] here, others beside the stores.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    error::BoxError,
    history::Whose,
    key::{Handle, Subject},
};

/// Whose session is asked about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CookieOwner<'a> {
    /// The account noted by a log-in.
    pub user: Option<&'a str>,
    /// The session's internal id.
    pub subject: Subject,
}

impl<'a> CookieOwner<'a> {
    /// The session of this subject, and its account.
    #[must_use]
    pub fn new(user: Option<&'a str>, subject: Subject) -> CookieOwner<'a> {
        CookieOwner { user, subject }
    }
}

/// Where it is kept which sessions are over.
///
/// It is asked whenever a session is loaded from a cookie or saved into one, so keep the answer near. Who forgets what was
/// noted lets old cookies in again: a store of epochs outlives the process.
#[async_trait]
pub trait Epochs: fmt::Debug + Send + Sync + 'static {
    /// The instant before which the sessions of this user, or this session, are over; the later one where there are both.
    /// A session counts by when it got its key: at its beginning, at a log-in, at a renewal.
    ///
    /// # Errors
    /// When it cannot be said. The session is then not to be had, rather than perhaps wrongly let in.
    async fn not_before(&self, whose: CookieOwner<'_>) -> Result<Option<Timestamp>, BoxError>;

    /// Notes that the sessions of `whose` that got their key before `instant` are over, for good. An instant before the one
    /// that is noted changes nothing. From `forget_at` on nobody needs to know: all of them have run out.
    ///
    /// # Errors
    /// When it cannot be noted. Those sessions may then still be live.
    async fn end_before(
        &self,
        whose: &Whose,
        instant: Timestamp,
        forget_at: Timestamp,
    ) -> Result<(), BoxError>;

    /// Forgets at most `limit` epochs that nobody needs to know at `now`, and says how many it forgot. Call it again while
    /// it answers `limit`.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, BoxError>;
}

/// Keeps epochs in memory. Clones share them.
///
/// A restart forgets them and lets in again whoever kept a cookie: for tests, and where that is no harm.
#[derive(Clone, Default)]
pub struct MemoryEpochs(Arc<Mutex<HashMap<Owner, Epoch>>>);

/// Who an epoch is of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Owner {
    User(String),
    Session(Handle),
}

#[derive(Clone, Copy)]
struct Epoch {
    instant: Timestamp,
    forget_at: Timestamp,
}

impl Owner {
    fn of(whose: &Whose) -> Owner {
        match whose {
            Whose::User(user) => Owner::User(user.clone()),
            Whose::Session(subject) => Owner::Session(Handle::of(subject)),
            Whose::Handle(handle) => Owner::Session(handle.clone()),
        }
    }
}

impl MemoryEpochs {
    /// Epochs that nothing is noted in yet.
    #[must_use]
    pub fn new() -> MemoryEpochs {
        MemoryEpochs::default()
    }

    fn epochs(&self) -> MutexGuard<'_, HashMap<Owner, Epoch>> {
        // Every change under this lock leaves whole epochs behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many epochs there are.
impl fmt::Debug for MemoryEpochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryEpochs({})", self.epochs().len())
    }
}

#[async_trait]
impl Epochs for MemoryEpochs {
    async fn not_before(&self, whose: CookieOwner<'_>) -> Result<Option<Timestamp>, BoxError> {
        let user = whose.user.map(|user| Owner::User(user.to_owned()));
        let session = Owner::Session(Handle::of(&whose.subject));
        let epochs = self.epochs();
        let noted = user.iter().chain([&session]).filter_map(|owner| epochs.get(owner));
        Ok(noted.map(|epoch| epoch.instant).max())
    }

    async fn end_before(
        &self,
        whose: &Whose,
        instant: Timestamp,
        forget_at: Timestamp,
    ) -> Result<(), BoxError> {
        let mut epochs = self.epochs();
        let epoch = epochs.entry(Owner::of(whose)).or_insert(Epoch { instant, forget_at });
        epoch.instant = epoch.instant.max(instant);
        epoch.forget_at = epoch.forget_at.max(forget_at);
        Ok(())
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, BoxError> {
        let mut epochs = self.epochs();
        let due = epochs.iter().filter(|(_, epoch)| epoch.forget_at <= now);
        let due: Vec<Owner> = due.take(limit as usize).map(|(owner, _)| owner.clone()).collect();
        for owner in &due {
            epochs.remove(owner);
        }
        Ok(u32::try_from(due.len()).unwrap_or(u32::MAX))
    }
}
