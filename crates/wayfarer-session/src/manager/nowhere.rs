//! The store of sessions that lie in their cookies: there is none, and whoever asks it is told so.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    key::StoreKey,
    store::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, StoreErrorKind, Touched, Version,
    },
};

/// Promises nothing, and has nothing.
#[derive(Debug)]
pub(super) struct Nowhere;

fn none<T>(call: &'static str) -> Result<T, StoreError> {
    let why = "these sessions lie in their cookies, there is no store";
    Err(StoreError::new(StoreErrorKind::Unavailable, call, why))
}

#[async_trait]
impl SessionStore for Nowhere {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }
    async fn create(&self, _: &StoreKey, _: &Record, _: Timestamp) -> Result<Created, StoreError> {
        none("create")
    }
    async fn load(&self, _: &StoreKey, _: Timestamp) -> Result<Option<Loaded>, StoreError> {
        none("load")
    }
    async fn save(
        &self,
        _: &StoreKey,
        _: &Record,
        _: &Version,
        _: Timestamp,
    ) -> Result<Saved, StoreError> {
        none("save")
    }
    async fn touch(
        &self,
        _: &StoreKey,
        _: Timestamp,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Touched, StoreError> {
        none("touch")
    }
    async fn rotate(&self, _: &Rotation<'_>, _: Timestamp) -> Result<Rotated, StoreError> {
        none("rotate")
    }
    async fn delete(&self, _: &StoreKey, _: Timestamp) -> Result<Met, StoreError> {
        none("delete")
    }
    async fn list(&self, _: &str, _: u32, _: Timestamp) -> Result<Vec<Listed>, StoreError> {
        none("list")
    }
    async fn scan(&self, _: Option<&Cursor>, _: u32, _: Timestamp) -> Result<Page, StoreError> {
        none("scan")
    }
    /// There is nothing to forget.
    async fn purge(&self, _: u32, _: Timestamp) -> Result<u32, StoreError> {
        Ok(0)
    }
}
