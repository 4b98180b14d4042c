//! The session of a request.

use std::{any::Any, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::Error,
    expiry::Expiry,
    journal::Journal,
    key::{Handle, Subject},
    signal::{Signal, SignalBus, SignalKind},
};

/// A session. A cheap handle: all clones of it share one state.
#[derive(Clone, Debug)]
pub struct Session(Arc<()>);

impl Session {
    /// The value under `key`, or `None`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        todo!("{key}")
    }

    /// Sets the value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value cannot be written as JSON.
    pub async fn insert<T: Serialize>(&self, key: &str, value: T) -> Result<(), Error> {
        let _ = value;
        todo!("{key}")
    }

    /// Removes the value under `key`, and says whether there was one.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        todo!("{key}")
    }

    /// Removes and gives the value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the value is not a `T`; it then stays.
    pub async fn pop<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        todo!("{key}")
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn contains(&self, key: &str) -> Result<bool, Error> {
        todo!("{key}")
    }

    /// The keys that have a value, in order.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn keys(&self) -> Result<Vec<String>, Error> {
        todo!()
    }

    /// Whether there is neither a stored session nor a value.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        todo!()
    }

    /// Removes every value. The session itself stays.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn clear(&self) -> Result<(), Error> {
        todo!()
    }

    /// Ends the session: data, key and subject. Takes effect at once, whatever the response will be.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn flush(&self) -> Result<(), Error> {
        todo!()
    }

    /// Gives the session a new key when it is saved; data and subject stay. The old key is then dead, without grace.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn cycle_key(&self) -> Result<(), Error> {
        todo!()
    }

    /// Sets when this session runs out.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn set_expiry(&self, expiry: Expiry) -> Result<(), Error> {
        todo!("{expiry:?}")
    }

    /// Changes the value under `key`, atomically against other requests, and gives the new one. `f` sees the value as it is
    /// in the store, and may run several times. The change is stored when this returns, whatever the response will be.
    ///
    /// # Errors
    /// When the store cannot be reached, the value is not a `T`, the session is gone, or others keep changing it.
    pub async fn modify<T, F>(&self, key: &str, f: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T + Send,
    {
        let _ = f;
        todo!("{key}")
    }

    /// Saves now instead of at the end of the request.
    ///
    /// # Errors
    /// When the store cannot be reached, the session is gone, or others keep changing it.
    pub async fn save(&self) -> Result<(), Error> {
        todo!()
    }

    /// The session's internal id, from its verified cookie or an early ticket. Never calls the store.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        todo!()
    }

    /// The session's public name.
    #[must_use]
    pub fn handle(&self) -> Option<Handle> {
        todo!()
    }

    /// Puts something into the session's slot for its type, for this request only.
    pub fn put_extension<T: Any + Clone + Send + Sync>(&self, value: T) {
        let _ = value;
        todo!()
    }

    /// What lies in the slot for this type.
    #[must_use]
    pub fn extension<T: Any + Clone + Send + Sync>(&self) -> Option<T> {
        todo!()
    }

    /// What the session did in this request, so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        todo!()
    }

    /// The bus that this session's signals go to.
    #[must_use]
    pub fn signals(&self) -> &SignalBus {
        todo!()
    }

    /// A signal of this session: with its subject, its handle, the time and the request's context.
    #[must_use]
    pub fn signal(&self, kind: SignalKind) -> Signal {
        todo!("{kind}")
    }
}
