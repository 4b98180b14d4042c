//! History: what happened to sessions, so that "why was I logged out?" has an answer after the session is gone.
//!
//! Every signal of a session or an account becomes a [`HistoryEntry`], from [`Chronicler`]. Where entries are kept is a
//! [`SessionHistory`]: [`MemoryHistory`] here, others beside the stores.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    device::device,
    error::BoxError,
    key::{Handle, Subject},
    signal::{Signal, SignalKind, SignalReceiver},
    store::StoreError,
};

/// Something that happened to a session or an account.
///
/// It holds no key and no address, and of the browser its family alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: SignalKind,
    /// The session it happened to.
    pub subject: Option<Subject>,
    /// The account, where one is known.
    pub user: Option<String>,
    /// Why, or by whom, where that was said: the detail `reason` of the signal.
    pub reason: Option<String>,
    /// Browser and system of the request in which it happened, such as "Firefox on Linux".
    pub device: Option<String>,
}

/// A text of an entry has this many characters at most.
const MOST_CHARS: usize = 200;

impl HistoryEntry {
    /// Something of which nothing else is known.
    #[must_use]
    pub fn new(kind: SignalKind, at: Timestamp) -> HistoryEntry {
        HistoryEntry { at, kind, subject: None, user: None, reason: None, device: None }
    }

    /// The public name of the session it happened to.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        self.subject.as_ref().map(Handle::of)
    }

    /// What a signal tells. `None` if it names neither a session nor an account, so that nobody could ask for it.
    #[must_use]
    pub fn of(signal: &Signal) -> Option<HistoryEntry> {
        if signal.subject.is_none() && signal.user.is_none() {
            return None;
        }
        let agent = signal.context.as_ref().and_then(|context| context.user_agent.as_deref());
        let reason = signal.detail.get("reason").and_then(serde_json::Value::as_str);
        Some(HistoryEntry {
            subject: signal.subject,
            user: signal.user.as_deref().map(short),
            reason: reason.map(short),
            device: agent.and_then(device),
            ..HistoryEntry::new(signal.kind.clone(), signal.at)
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

/// Whose history is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the session of this subject.
    Session(Subject),
    /// That of the session of this name, which may be long gone.
    Handle(Handle),
    /// That of this account: of all its sessions, while it was logged in.
    User(String),
}

impl Whose {
    /// The name of the session that is meant, if it is one session.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Whose::Session(subject) => Some(Handle::of(subject)),
            Whose::Handle(handle) => Some(handle.clone()),
            Whose::User(_) => None,
        }
    }
}

/// The entry that tells why somebody is not logged in any more: of `entries`, the newest first, the last end of a session.
/// `None` if none of them tells of an end.
///
/// A log-out is told of before the session is flushed; it says more, and so it stands for both.
#[must_use]
pub fn last_end(entries: &[HistoryEntry]) -> Option<&HistoryEntry> {
    let is_end = |entry: &&HistoryEntry| {
        use SignalKind::{Expired, Flushed, LoggedOut, Revoked};
        matches!(entry.kind, Expired | Flushed | LoggedOut | Revoked)
    };
    let mut ends = entries.iter().filter(is_end);
    let last = ends.next()?;
    let same = |entry: &&HistoryEntry| {
        entry.kind == SignalKind::LoggedOut && entry.subject == last.subject
    };
    Some(ends.next().filter(|_| last.kind == SignalKind::Flushed).filter(same).unwrap_or(last))
}

/// Where history is kept. Appending never blocks a session: a history in trouble is logged and left behind.
#[async_trait]
pub trait SessionHistory: fmt::Debug + Send + Sync + 'static {
    /// Adds an entry.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn append(&self, entry: &HistoryEntry) -> Result<(), StoreError>;

    /// The entries of a session or an account, the newest first, at most `limit` of them.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn read(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Forgets at most `limit` entries from before `before`, the oldest first, and says how many it forgot. Call it again
    /// while it answers `limit`.
    ///
    /// # Errors
    /// When the store is in trouble.
    async fn purge(&self, limit: u32, before: Timestamp) -> Result<u32, StoreError>;
}

/// A shared history is a history.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<H: SessionHistory + ?Sized> SessionHistory for Arc<H> {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), StoreError> {
        (**self).append(entry).await
    }

    async fn read(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        (**self).read(whose, limit).await
    }

    async fn purge(&self, limit: u32, before: Timestamp) -> Result<u32, StoreError> {
        (**self).purge(limit, before).await
    }
}

/// Writes signals into a history.
#[derive(Debug)]
pub(crate) struct Chronicler(pub(crate) Arc<dyn SessionHistory>);

#[async_trait]
impl SignalReceiver for Chronicler {
    async fn receive(&self, signal: &Signal) -> Result<(), BoxError> {
        match HistoryEntry::of(signal) {
            Some(entry) => Ok(self.0.append(&entry).await?),
            None => Ok(()),
        }
    }
}

/// Keeps the last entries in memory. Clones share them.
#[derive(Clone)]
pub struct MemoryHistory {
    entries: Arc<Mutex<VecDeque<HistoryEntry>>>,
    most: usize,
}

impl MemoryHistory {
    /// A history of the last `most` entries; older ones are forgotten.
    #[must_use]
    pub fn new(most: usize) -> MemoryHistory {
        MemoryHistory { entries: Arc::default(), most: most.max(1) }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<HistoryEntry>> {
        // Every change under this lock leaves whole entries behind.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many entries there are.
impl fmt::Debug for MemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryHistory({} of {})", self.entries().len(), self.most)
    }
}

#[async_trait]
impl SessionHistory for MemoryHistory {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), StoreError> {
        let mut entries = self.entries();
        if entries.len() == self.most {
            entries.pop_front();
        }
        // Clocks differ a little; entries lie in the order of their times.
        let place = entries.partition_point(|known| known.at <= entry.at);
        entries.insert(place, entry.clone());
        Ok(())
    }

    async fn read(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        let wanted = |entry: &&HistoryEntry| match whose {
            Whose::Session(subject) => entry.subject == Some(*subject),
            Whose::Handle(handle) => entry.handle().as_ref() == Some(handle),
            Whose::User(user) => entry.user.as_ref() == Some(user),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.entries().iter().rev().filter(wanted).take(limit).cloned().collect())
    }

    async fn purge(&self, limit: u32, before: Timestamp) -> Result<u32, StoreError> {
        let mut entries = self.entries();
        let old = entries.partition_point(|entry| entry.at < before);
        let forgotten = old.min(usize::try_from(limit).unwrap_or(usize::MAX));
        entries.drain(..forgotten);
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}
