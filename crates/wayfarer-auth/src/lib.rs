//! Log-in and log-out on Wayfarer sessions.
//!
//! Implement [`UsersBackend`], put an [`AuthLayer`] inside the session layer, and ask for [`Auth`] in a handler.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use serde_json::{Map, Value};
use wayfarer_session::{BoxError, Error, Session};

/// A user, as the session needs to know one.
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// Names the user for ever, such as a primary key.
    fn id(&self) -> String;

    /// Changes when the user's credentials change, such as the hash of the password. A session in which another one
    /// was noted is logged out.
    fn auth_hash(&self) -> Vec<u8>;
}

/// Where users come from.
#[async_trait]
pub trait UsersBackend: Send + Sync + 'static {
    /// A user.
    type User: AuthUser;
    /// What a user shows to log in.
    type Credentials: Send + Sync;

    /// The user that these credentials belong to, or `None` if they are wrong.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn authenticate(
        &self,
        credentials: &Self::Credentials,
    ) -> Result<Option<Self::User>, BoxError>;

    /// The user of this id, or `None` if there is none any more.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn get_user(&self, id: &str) -> Result<Option<Self::User>, BoxError>;

    /// What the signal of a failed log-in may say of the credentials. Values whose name sounds like a secret are blanked.
    fn describe(&self, credentials: &Self::Credentials) -> Map<String, Value> {
        let _ = credentials;
        Map::new()
    }
}

/// Who is logged in, and the way in and out. An extractor of axum.
pub struct Auth<B> {
    backend: Arc<B>,
    session: Session,
}

impl<B: UsersBackend> Auth<B> {
    /// The user that is logged in.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the backend fails.
    pub async fn user(&self) -> Result<Option<B::User>, AuthError> {
        let _ = &self.backend;
        todo!()
    }

    /// Logs in with `credentials`: the user, or `None` if they are wrong. The session gets a new key without grace; if
    /// another user was logged in, their session is flushed first.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the backend fails.
    pub async fn login(&self, credentials: &B::Credentials) -> Result<Option<B::User>, AuthError> {
        let _ = credentials;
        todo!()
    }

    /// Logs out, and flushes the session.
    ///
    /// # Errors
    /// When the session store cannot be reached.
    pub async fn logout(&self) -> Result<(), AuthError> {
        todo!()
    }

    /// The session it works on.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
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

/// Puts a users backend beside every request, for [`Auth`]. It goes inside the session layer.
#[derive(Debug)]
pub struct AuthLayer<B>(Arc<B>);

impl<B: UsersBackend> AuthLayer<B> {
    /// A layer that gives `backend` to [`Auth`].
    #[must_use]
    pub fn new(backend: B) -> AuthLayer<B> {
        AuthLayer(Arc::new(backend))
    }
}

impl<B> Clone for AuthLayer<B> {
    fn clone(&self) -> AuthLayer<B> {
        AuthLayer(Arc::clone(&self.0))
    }
}

/// What [`AuthLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct AuthService<S, B> {
    inner: S,
    backend: Arc<B>,
}

impl<S, B: UsersBackend> tower_layer::Layer<S> for AuthLayer<B> {
    type Service = AuthService<S, B>;

    fn layer(&self, inner: S) -> AuthService<S, B> {
        AuthService { inner, backend: Arc::clone(&self.0) }
    }
}

impl<S, B, Body> tower_service::Service<http::Request<Body>> for AuthService<S, B>
where
    S: tower_service::Service<http::Request<Body>>,
    B: UsersBackend,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> S::Future {
        request.extensions_mut().insert(Backend(Arc::clone(&self.backend)));
        self.inner.call(request)
    }
}

struct Backend<B>(Arc<B>);

impl<B> Clone for Backend<B> {
    fn clone(&self) -> Backend<B> {
        Backend(Arc::clone(&self.0))
    }
}

/// A layer is missing around a handler that asks for [`Auth`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this handler asks for Auth, but no SessionLayer with an AuthLayer inside it is around it")]
pub struct MissingAuth;

impl IntoResponse for MissingAuth {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<B: UsersBackend, S: Send + Sync> FromRequestParts<S> for Auth<B> {
    type Rejection = MissingAuth;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Auth<B>, MissingAuth> {
        let session = parts.extensions.get::<Session>().cloned().ok_or(MissingAuth)?;
        let backend = parts.extensions.get::<Backend<B>>().cloned().ok_or(MissingAuth)?;
        Ok(Auth { backend: backend.0, session })
    }
}
