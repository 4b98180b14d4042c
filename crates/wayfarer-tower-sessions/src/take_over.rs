//! The hook that takes sessions of tower-sessions over: [`TakeOver`].
//!
//! A request that brings no key of Wayfarer and the cookie of an old session gets a new session with what the old one held.
//! Once that is saved, the old one is forgotten and its cookie taken away. A request that fails changes nothing of the old one.

use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use http::{header, request};
use serde_json::Value;
use tower_sessions_core::session::Id;
use wayfarer::{
    Answer, CookieChange, Exchange, Session, SessionHook,
    auth::{AuthLayer, UsersBackend},
    session::{BoxError, Brought},
};

use crate::{cookie::OldCookie, old::OldSessions};

/// Where axum-login notes the user.
pub(crate) const DATA_KEY: &str = "axum-login.data";

/// Takes sessions of tower-sessions over when their browsers come back. See the module's page.
///
/// A page that loads several things at once, at its very first visit after the move, may find the session in one of those
/// requests only: the others bring the old cookie to a session that is no longer there, and see an anonymous visitor. None of
/// them takes the new cookie away.
pub struct TakeOver {
    cookie: OldCookie,
    sessions: Arc<dyn OldSessions>,
    data_key: Arc<str>,
    users: Option<Arc<dyn Resume>>,
}

impl TakeOver {
    /// Takes over the sessions in `sessions` that `cookie` names.
    pub fn new(cookie: OldCookie, sessions: impl OldSessions) -> TakeOver {
        let sessions = Arc::new(sessions);
        TakeOver { cookie, sessions, data_key: DATA_KEY.into(), users: None }
    }

    /// Also takes over who is logged in by axum-login. The user must still be there, and
    /// [`AuthUser::auth_hash`](wayfarer::auth::AuthUser::auth_hash) must give what axum-login's `session_auth_hash` gave.
    #[must_use]
    pub fn users<B: UsersBackend>(mut self, auth: AuthLayer<B>) -> TakeOver {
        self.users = Some(Arc::new(auth));
        self
    }

    /// Where axum-login notes the user, if not under `axum-login.data`.
    #[must_use]
    pub fn data_key(mut self, key: &str) -> TakeOver {
        self.data_key = key.into();
        self
    }

    async fn take_over(&self, id: Id, session: &Session) -> Result<(), BoxError> {
        let Some(mut old) = self.sessions.load(&id).await? else { return Ok(()) };
        let user = user_of(&old.data, &self.data_key);
        old.data.remove(&*self.data_key);
        session.update(old.data).await?;
        if let (Some(user), Some(users)) = (user, &self.users) {
            users.resume(session, &user).await?;
        }
        session.put_extension(Taken(id));
        Ok(())
    }
}

impl fmt::Debug for TakeOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeOver")
            .field("cookie", &self.cookie)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

/// The old session that a request has taken over.
#[derive(Clone, Copy)]
struct Taken(Id);

#[async_trait]
impl SessionHook for TakeOver {
    async fn on_request(&self, request: &mut request::Parts, session: &Session) -> Option<Answer> {
        if session.journal().cookie != Brought::Nothing {
            return None;
        }
        let id = self.cookie.find(&request.headers)?;
        if let Err(error) = self.take_over(id, session).await {
            tracing::error!(%error, "a session of tower-sessions was not taken over");
        }
        None
    }

    async fn before_head(&self, exchange: &mut Exchange<'_>, key: &mut CookieChange) {
        let Some(Taken(id)) = exchange.session.extension::<Taken>() else { return };
        // Without a new key nothing was saved, and the old session is still needed.
        if !matches!(key, CookieChange::Set { .. }) {
            return;
        }
        if let Err(error) = self.sessions.forget(&id).await {
            tracing::error!(%error, "a session of tower-sessions was taken over and not forgotten");
        }
        if let Some(removal) = self.cookie.removal() {
            exchange.response.headers.append(header::SET_COOKIE, removal);
        }
    }
}

/// Who axum-login says is logged in.
pub(crate) struct OldUser {
    pub(crate) id: String,
    auth_hash: Vec<u8>,
}

/// Reads what axum-login notes: `{"user_id": …, "auth_hash": [bytes]}`.
pub(crate) fn user_of(data: &HashMap<String, Value>, data_key: &str) -> Option<OldUser> {
    let noted = data.get(data_key)?;
    let id = match noted.get("user_id")? {
        Value::Null => return None,
        Value::String(id) => id.clone(),
        other => other.to_string(),
    };
    let auth_hash = serde_json::from_value(noted.get("auth_hash")?.clone()).ok()?;
    Some(OldUser { id, auth_hash })
}

/// Logs a user in who was logged in before the move.
#[async_trait]
trait Resume: Send + Sync {
    async fn resume(&self, session: &Session, user: &OldUser) -> Result<(), BoxError>;
}

#[async_trait]
impl<B: UsersBackend> Resume for AuthLayer<B> {
    async fn resume(&self, session: &Session, user: &OldUser) -> Result<(), BoxError> {
        let resumed = self.auth(session.clone()).resume(&user.id, &user.auth_hash).await?;
        if !resumed {
            tracing::info!("a user of axum-login is gone or has other credentials");
        }
        Ok(())
    }
}
