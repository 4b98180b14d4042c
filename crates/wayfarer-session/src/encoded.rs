//! A serialiser of one's own: [`EncodedStore`] passes every record through a [`RecordCodec`] on its way into a store and out
//! of it: compressed, encrypted, or in another format.
//!
//! It goes between the session layer and any store, so a codec knows nothing of stores, and a store nothing of codecs.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    error::BoxError,
    key::StoreKey,
    store::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, StoreErrorKind, Touched, Version,
    },
};

/// Writes records in another form, and reads them again.
///
/// What it is given is the whole record: in native mode text that begins with its version, in django mode Django's. It must
/// give the same bytes back.
pub trait RecordCodec: fmt::Debug + Send + Sync + 'static {
    /// The record as the store keeps it.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is then stored.
    fn encode(&self, record: &[u8]) -> Result<Vec<u8>, BoxError>;

    /// The record as it was. What comes in may be anything, so bound what is made of it.
    ///
    /// # Errors
    /// When it is nothing that [`RecordCodec::encode`] wrote. It then stays as it is, and the load fails.
    fn decode(&self, stored: &[u8]) -> Result<Vec<u8>, BoxError>;
}

/// A store whose records go through a codec. It promises what the store beneath it promises.
#[derive(Clone, Debug)]
pub struct EncodedStore<S, C> {
    inner: S,
    codec: C,
}

impl<S: SessionStore, C: RecordCodec> EncodedStore<S, C> {
    /// Keeps records in `inner`, as `codec` writes them.
    pub fn new(inner: S, codec: C) -> EncodedStore<S, C> {
        EncodedStore { inner, codec }
    }

    fn encode(&self, record: &Record) -> Result<Record, StoreError> {
        let data = self.codec.encode(&record.data);
        // Nobody is helped by trying again, and nothing was stored.
        let data = data.map_err(|source| {
            StoreError::new(StoreErrorKind::Unavailable, "encode a record", source)
        })?;
        Ok(Record { data: data.into(), ..record.clone() })
    }

    fn decode(&self, loaded: Loaded) -> Result<Loaded, StoreError> {
        let data = self.codec.decode(&loaded.record.data);
        let data = data.map_err(|source| {
            StoreError::new(StoreErrorKind::Unreadable, "decode a record", source)
        })?;
        let record = Record { data: data.into(), ..loaded.record };
        Ok(Loaded { record, ..loaded })
    }

    fn decode_all(&self, listed: Vec<Listed>) -> Result<Vec<Listed>, StoreError> {
        let decoded = listed
            .into_iter()
            .map(|Listed { key, loaded }| self.decode(loaded).map(|loaded| Listed { key, loaded }));
        decoded.collect()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: SessionStore, C: RecordCodec> SessionStore for EncodedStore<S, C> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        self.inner.create(key, &self.encode(record)?, now).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let loaded = self.inner.load(key, now).await?;
        loaded.map(|loaded| self.decode(loaded)).transpose()
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        self.inner.save(key, &self.encode(record)?, expected, now).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        self.inner.touch(key, from, expires_at, now).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let record = self.encode(rotation.record)?;
        let left = rotation.left.map(|left| self.encode(left)).transpose()?;
        let encoded = Rotation { record: &record, left: left.as_ref(), ..*rotation };
        self.inner.rotate(&encoded, now).await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        self.inner.delete(key, now).await
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        self.decode_all(self.inner.list(user, limit, now).await?)
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let Page { sessions, next } = self.inner.scan(from, limit, now).await?;
        Ok(Page { sessions: self.decode_all(sessions)?, next })
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.inner.purge(limit, now).await
    }
}
