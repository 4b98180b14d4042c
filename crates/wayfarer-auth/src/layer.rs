//! The layer that puts a users backend beside every request, and the extractor that picks it up.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, request::Parts};
use tower_layer::Layer;
use tower_service::Service;
use wayfarer_session::Session;

use crate::{auth::Auth, hash::Hashing, user::UsersBackend};

/// Puts a users backend beside every request, for [`Auth`]. It goes inside the session layer. It does no work of its own:
/// a request that asks for no user costs no look-up.
pub struct AuthLayer<B>(Backend<B>);

impl<B: UsersBackend> AuthLayer<B> {
    /// A layer that gives `backend` to [`Auth`].
    #[must_use]
    pub fn new(backend: B) -> AuthLayer<B> {
        AuthLayer(Backend { users: Arc::new(backend), hashing: Arc::new(Hashing::Native) })
    }

    /// The same layer, for users that Django knows too: who logged in there is logged in here, and the reverse.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(mut self, users: crate::DjangoUsers) -> AuthLayer<B> {
        self.0.hashing = Arc::new(Hashing::Django(users));
        self
    }
}

impl<B> Clone for AuthLayer<B> {
    fn clone(&self) -> AuthLayer<B> {
        AuthLayer(self.0.clone())
    }
}

impl<B> fmt::Debug for AuthLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthLayer")
    }
}

impl<S, B: UsersBackend> Layer<S> for AuthLayer<B> {
    type Service = AuthService<S, B>;

    fn layer(&self, inner: S) -> AuthService<S, B> {
        AuthService { inner, backend: self.0.clone() }
    }
}

/// What [`AuthLayer`] makes of a service.
pub struct AuthService<S, B> {
    inner: S,
    backend: Backend<B>,
}

impl<S: Clone, B> Clone for AuthService<S, B> {
    fn clone(&self) -> AuthService<S, B> {
        AuthService { inner: self.inner.clone(), backend: self.backend.clone() }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for AuthService<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, Body> Service<Request<Body>> for AuthService<S, B>
where
    S: Service<Request<Body>>,
    B: UsersBackend,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        request.extensions_mut().insert(self.backend.clone());
        self.inner.call(request)
    }
}

/// What lies in the request's extensions.
struct Backend<B> {
    users: Arc<B>,
    hashing: Arc<Hashing>,
}

impl<B> Clone for Backend<B> {
    fn clone(&self) -> Backend<B> {
        Backend { users: Arc::clone(&self.users), hashing: Arc::clone(&self.hashing) }
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
        Ok(Auth::new(session, backend.users).with_hashing(backend.hashing))
    }
}
