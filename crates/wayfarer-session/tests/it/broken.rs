//! Every law fails where it should: each is tried on a store with one flaw.

use std::sync::Mutex;

use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, MemoryStore, Met, Page, Record, Rotated,
    Rotation, Saved, SessionStore, StoreError, StoreKey, Touched, Version, conformance,
};

type Timestamp = jiff::Timestamp;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    DataChange,
    EndIsOff,
    UserForgotten,
    EndedAreListed,
    LoadTakesKeys,
    CaseIsIgnored,
    CreateOverwrites,
    CreateRaces,
    SaveKeepsOldData,
    SaveIgnoresVersion,
    SaveRaces,
    SaveCreates,
    SaveRevivesDeleted,
    SaveRevivesExpired,
    DiesLate,
    DeleteIsVague,
    DeletedKeysAreFree,
    TouchMovesVersion,
    TouchRevives,
    TouchIgnoresEnd,
    RotationCopies,
    RotationIgnoresVersion,
    RotationRevives,
    RotationOverwrites,
    RotatedKeysAreFree,
    RotationLeavesNothing,
    RotationLeavesTheOld,
    RotationRaces,
    ScanMeetsTheDead,
    ScanStopsEarly,
    PurgeTakesAll,
    PurgeIgnoresLimit,
    LoadForgetsExpired,
    LongIsCut,
}

/// Which law finds which flaw.
const FOUND_BY: &[(Flaw, &str)] = &[
    (Flaw::DataChange, "a_created_session_loads_as_it_was"),
    (Flaw::EndIsOff, "a_created_session_loads_as_it_was"),
    (Flaw::UserForgotten, "subject_and_user_are_kept"),
    (Flaw::EndedAreListed, "a_users_live_sessions_are_listed"),
    (Flaw::LoadTakesKeys, "an_unknown_key_loads_nothing"),
    (Flaw::CaseIsIgnored, "keys_are_told_apart_by_case"),
    (Flaw::CreateOverwrites, "create_never_overwrites"),
    (Flaw::CreateRaces, "of_many_creates_one_wins"),
    (Flaw::SaveKeepsOldData, "a_save_replaces_and_moves_the_version"),
    (Flaw::SaveIgnoresVersion, "a_save_upon_an_old_version_conflicts"),
    (Flaw::SaveRaces, "of_many_saves_upon_one_version_one_wins"),
    (Flaw::SaveCreates, "a_save_never_creates"),
    (Flaw::SaveRevivesDeleted, "a_save_after_delete_is_gone"),
    (Flaw::SaveRevivesDeleted, "a_save_beside_a_delete_never_revives"),
    (Flaw::SaveRevivesExpired, "a_save_after_expiry_is_gone"),
    (Flaw::DiesLate, "a_session_dies_at_its_instant"),
    (Flaw::DeleteIsVague, "a_delete_ends_one_session_once"),
    (Flaw::DeletedKeysAreFree, "a_deleted_key_stays_taken"),
    (Flaw::TouchMovesVersion, "a_touch_moves_the_end_and_no_version"),
    (Flaw::TouchRevives, "a_touch_never_revives"),
    (Flaw::TouchIgnoresEnd, "a_touch_leaves_an_end_that_others_moved"),
    (Flaw::RotationCopies, "a_rotation_moves_the_session"),
    (Flaw::RotationIgnoresVersion, "a_rotation_upon_an_old_version_conflicts"),
    (Flaw::RotationRevives, "a_rotation_of_nothing_is_gone"),
    (Flaw::RotationOverwrites, "a_rotation_to_a_taken_key_changes_nothing"),
    (Flaw::RotatedKeysAreFree, "a_rotated_key_stays_taken"),
    (Flaw::RotationLeavesNothing, "a_rotation_leaves_what_it_is_told"),
    (Flaw::RotationLeavesTheOld, "a_rotation_leaves_what_it_is_told"),
    (Flaw::RotationRaces, "a_save_beside_a_rotation_is_not_lost"),
    (Flaw::ScanMeetsTheDead, "a_scan_meets_every_live_session"),
    (Flaw::ScanStopsEarly, "a_scan_meets_every_live_session"),
    (Flaw::PurgeTakesAll, "a_purge_forgets_what_ran_out_and_nothing_else"),
    (Flaw::PurgeIgnoresLimit, "a_purge_keeps_to_its_limit"),
    (Flaw::LoadForgetsExpired, "what_ran_out_lies_there_until_it_is_purged"),
    (Flaw::LongIsCut, "a_large_record_comes_back_whole"),
];

#[tokio::test]
async fn every_law_has_a_store_that_breaks_it() {
    for law in conformance::laws::ALL {
        let flaw = FOUND_BY.iter().find(|(_, name)| *name == law.name);
        assert!(flaw.is_some(), "no flaw is found by {}", law.name);
    }
    for (flaw, name) in FOUND_BY {
        let report = conformance::run(&Flawed::new(*flaw)).await;
        let found = report.broken().any(|(broken, _)| broken == *name);
        assert!(found, "{name} does not find {flaw:?}:\n{report}");
    }
}

/// A memory store with one flaw.
#[derive(Debug)]
struct Flawed {
    flaw: Flaw,
    sound: MemoryStore,
    /// Every key and record that was ever written, for flaws that ask what there was.
    written: Mutex<Vec<(StoreKey, Record)>>,
    rotated: Mutex<Vec<StoreKey>>,
}

const FOREVER: Timestamp = Timestamp::MAX;

impl Flawed {
    fn new(flaw: Flaw) -> Flawed {
        Flawed {
            flaw,
            sound: MemoryStore::new(),
            written: Mutex::default(),
            rotated: Mutex::default(),
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &StoreKey) -> StoreKey {
        let fold = self.is(Flaw::CaseIsIgnored);
        if fold { StoreKey::new(key.expose().to_lowercase()) } else { key.clone() }
    }

    fn bend(&self, record: &Record) -> Record {
        let mut record = record.clone();
        match self.flaw {
            Flaw::DataChange => record.data = [&record.data[..], b" "].concat().into(),
            Flaw::EndIsOff => record.expires_at += jiff::SignedDuration::from_micros(1),
            Flaw::UserForgotten => record.user = None,
            Flaw::LongIsCut => {
                record.data = record.data.get(..65_535).unwrap_or(&record.data).into();
            }
            _ => {}
        }
        record
    }

    fn note(&self, key: &StoreKey, record: &Record) {
        self.written.lock().unwrap().push((key.clone(), record.clone()));
    }

    /// Puts a record there by force, whatever was there.
    async fn force(&self, key: &StoreKey, record: &Record, now: Timestamp) -> Version {
        let sound = &self.sound;
        for _ in 0..2 {
            if let Created::Stored(version) = sound.create(key, record, now).await.unwrap() {
                return version;
            }
            let _ = sound.delete(key, now).await.unwrap();
            // A purge at the end of time frees every key: flawed stores are not picky.
            self.free(key, now).await;
        }
        panic!("the key could not be freed")
    }

    /// Frees one key and leaves the other sessions alone.
    async fn free(&self, key: &StoreKey, now: Timestamp) {
        let written = self.written.lock().unwrap().clone();
        let mut others = Vec::new();
        for (other, _) in written.iter().filter(|(other, _)| other != key) {
            if let Some(loaded) = self.sound.load(other, now).await.unwrap() {
                others.push((other.clone(), loaded.record));
            }
        }
        self.sound.purge(u32::MAX, FOREVER).await.unwrap();
        for (other, record) in others {
            let _ = self.sound.create(&other, &record, now).await.unwrap();
        }
    }

    fn was_written(&self, key: &StoreKey) -> bool {
        self.written.lock().unwrap().iter().any(|(known, _)| known == key)
    }
}

#[async_trait::async_trait]
impl SessionStore for Flawed {
    fn capabilities(&self) -> Capabilities {
        self.sound.capabilities()
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let (key, record) = (self.key(key), self.bend(record));
        if self.is(Flaw::CreateRaces) {
            let free = self.sound.load(&key, now).await?.is_none();
            tokio::task::yield_now().await;
            let version =
                if free { self.force(&key, &record, now).await } else { Version::number(0) };
            self.note(&key, &record);
            return Ok(if free { Created::Stored(version) } else { Created::Taken });
        }
        let dead = self.was_written(&key) && self.sound.load(&key, now).await?.is_none();
        let rotated = self.rotated.lock().unwrap().contains(&key);
        let forced = self.is(Flaw::CreateOverwrites)
            || (self.is(Flaw::DeletedKeysAreFree) && dead && !rotated)
            || (self.is(Flaw::RotatedKeysAreFree) && dead && rotated);
        self.note(&key, &record);
        if forced {
            return Ok(Created::Stored(self.force(&key, &record, now).await));
        }
        self.sound.create(&key, &record, now).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let key = self.key(key);
        if self.is(Flaw::LoadTakesKeys) {
            let expires_at = now;
            let dead = Record { data: [].into(), expires_at, subject: None, user: None };
            let _ = self.sound.create(&key, &dead, now).await?;
        }
        if self.is(Flaw::LoadForgetsExpired) && self.sound.load(&key, now).await?.is_none() {
            let _ = self.sound.delete(&key, Timestamp::UNIX_EPOCH).await?;
        }
        let late = self.is(Flaw::DiesLate);
        let now = if late { now - jiff::SignedDuration::from_micros(1) } else { now };
        self.sound.load(&key, now).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let (key, record) = (self.key(key), self.bend(record));
        let live = self.sound.load(&key, now).await?;
        let known = self.was_written(&key);
        let expired = known
            && live.is_none()
            && self.sound.load(&key, now - jiff::SignedDuration::from_hours(2)).await?.is_some();
        let forced = match self.flaw {
            Flaw::SaveCreates => !known,
            Flaw::SaveRevivesDeleted => known && live.is_none() && !expired,
            Flaw::SaveRevivesExpired => expired,
            Flaw::SaveIgnoresVersion => live.is_some(),
            Flaw::SaveRaces => {
                let current = live.as_ref().is_some_and(|live| live.version == *expected);
                tokio::task::yield_now().await;
                current
            }
            _ => false,
        };
        if forced {
            self.note(&key, &record);
            return Ok(Saved::Stored(self.force(&key, &record, now).await));
        }
        if self.is(Flaw::SaveKeepsOldData)
            && let Some(live) = live
        {
            return self.sound.save(&key, &live.record, expected, now).await;
        }
        self.sound.save(&key, &record, expected, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let key = self.key(key);
        let live = self.sound.load(&key, now).await?;
        match (self.flaw, live) {
            (Flaw::TouchMovesVersion, Some(live)) => {
                let record = Record { expires_at, ..live.record };
                let _ = self.sound.save(&key, &record, &live.version, now).await?;
                Ok(Touched::Moved)
            }
            (Flaw::TouchRevives, None) if self.was_written(&key) => {
                let record = Record { data: [].into(), expires_at, subject: None, user: None };
                self.force(&key, &record, now).await;
                Ok(Touched::Moved)
            }
            (Flaw::TouchIgnoresEnd, Some(live)) => {
                self.sound.touch(&key, live.record.expires_at, expires_at, now).await
            }
            _ => self.sound.touch(&key, from, expires_at, now).await,
        }
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let record = self.bend(record);
        let live = self.sound.load(from, now).await?;
        let forced = match self.flaw {
            Flaw::RotationCopies | Flaw::RotationIgnoresVersion => live.is_some(),
            Flaw::RotationRevives => live.is_none(),
            Flaw::RotationOverwrites => self.sound.load(to, now).await?.is_some(),
            Flaw::RotationLeavesTheOld => left.is_some(),
            Flaw::RotationRaces => {
                let current = live.as_ref().is_some_and(|live| live.version == *expected);
                tokio::task::yield_now().await;
                current
            }
            _ => false,
        };
        self.rotated.lock().unwrap().push(from.clone());
        self.note(to, &record);
        if forced {
            return Ok(Rotated::Stored(self.force(to, &record, now).await));
        }
        let left = left.filter(|_| !self.is(Flaw::RotationLeavesNothing));
        let rotation = Rotation { record: &record, left, ..*rotation };
        self.sound.rotate(&rotation, now).await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let met = self.sound.delete(&self.key(key), now).await?;
        Ok(if self.is(Flaw::DeleteIsVague) { Met::Live } else { met })
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let then = if self.is(Flaw::EndedAreListed) { Timestamp::MIN } else { now };
        self.sound.list(user, limit, then).await
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let then = if self.is(Flaw::ScanMeetsTheDead) { Timestamp::MIN } else { now };
        let mut page = self.sound.scan(from, limit, then).await?;
        page.next = page.next.filter(|_| !self.is(Flaw::ScanStopsEarly));
        Ok(page)
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        match self.flaw {
            Flaw::PurgeTakesAll => self.sound.purge(limit, FOREVER).await,
            Flaw::PurgeIgnoresLimit => self.sound.purge(u32::MAX, now).await,
            _ => self.sound.purge(limit, now).await,
        }
    }
}
