//! tower-sessions' `SessionStore` over a store of Wayfarer: [`TowerStore`].
//!
//! A record is kept as the JSON text of its data, after the two bytes `T1`. It lies under a hash of its id.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tower_sessions_core::{
    ExpiredDeletion, SessionStore as TowerSessionStore,
    session::{Id, Record as TowerRecord},
    session_store::{Error, Result},
};
use wayfarer::{
    Clock, Subject, SystemClock,
    session::{
        Created, Loaded, Met, Record, Saved, SessionStore, StoreError, StoreErrorKind, StoreKey,
        jiff::Timestamp,
    },
};

use crate::take_over::user_of;

/// Begins every record, and is its version.
const VERSION: &[u8] = b"T1";

/// So often others may get in between before a save gives up, and so many ids may be taken before a create does.
const ROUNDS: u32 = 64;

/// Lets an application of tower-sessions 0.15 keep its sessions in a store of Wayfarer.
///
/// What comes through the trait of tower-sessions:
/// - ids lie in the store as hashes, so a stolen store opens no session;
/// - a save never makes a session: one that was deleted stays deleted, and the late request fails;
/// - an id that is taken is never overwritten;
/// - expired sessions are purged in batches, by index;
/// - a user's sessions can be listed and ended by `SessionManager`, where axum-login notes the user.
///
/// What does not, because a save there hands over all of a session and not what changed: parallel requests that set different
/// keys still overwrite each other, the last one wins. Rotation with grace, absolute limits, a touch without a save, `Vary` and
/// `no-store` are the layer's, and need Wayfarer's own.
#[derive(Clone)]
pub struct TowerStore {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    data_key: Arc<str>,
}

impl TowerStore {
    /// Keeps sessions in `store`.
    pub fn new(store: impl SessionStore) -> TowerStore {
        TowerStore {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            data_key: crate::take_over::DATA_KEY.into(),
        }
    }

    /// Tells the time by this clock instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> TowerStore {
        self.clock = clock;
        self
    }

    /// Where axum-login notes the user, if not under `axum-login.data`.
    #[must_use]
    pub fn data_key(mut self, key: &str) -> TowerStore {
        self.data_key = key.into();
        self
    }

    fn record(&self, record: &TowerRecord) -> Result<Record> {
        let mut data = VERSION.to_vec();
        serde_json::to_writer(&mut data, &record.data)
            .map_err(|error| Error::Encode(error.to_string()))?;
        Ok(Record {
            data: data.into(),
            expires_at: instant(record.expiry_date),
            subject: Some(subject(record.id)),
            user: user_of(&record.data, &self.data_key).map(|user| user.id.into()),
        })
    }

    async fn load_now(&self, key: &StoreKey) -> Result<Option<Loaded>> {
        self.store.load(key, self.clock.now()).await.map_err(|error| failed(&error))
    }
}

/// Shows the store, never an id.
impl fmt::Debug for TowerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TowerStore").field(&self.store).finish()
    }
}

#[async_trait]
impl TowerSessionStore for TowerStore {
    async fn create(&self, record: &mut TowerRecord) -> Result<()> {
        for _ in 0..ROUNDS {
            let (key, stored) = (store_key(record.id), self.record(record)?);
            let created = self.store.create(&key, &stored, self.clock.now()).await;
            match created.map_err(|error| failed(&error))? {
                Created::Stored(_) => return Ok(()),
                Created::Taken => record.id = Id::default(),
            }
        }
        Err(Error::Backend("every id that was drawn is taken".to_owned()))
    }

    async fn save(&self, record: &TowerRecord) -> Result<()> {
        let (key, stored) = (store_key(record.id), self.record(record)?);
        for _ in 0..ROUNDS {
            let Some(Loaded { version, .. }) = self.load_now(&key).await? else {
                return Err(gone());
            };
            let saved = self.store.save(&key, &stored, &version, self.clock.now()).await;
            match saved.map_err(|error| failed(&error))? {
                Saved::Stored(_) => return Ok(()),
                Saved::Conflict => {}
                Saved::Gone => return Err(gone()),
            }
        }
        Err(Error::Backend("other requests kept changing the session".to_owned()))
    }

    async fn load(&self, id: &Id) -> Result<Option<TowerRecord>> {
        let Some(loaded) = self.load_now(&store_key(*id)).await? else { return Ok(None) };
        let text = loaded.record.data.strip_prefix(VERSION);
        let text = text.ok_or_else(|| Error::Decode("not of version T1".to_owned()))?;
        let data: HashMap<String, Value> =
            serde_json::from_slice(text).map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(TowerRecord { id: *id, data, expiry_date: date(loaded.record.expires_at) }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let deleted = self.store.delete(&store_key(*id), self.clock.now()).await;
        // One that is gone already is deleted too.
        deleted.map(|_: Met| ()).map_err(|error| failed(&error))
    }
}

#[async_trait]
impl ExpiredDeletion for TowerStore {
    async fn delete_expired(&self) -> Result<()> {
        const BATCH: u32 = 500;
        while self.store.purge(BATCH, self.clock.now()).await.map_err(|error| failed(&error))?
            == BATCH
        {}
        Ok(())
    }
}

fn gone() -> Error {
    Error::Backend("the session ended while the request worked on it".to_owned())
}

fn failed(error: &StoreError) -> Error {
    match error.kind() {
        StoreErrorKind::Unreadable => Error::Decode(error.to_string()),
        _ => Error::Backend(error.to_string()),
    }
}

/// What the store knows a session as.
fn store_key(id: Id) -> StoreKey {
    let digest = digest(b"wayfarer tower-sessions id v1\0", id);
    StoreKey::new(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// A name for lists. It changes when the id is cycled, since the trait does not say what it was before.
fn subject(id: Id) -> Subject {
    let mut bytes = [0; 16];
    let digest = digest(b"wayfarer tower-sessions subject v1\0", id);
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Subject::from_bytes(bytes)
}

fn digest(label: &[u8], id: Id) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update(id.0.to_le_bytes()).finalize().into()
}

fn instant(date: OffsetDateTime) -> Timestamp {
    Timestamp::from_nanosecond(date.unix_timestamp_nanos()).unwrap_or(Timestamp::MAX)
}

fn date(instant: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(instant.as_nanosecond())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
