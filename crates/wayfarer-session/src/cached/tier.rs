//! The fast store as a memory: what it remembers, changed only upon what was seen, and never a reason to fail.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    CacheCounts,
    entry::{Entries, Entry},
};
use crate::{
    key::StoreKey,
    store::{Created, Loaded, Record, Saved, SessionStore, StoreError, Version},
};

/// So long a mark is kept at the least: longer than anything that was begun before it can last.
const MARK_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// So often somebody else may come between before a mark is given up.
const ATTEMPTS: u32 = 16;

#[derive(Debug)]
pub(super) struct Tier<Fast, Form> {
    pub(super) fast: Fast,
    pub(super) form: Form,
    pub(super) counters: Arc<Counters>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    troubles: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            troubles: self.troubles.load(Ordering::Relaxed),
        }
    }
}

/// What lay under a key when somebody looked.
pub(super) enum Seen {
    /// The fast store did not answer.
    Trouble,
    Nothing,
    There {
        entry: Entry,
        version: Version,
        until: Timestamp,
    },
}

/// A mark that says who is busy.
pub(super) struct Mark {
    /// `None`: there is no mark, since the fast store did not take one.
    version: Option<Version>,
    /// How long what lay there before would have been kept.
    until: Timestamp,
}

impl<Fast: SessionStore, Form: Entries> Tier<Fast, Form> {
    pub(super) async fn look(&self, key: &StoreKey, now: Timestamp) -> Seen {
        match self.told(self.fast.load(key, now).await) {
            None => Seen::Trouble,
            Some(None) => Seen::Nothing,
            Some(Some(Loaded { record, version })) => {
                Seen::There { entry: self.form.read(&record), version, until: record.expires_at }
            }
        }
    }

    /// Remembers `entry` if what was seen is still so. Says under which version.
    pub(super) async fn put(
        &self,
        key: &StoreKey,
        seen: &Seen,
        (entry, until): (&Entry, Timestamp),
        now: Timestamp,
    ) -> Option<Version> {
        let data = self.form.write(entry)?;
        if self.fast.capabilities().max_bytes.is_some_and(|most| data.len() > most) {
            return None;
        }
        let record = Record { data: data.into(), expires_at: until, subject: None, user: None };
        match seen {
            Seen::Trouble => None,
            Seen::Nothing => match self.told(self.fast.create(key, &record, now).await)? {
                Created::Stored(version) => Some(version),
                Created::Taken => None,
            },
            Seen::There { version, .. } => {
                match self.told(self.fast.save(key, &record, version, now).await)? {
                    Saved::Stored(version) => Some(version),
                    Saved::Conflict | Saved::Gone => None,
                }
            }
        }
    }

    /// Marks that somebody is busy with a session, whatever is remembered of it.
    pub(super) async fn mark(&self, key: &StoreKey, now: Timestamp) -> Mark {
        let busy = Entry::Busy { since: now };
        let mut until = later(now, MARK_LIFE);
        for _ in 0..ATTEMPTS {
            let seen = self.look(key, now).await;
            match &seen {
                Seen::Trouble => break,
                Seen::There { until: its, .. } => until = until.max(*its),
                Seen::Nothing => {}
            }
            if let Some(version) = self.put(key, &seen, (&busy, until), now).await {
                return Mark { version: Some(version), until };
            }
        }
        Mark { version: None, until }
    }

    /// Remembers what came of it. If somebody else was there meanwhile, nobody knows who was last: the durable store does.
    pub(super) async fn settle(&self, key: &StoreKey, mark: Mark, entry: Entry, now: Timestamp) {
        let until = match &entry {
            Entry::Value { loaded, .. } => loaded.record.expires_at,
            _ => mark.until,
        };
        if let Some(version) = mark.version {
            let seen = Seen::There { entry: Entry::Foreign, version, until };
            if self.put(key, &seen, (&entry, until), now).await.is_some() {
                return;
            }
        }
        self.doubt(key, now).await;
    }

    /// Sends the next look to the durable store, whatever is remembered. Somebody who is busy will not settle.
    pub(super) async fn doubt(&self, key: &StoreKey, now: Timestamp) {
        for _ in 0..ATTEMPTS {
            let seen = self.look(key, now).await;
            let Seen::There { entry, until, .. } = &seen else { return };
            let since = match entry {
                Entry::Busy { since } => *since,
                _ => Timestamp::MIN,
            };
            let until = later(now, MARK_LIFE).max(*until);
            if self.put(key, &seen, (&Entry::Busy { since }, until), now).await.is_some() {
                return;
            }
        }
        // Everybody who came between doubts as well, or looked after us.
    }

    /// Moves the end of what is remembered, if that has the end that was moved: a newer one stays.
    pub(super) async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) {
        let _ = self.told(self.fast.touch(key, from, until, now).await);
    }

    pub(super) async fn purge(&self, limit: u32, now: Timestamp) {
        if self.fast.capabilities().purge {
            let _ = self.told(self.fast.purge(limit, now).await);
        }
    }

    fn told<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        answer
            .inspect_err(|error| {
                self.counters.troubles.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the session cache is in trouble, the durable store goes on alone");
            })
            .ok()
    }
}

pub(super) fn later(now: Timestamp, step: SignedDuration) -> Timestamp {
    crate::expiry::later(now, step)
}
