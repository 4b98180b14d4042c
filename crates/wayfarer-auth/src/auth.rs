//! Who is logged in, and the way in and out: [`Auth`].

use std::{fmt, sync::Arc};

use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use wayfarer_session::{BoxError, Error, Session, SignalKind};

use crate::{
    hash::{Hashing, Noted},
    user::{AuthUser, UsersBackend, blanked},
};

/// The names that Django uses.
const USER_ID: &str = "_auth_user_id";
const USER_HASH: &str = "_auth_user_hash";
const USER_BACKEND: &str = "_auth_user_backend";

/// Who is logged in, and the way in and out. An extractor of axum; `B` is the backend of the [`AuthLayer`](crate::AuthLayer).
pub struct Auth<B> {
    session: Session,
    backend: Arc<B>,
    hashing: Arc<Hashing>,
}

impl<B: UsersBackend> Auth<B> {
    /// Log-in and log-out on this session, for use outside of axum.
    #[must_use]
    pub fn new(session: Session, backend: Arc<B>) -> Auth<B> {
        Auth { session, backend, hashing: Arc::new(Hashing::Native) }
    }

    pub(crate) fn with_hashing(self, hashing: Arc<Hashing>) -> Auth<B> {
        Auth { hashing, ..self }
    }

    /// The same, for users that Django knows too: what is noted of them is what Django notes.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(self, users: crate::DjangoUsers) -> Auth<B> {
        self.with_hashing(Arc::new(Hashing::Django(users)))
    }

    /// The user that is logged in.
    ///
    /// A user who is gone, or whose credentials have changed since the log-in, is logged out here: the session is flushed.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the backend fails.
    pub async fn user(&self) -> Result<Option<B::User>, AuthError> {
        let Some(id) = self.session.get::<String>(USER_ID).await? else { return Ok(None) };
        if !self.is_of_our_backend().await? {
            return Ok(None);
        }
        let user = self.backend.get_user(&id).await.map_err(AuthError::Backend)?;
        let noted = match &user {
            Some(user) => self.noted(user).await?,
            None => Noted::Another,
        };
        match noted {
            Noted::Current => Ok(user),
            Noted::Fallback => {
                if let Some(user) = &user {
                    self.note_hash(user).await?;
                }
                Ok(user)
            }
            Noted::Another => {
                self.session.flush().await?;
                Ok(None)
            }
        }
    }

    /// Logs in with `credentials`: the user, or `None` if they are wrong.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the backend fails.
    pub async fn login(&self, credentials: &B::Credentials) -> Result<Option<B::User>, AuthError> {
        let user = self.backend.authenticate(credentials).await.map_err(AuthError::Backend)?;
        match &user {
            Some(user) => self.login_user(user).await?,
            None => self.tell_failure(credentials).await,
        }
        Ok(user)
    }

    /// Logs in a user who has been authenticated in some other way.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn login_user(&self, user: &B::User) -> Result<(), AuthError> {
        let known = self.session.get::<String>(USER_ID).await?;
        let stranger = match known {
            Some(id) => id != user.id() || self.noted(user).await? != Noted::Current,
            None => false,
        };
        if stranger {
            self.session.flush().await?;
        }
        self.session.insert(USER_ID, user.id()).await?;
        if let Some(path) = self.hashing.backend_path() {
            self.session.insert(USER_BACKEND, path).await?;
        }
        self.note_hash(user).await?;
        // Only now: the session has a subject at the latest when it holds something.
        let signal = self.session.signal(SignalKind::LoggedIn).with_user(user.id());
        self.session.signals().send(signal).await;
        Ok(())
    }

    /// Keeps this session logged in although the user's credentials have just changed. Every other session of the user is
    /// logged out at its next use. Django's `update_session_auth_hash`.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn credentials_changed(&self, user: &B::User) -> Result<(), AuthError> {
        self.note_hash(user).await
    }

    /// Logs out: the session is flushed, for everybody who has its key. Receivers hear of it first, while it still says who
    /// it was.
    ///
    /// # Errors
    /// When the session cannot be loaded or deleted. The user is then still logged in.
    pub async fn logout(&self) -> Result<(), AuthError> {
        let user = self.session.get::<String>(USER_ID).await?;
        let mut signal = self.session.signal(SignalKind::LoggedOut);
        signal.user = user;
        self.session.signals().send(signal).await;
        self.session.flush().await?;
        Ok(())
    }

    /// The session that it works on.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Notes the user's credentials as they are now, under a new key.
    async fn note_hash(&self, user: &B::User) -> Result<(), AuthError> {
        self.session.cycle_key().await?;
        self.session.insert(USER_HASH, self.hashing.hash(user)).await?;
        Ok(())
    }

    /// How what the session notes of the user's credentials stands to what they are.
    async fn noted(&self, user: &B::User) -> Result<Noted, AuthError> {
        let noted = self.session.get::<String>(USER_HASH).await?.unwrap_or_default();
        Ok(self.hashing.compare(user, &noted))
    }

    /// Whether the user logged in by the backend that we stand for: a project of Django may have others beside it.
    async fn is_of_our_backend(&self) -> Result<bool, AuthError> {
        let Some(path) = self.hashing.backend_path() else { return Ok(true) };
        Ok(self.session.get::<String>(USER_BACKEND).await?.as_deref() == Some(path))
    }

    async fn tell_failure(&self, credentials: &B::Credentials) {
        let mut signal = self.session.signal(SignalKind::LoginFailed);
        signal.detail = blanked(self.backend.describe(credentials));
        self.session.signals().send(signal).await;
    }
}

impl<B> fmt::Debug for Auth<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Why a log-in or log-out could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] Error),
    /// The users backend failed.
    #[error("the users backend failed: {0}")]
    Backend(#[source] BoxError),
}

/// A failure of the session or the backend is the server's: 500, with nothing of it in the answer.
impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "log-in or log-out failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
