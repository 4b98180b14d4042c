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
use http::{Extensions, HeaderMap, Request, StatusCode, Uri, header, request::Parts};
use tower_layer::Layer;
use tower_service::Service;
use wayfarer_session::Session;

use crate::{
    auth::Auth,
    policy::{AnonymousData, HandOver, Policy, SessionLimit},
    user::UsersBackend,
};

/// Puts a users backend beside every request, for [`Auth`] and everything built on it. It goes inside the session layer and
/// outside of the routes. It does no work of its own: a request that asks for no user costs no look-up.
pub struct AuthLayer<B: UsersBackend> {
    users: Arc<B>,
    policy: Arc<Policy<B::User>>,
}

impl<B: UsersBackend> AuthLayer<B> {
    /// A layer that gives `backend` to [`Auth`].
    #[must_use]
    pub fn new(backend: B) -> AuthLayer<B> {
        AuthLayer { users: Arc::new(backend), policy: Arc::default() }
    }

    /// Asks `hook` to hand over what an anonymous visitor had to the user who logs in.
    #[must_use]
    pub fn hand_over(self, hook: impl HandOver<B::User>) -> AuthLayer<B> {
        self.with(|policy| policy.hand_over = Some(Arc::new(hook)))
    }

    /// What becomes of the data of an anonymous session at a log-in. The default is that they stay.
    #[must_use]
    pub fn anonymous_data(self, data: AnonymousData) -> AuthLayer<B> {
        self.with(|policy| policy.anonymous = data)
    }

    /// Limits how many sessions a user may have at once. The store must list sessions by user; with one that cannot, every
    /// log-in fails.
    #[must_use]
    pub fn session_limit(self, limit: SessionLimit) -> AuthLayer<B> {
        self.with(|policy| policy.limit = Some(limit))
    }

    /// Log-in and log-out on this session, as this layer is set up: for use outside of a request.
    #[must_use]
    pub fn auth(&self, session: Session) -> Auth<B> {
        let AuthLayer { users, policy } = self.clone();
        Auth { session, backend: users, policy, user_agent: None }
    }

    /// The backend that users come from.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.users
    }

    fn with(mut self, change: impl FnOnce(&mut Policy<B::User>)) -> AuthLayer<B> {
        change(Arc::make_mut(&mut self.policy));
        self
    }

    /// The same layer, for users that Django knows too: who logged in there is logged in here, and the reverse.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(self, users: crate::DjangoUsers) -> AuthLayer<B> {
        self.with(|policy| policy.hashing = crate::hash::Hashing::Django(users))
    }
}

impl<B: UsersBackend> Clone for AuthLayer<B> {
    fn clone(&self) -> AuthLayer<B> {
        AuthLayer { users: Arc::clone(&self.users), policy: Arc::clone(&self.policy) }
    }
}

impl<B: UsersBackend> fmt::Debug for AuthLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthLayer")
    }
}

impl<S, B: UsersBackend> Layer<S> for AuthLayer<B> {
    type Service = AuthService<S, B>;

    fn layer(&self, inner: S) -> AuthService<S, B> {
        AuthService { inner, layer: self.clone() }
    }
}

/// What [`AuthLayer`] makes of a service.
pub struct AuthService<S, B: UsersBackend> {
    inner: S,
    layer: AuthLayer<B>,
}

impl<S: Clone, B: UsersBackend> Clone for AuthService<S, B> {
    fn clone(&self) -> AuthService<S, B> {
        AuthService { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, B: UsersBackend> fmt::Debug for AuthService<S, B> {
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
        let around = Around { layer: self.layer.clone(), uri: request.uri().clone() };
        request.extensions_mut().insert(around);
        self.inner.call(request)
    }
}

/// What lies in the request's extensions.
struct Around<B: UsersBackend> {
    layer: AuthLayer<B>,
    /// As it came: routers that are nested see only the rest of it.
    uri: Uri,
}

impl<B: UsersBackend> Clone for Around<B> {
    fn clone(&self) -> Around<B> {
        Around { layer: self.layer.clone(), uri: self.uri.clone() }
    }
}

/// Where a request went to, before nested routers took their part off.
pub(crate) fn original<B: UsersBackend>(request: &Request<impl Sized>) -> &Uri {
    let around = request.extensions().get::<Around<B>>();
    around.map_or(request.uri(), |around| &around.uri)
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

impl<B: UsersBackend> Auth<B> {
    /// Log-in and log-out on the session of a request.
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap) -> Result<Auth<B>, MissingAuth> {
        let session = extensions.get::<Session>().cloned().ok_or(MissingAuth)?;
        let layer = &extensions.get::<Around<B>>().ok_or(MissingAuth)?.layer;
        let user_agent = headers.get(header::USER_AGENT).and_then(|text| text.to_str().ok());
        Ok(Auth { user_agent: user_agent.map(Box::from), ..layer.auth(session) })
    }
}

impl<B: UsersBackend, S: Send + Sync> FromRequestParts<S> for Auth<B> {
    type Rejection = MissingAuth;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Auth<B>, MissingAuth> {
        Auth::of(&parts.extensions, &parts.headers)
    }
}
