//! The store over both: see the module above for the rules.

use std::{fmt, sync::atomic::Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{
    Cached,
    entry::{Entries, Entry},
    tier::Seen,
};
use crate::{
    key::StoreKey,
    store::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, Touched, Version,
    },
};

/// After this time whoever marked itself busy has died.
const BUSY: SignedDuration = SignedDuration::from_secs(10);

/// The next look asks the durable store and may remember its answer.
const UNKNOWN: Entry = Entry::Busy { since: Timestamp::MIN };

/// What a look at the fast store comes to.
enum Looked {
    /// It answers.
    Known(Option<Loaded>),
    /// The durable store is to be asked, and its answer not remembered.
    Ask,
    /// The durable store is to be asked, and its answer remembered.
    AskAndRemember,
}

impl<Fast, Durable, Form> Cached<Fast, Durable, Form> {
    fn judge(&self, seen: &Seen, now: Timestamp) -> Looked {
        let near = |at: Timestamp, limit: SignedDuration| now.duration_since(at).abs() < limit;
        match seen {
            Seen::There { entry: Entry::Value { loaded, asked_at }, .. }
                if near(*asked_at, self.trust) =>
            {
                Looked::Known(Some(loaded.clone()))
            }
            Seen::There { entry: Entry::Ended, .. } => Looked::Known(None),
            Seen::There { entry: Entry::Busy { since }, .. } if near(*since, BUSY) => Looked::Ask,
            Seen::Trouble => Looked::Ask,
            Seen::Nothing | Seen::There { .. } => Looked::AskAndRemember,
        }
    }
}

impl<Fast: SessionStore, Durable: SessionStore, Form: Entries> Cached<Fast, Durable, Form> {
    /// Remembers what the durable store answered, upon what was seen before it was asked. That there is nothing is
    /// remembered only where there had been something.
    async fn remember(&self, key: &StoreKey, seen: &Seen, found: Option<&Loaded>, now: Timestamp) {
        let (entry, until) = match (found, seen) {
            (Some(loaded), _) => {
                (Entry::Value { loaded: loaded.clone(), asked_at: now }, loaded.record.expires_at)
            }
            (None, Seen::There { entry: Entry::Value { .. }, until, .. }) => (Entry::Ended, *until),
            _ => return,
        };
        self.tier.put(key, seen, (&entry, until), now).await;
    }

    /// The end that the durable store has, where the fast one cannot tell it from `at`; otherwise `None`. What is gone stays
    /// for the touch to find.
    async fn exactly(
        &self,
        key: &StoreKey,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let precision = self.tier.fast.capabilities().expiry_precision_us;
        if precision <= self.durable.capabilities().expiry_precision_us {
            return Ok(Some(at));
        }
        let Some(found) = self.durable.load(key, now).await? else { return Ok(Some(at)) };
        let end = found.record.expires_at;
        let off = end.duration_since(at).abs().as_micros();
        Ok((off < i128::from(precision)).then_some(end))
    }

    /// A session that was just made under a key which nobody knew.
    async fn remember_new(&self, key: &StoreKey, loaded: Loaded, now: Timestamp) {
        let until = loaded.record.expires_at;
        let value = Entry::Value { loaded, asked_at: now };
        if self.tier.put(key, &Seen::Nothing, (&value, until), now).await.is_none() {
            // Somebody looked, or was busy, before us; or the key had been used, and is remembered as ended.
            self.tier.doubt(key, now).await;
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<Fast, Durable, Form> SessionStore for Cached<Fast, Durable, Form>
where
    Fast: SessionStore + fmt::Debug,
    Durable: SessionStore + fmt::Debug,
    Form: Entries,
{
    /// Those of the durable store; the end of a session is kept as exactly as the less exact of the two keeps it.
    fn capabilities(&self) -> Capabilities {
        let durable = self.durable.capabilities();
        let fast = self.tier.fast.capabilities();
        let expiry_precision_us = durable.expiry_precision_us.max(fast.expiry_precision_us);
        Capabilities { expiry_precision_us, ..durable }
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let created = self.durable.create(key, record, now).await?;
        if let Created::Stored(version) = &created {
            let loaded = Loaded { record: record.clone(), version: version.clone() };
            self.remember_new(key, loaded, now).await;
        }
        Ok(created)
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let counters = &self.tier.counters;
        let seen = self.tier.look(key, now).await;
        let looked = self.judge(&seen, now);
        if let Looked::Known(known) = looked {
            counters.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(known);
        }
        counters.misses.fetch_add(1, Ordering::Relaxed);
        let found = self.durable.load(key, now).await?;
        if matches!(looked, Looked::AskAndRemember) {
            self.remember(key, &seen, found.as_ref(), now).await;
        }
        Ok(found)
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mark = self.tier.mark(key, now).await;
        let saved = self.durable.save(key, record, expected, now).await?;
        let entry = match &saved {
            Saved::Stored(version) => {
                let loaded = Loaded { record: record.clone(), version: version.clone() };
                Entry::Value { loaded, asked_at: now }
            }
            Saved::Conflict => UNKNOWN,
            Saved::Gone => Entry::Ended,
        };
        self.tier.settle(key, mark, entry, now).await;
        Ok(saved)
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let Some(from) = self.exactly(key, from, now).await? else {
            self.tier.doubt(key, now).await;
            return Ok(Touched::Conflict);
        };
        let touched = self.durable.touch(key, from, expires_at, now).await?;
        match touched {
            Touched::Moved => self.tier.touch(key, from, expires_at, now).await,
            // What the caller saw may have been what is remembered.
            Touched::Conflict | Touched::Gone => self.tier.doubt(key, now).await,
        }
        Ok(touched)
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let mark = self.tier.mark(rotation.from, now).await;
        let rotated = self.durable.rotate(rotation, now).await?;
        let entry = match &rotated {
            Rotated::Stored(_) if rotation.left.is_none() => Entry::Ended,
            Rotated::Stored(_) | Rotated::Conflict | Rotated::Taken => UNKNOWN,
            Rotated::Gone => Entry::Ended,
        };
        self.tier.settle(rotation.from, mark, entry, now).await;
        if let Rotated::Stored(version) = &rotated {
            let loaded = Loaded { record: rotation.record.clone(), version: version.clone() };
            self.remember_new(rotation.to, loaded, now).await;
        }
        Ok(rotated)
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let mark = self.tier.mark(key, now).await;
        let met = self.durable.delete(key, now).await?;
        self.tier.settle(key, mark, Entry::Ended, now).await;
        Ok(met)
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        self.durable.list(user, limit, now).await
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.durable.scan(from, limit, now).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let forgotten = self.durable.purge(limit, now).await?;
        self.tier.purge(limit, now).await;
        Ok(forgotten)
    }
}
