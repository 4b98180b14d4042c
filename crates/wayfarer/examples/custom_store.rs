//! A store of one's own: every method of [`SessionStore`], over a map and a lock.
//!
//! What makes it right is not the map but the contract: a create never overwrites, a save never creates, a deleted key stays
//! dead. `wayfarer_session::conformance::run` tries all of that; run it in a test of your store.
//!
//! `cargo run -p wayfarer --example custom_store`

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wayfarer::{
    async_trait,
    session::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, StoreKey, Touched, Version, jiff::Timestamp,
    },
};

/// Sessions in a map of this process.
#[derive(Clone, Default)]
pub(crate) struct MapStore(Arc<Mutex<BTreeMap<StoreKey, Slot>>>);

/// What lies under a key: a session, or the mark of one that was ended.
struct Slot {
    record: Record,
    version: u64,
    ended: bool,
}

impl Slot {
    fn of(record: &Record) -> Slot {
        Slot { record: record.clone(), version: 1, ended: false }
    }

    fn is_live(&self, now: Timestamp) -> bool {
        !self.ended && self.record.expires_at > now
    }

    fn loaded(&self) -> Loaded {
        Loaded { record: self.record.clone(), version: Version::number(self.version) }
    }
}

impl MapStore {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<StoreKey, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MapStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MapStore({} slots)", self.slots().len())
    }
}

#[async_trait]
impl SessionStore for MapStore {
    fn capabilities(&self) -> Capabilities {
        let mut promised = Capabilities::none();
        promised.cas = true;
        promised.final_delete = true;
        promised.atomic_rotate = true;
        promised.purge = true;
        promised.enumerate = true;
        promised.scan = true;
        promised
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _: Timestamp,
    ) -> Result<Created, StoreError> {
        let mut slots = self.slots();
        if slots.contains_key(key) {
            return Ok(Created::Taken);
        }
        slots.insert(key.clone(), Slot::of(record));
        Ok(Created::Stored(Version::number(1)))
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        Ok(self.slots().get(key).filter(|slot| slot.is_live(now)).map(Slot::loaded))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(key).filter(|slot| slot.is_live(now)) else {
            return Ok(Saved::Gone);
        };
        if expected.as_number() != Some(slot.version) {
            return Ok(Saved::Conflict);
        }
        *slot = Slot { version: slot.version + 1, ..Slot::of(record) };
        Ok(Saved::Stored(Version::number(slot.version)))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(key).filter(|slot| slot.is_live(now)) else {
            return Ok(Touched::Gone);
        };
        if !slot.record.ends_at(from) {
            return Ok(Touched::Conflict);
        }
        slot.record.expires_at = expires_at;
        Ok(Touched::Moved)
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let mut slots = self.slots();
        let taken = slots.contains_key(rotation.to);
        let Some(old) = slots.get_mut(rotation.from).filter(|slot| slot.is_live(now)) else {
            return Ok(Rotated::Gone);
        };
        if rotation.expected.as_number() != Some(old.version) {
            return Ok(Rotated::Conflict);
        }
        if taken {
            return Ok(Rotated::Taken);
        }
        old.version += 1;
        match rotation.left {
            Some(left) => old.record = left.clone(),
            None => old.ended = true,
        }
        slots.insert(rotation.to.clone(), Slot::of(rotation.record));
        Ok(Rotated::Stored(Version::number(1)))
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(key).filter(|slot| slot.is_live(now)) else {
            return Ok(Met::Gone);
        };
        // The mark stays until the session would have run out, so that nobody brings it back.
        slot.ended = true;
        slot.record.data = [].into();
        Ok(Met::Live)
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let slots = self.slots();
        let of_user = slots
            .iter()
            .filter(|(_, slot)| slot.is_live(now) && slot.record.user.as_deref() == Some(user));
        let listed =
            |(key, slot): (&StoreKey, &Slot)| Listed { key: key.clone(), loaded: slot.loaded() };
        let mut sessions: Vec<Listed> = of_user.map(listed).collect();
        sessions.sort_by_key(|listed| std::cmp::Reverse(listed.loaded.record.expires_at));
        sessions.truncate(limit as usize);
        Ok(sessions)
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let after = from.map(|cursor| StoreKey::new(cursor.expose()));
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.slots();
        let looked: Vec<_> = slots.range((begin, Bound::Unbounded)).take(limit as usize).collect();
        let last = looked.last().map(|(key, _)| Cursor::new(key.expose()));
        let next = last.filter(|_| looked.len() == limit as usize);
        let live = looked.into_iter().filter(|(_, slot)| slot.is_live(now));
        let listed = live.map(|(key, slot)| Listed { key: key.clone(), loaded: slot.loaded() });
        Ok(Page { sessions: listed.collect(), next })
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let mut slots = self.slots();
        let ran_out = slots.iter().filter(|(_, slot)| slot.record.expires_at < now);
        let keys: Vec<_> = ran_out.map(|(key, _)| key.clone()).take(limit as usize).collect();
        for key in &keys {
            slots.remove(key);
        }
        Ok(u32::try_from(keys.len()).unwrap_or(u32::MAX))
    }
}

#[tokio::main]
async fn main() {
    let report = wayfarer_session::conformance::run(&MapStore::default()).await;
    report.assert_kept();
    println!("{report}");
}
