//! Sessions in the memory of this process. They end with it.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    key::StoreKey,
    store::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, Touched, Version,
    },
};

/// Keeps sessions in memory. Clones share them.
///
/// Expired and deleted sessions lie there, without their data, until [`SessionStore::purge`] forgets them; run a purge
/// from time to time.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<HashMap<StoreKey, Slot>>>);

/// What lies under a key: a session, or the mark that there was one.
enum Slot {
    Session { record: Record, version: u64 },
    Dead { until: Timestamp },
}

impl Slot {
    fn new(record: &Record, version: u64) -> Slot {
        Slot::Session { record: record.clone(), version }
    }

    /// The session under `key`, if it is live and `wanted`.
    fn listed(
        &self,
        key: &StoreKey,
        now: Timestamp,
        wanted: impl Fn(&Record) -> bool,
    ) -> Option<Listed> {
        match self {
            Slot::Session { record, version } if record.expires_at > now && wanted(record) => {
                let version = Version::number(*version);
                Some(Listed {
                    key: key.clone(),
                    loaded: Loaded { record: record.clone(), version },
                })
            }
            Slot::Session { .. } | Slot::Dead { .. } => None,
        }
    }

    fn until(&self) -> Timestamp {
        match self {
            Slot::Session { record, .. } => record.expires_at,
            Slot::Dead { until } => *until,
        }
    }
}

impl MemoryStore {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<StoreKey, Slot>> {
        // Every change under this lock is one assignment, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many sessions there are, dead ones included.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("slots", &self.slots().len()).finish()
    }
}

/// The live session under `key`, to be looked at or replaced.
fn live<'a>(
    slots: &'a mut HashMap<StoreKey, Slot>,
    key: &StoreKey,
    now: Timestamp,
) -> Option<(&'a mut Record, &'a mut u64)> {
    match slots.get_mut(key) {
        Some(Slot::Session { record, version }) if record.expires_at > now => {
            Some((record, version))
        }
        _ => None,
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            cas: true,
            final_delete: true,
            atomic_rotate: true,
            purge: true,
            enumerate: true,
            scan: true,
            ..Capabilities::none()
        }
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        Ok(match self.slots().entry(key.clone()) {
            Entry::Occupied(_) => Created::Taken,
            Entry::Vacant(free) => {
                free.insert(Slot::new(record, 1));
                Created::Stored(Version::number(1))
            }
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        Ok(live(&mut self.slots(), key, now).map(|(record, version)| Loaded {
            record: record.clone(),
            version: Version::number(*version),
        }))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut slots = self.slots();
        let Some((stored, version)) = live(&mut slots, key, now) else { return Ok(Saved::Gone) };
        if expected.as_number() != Some(*version) {
            return Ok(Saved::Conflict);
        }
        *stored = record.clone();
        *version += 1;
        Ok(Saved::Stored(Version::number(*version)))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let mut slots = self.slots();
        let Some((record, _)) = live(&mut slots, key, now) else { return Ok(Touched::Gone) };
        if !record.ends_at(from) {
            return Ok(Touched::Conflict);
        }
        record.expires_at = expires_at;
        Ok(Touched::Moved)
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let mut slots = self.slots();
        let Some((_, version)) = live(&mut slots, from, now) else { return Ok(Rotated::Gone) };
        let version = *version;
        if expected.as_number() != Some(version) {
            return Ok(Rotated::Conflict);
        }
        if slots.contains_key(to) {
            return Ok(Rotated::Taken);
        }
        let dead = Slot::Dead { until: record.expires_at };
        slots.insert(to.clone(), Slot::new(record, version + 1));
        slots.insert(from.clone(), left.map_or(dead, |left| Slot::new(left, version + 1)));
        Ok(Rotated::Stored(Version::number(version + 1)))
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let mut slots = self.slots();
        let Some((record, _)) = live(&mut slots, key, now) else { return Ok(Met::Gone) };
        let until = record.expires_at;
        slots.insert(key.clone(), Slot::Dead { until });
        Ok(Met::Live)
    }

    /// Looks at every session: this is for development and tests.
    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let slots = self.slots();
        let theirs = |record: &Record| record.user.as_deref() == Some(user);
        let mut listed: Vec<_> =
            slots.iter().filter_map(|(key, slot)| slot.listed(key, now, theirs)).collect();
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.loaded.record.expires_at));
        listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(listed)
    }

    /// Sorts all keys for every page: this is for development and tests.
    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let slots = self.slots();
        let after = |key: &StoreKey| from.is_none_or(|from| key.expose() > from.expose());
        let mut sessions: Vec<_> = slots
            .iter()
            .filter(|(key, _)| after(key))
            .filter_map(|(key, slot)| slot.listed(key, now, |_| true))
            .collect();
        sessions.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        let last = sessions.last().filter(|_| more);
        let next = last.map(|last| Cursor::new(last.key.expose()));
        Ok(Page { sessions, next })
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let mut slots = self.slots();
        let mut forgotten = 0;
        slots.retain(|_, slot| {
            let forget = slot.until() <= now && forgotten < limit;
            forgotten += u32::from(forget);
            !forget
        });
        Ok(forgotten)
    }
}
