//! Where the sessions of tower-sessions lie: [`OldSessions`].

use std::fmt;

use async_trait::async_trait;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
};
use wayfarer::session::BoxError;

/// Sessions of tower-sessions, to be read once and then forgotten.
#[async_trait]
pub trait OldSessions: fmt::Debug + Send + Sync + 'static {
    /// The live session of this id.
    ///
    /// # Errors
    /// When they cannot be reached, or what lies there cannot be read.
    async fn load(&self, id: &Id) -> Result<Option<Record>, BoxError>;

    /// Forgets the session of this id, so that its old cookie opens nothing any more.
    ///
    /// # Errors
    /// When they cannot be reached.
    async fn forget(&self, id: &Id) -> Result<(), BoxError>;
}

/// Old sessions in a store of tower-sessions 0.15, such as that of Redis, or in a [`TowerStore`](crate::TowerStore).
#[derive(Clone, Debug)]
pub struct OldStore<S>(pub S);

#[async_trait]
impl<S: SessionStore> OldSessions for OldStore<S> {
    async fn load(&self, id: &Id) -> Result<Option<Record>, BoxError> {
        Ok(self.0.load(id).await?)
    }

    async fn forget(&self, id: &Id) -> Result<(), BoxError> {
        Ok(self.0.delete(id).await?)
    }
}
