//! Sessions in SQLite.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{
    Capabilities, Created, Error, Loaded, Met, Record, Rotated, Saved, SessionStore, StoreError,
    StoreKey, Version,
};

/// How much a power cut may take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: every save is on the disk when it answers.
    #[default]
    Full,
    /// The last saves before a power cut. A crash of the application alone takes nothing back.
    Normal,
}

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How much a power cut may take back.
    pub durability: Durability,
}

/// Keeps sessions in a SQLite database. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore(());

impl SqliteStore {
    /// Opens the database at `path`, and creates it and its table where they are missing.
    ///
    /// # Errors
    /// When it cannot be opened, or its table was written by something newer.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, Error> {
        todo!("{path:?} {options:?}")
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        todo!()
    }
    async fn create(&self, _: &StoreKey, _: &Record, _: Timestamp) -> Result<Created, StoreError> {
        todo!()
    }
    async fn load(&self, _: &StoreKey, _: Timestamp) -> Result<Option<Loaded>, StoreError> {
        todo!()
    }
    async fn save(
        &self,
        _: &StoreKey,
        _: &Record,
        _: &Version,
        _: Timestamp,
    ) -> Result<Saved, StoreError> {
        todo!()
    }
    async fn touch(&self, _: &StoreKey, _: Timestamp, _: Timestamp) -> Result<Met, StoreError> {
        todo!()
    }
    async fn rotate(
        &self,
        _: &StoreKey,
        _: &StoreKey,
        _: &Record,
        _: &Version,
        _: Timestamp,
    ) -> Result<Rotated, StoreError> {
        todo!()
    }
    async fn delete(&self, _: &StoreKey, _: Timestamp) -> Result<Met, StoreError> {
        todo!()
    }
    async fn purge(&self, _: u32, _: Timestamp) -> Result<u32, StoreError> {
        todo!()
    }
}
