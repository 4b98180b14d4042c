//! Guards: a layer around the pages that not everybody may see.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;
use wayfarer_session::BoxError;

use crate::{
    auth::Auth,
    current::NoUser,
    layer::{MissingAuth, original},
    next::Next,
    permission::PermissionsBackend,
    user::UsersBackend,
};

type Asking = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send>>;
type Test<B> = dyn Fn(Arc<B>, <B as UsersBackend>::User) -> Asking + Send + Sync;

/// Lets users through who are logged in, and who may. Goes inside the [`AuthLayer`](crate::AuthLayer).
///
/// Nobody logged in: a page is answered with a redirect to the log-in with `?next=`, if one was named; everything else, such
/// as a form that is posted, with 401. Somebody who may not: 403.
pub struct Guard<B: UsersBackend> {
    test: Option<Arc<Test<B>>>,
    login: Option<Arc<str>>,
}

impl<B: UsersBackend> Guard<B> {
    /// Lets everybody through who is logged in.
    #[must_use]
    pub fn logged_in() -> Guard<B> {
        Guard { test: None, login: None }
    }

    /// Lets users through of whom `test` says yes. An error lets nobody through.
    #[must_use]
    pub fn passes<F, Fut>(test: F) -> Guard<B>
    where
        F: Fn(Arc<B>, B::User) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, BoxError>> + Send + 'static,
    {
        let test = move |backend, user| -> Asking { Box::pin(test(backend, user)) };
        Guard { test: Some(Arc::new(test)), login: None }
    }

    /// Lets users through who have this permission.
    #[must_use]
    pub fn permitted(permission: B::Permission) -> Guard<B>
    where
        B: PermissionsBackend,
    {
        Guard::passes(move |backend: Arc<B>, user| {
            let permission = permission.clone();
            async move { backend.has_permission(&user, &permission).await }
        })
    }

    /// Sends people who are not logged in to this page of the site, such as `/login`.
    #[must_use]
    pub fn login_at(mut self, login: &str) -> Guard<B> {
        self.login = Some(login.into());
        self
    }

    /// The answer that keeps a request out, or `None` if it may go in. `back` is where to come back to after a log-in.
    async fn keeps_out(
        &self,
        auth: Result<Auth<B>, MissingAuth>,
        back: Option<Next>,
    ) -> Option<Response> {
        let auth = match auth {
            Ok(auth) => auth,
            Err(missing) => return Some(missing.into_response()),
        };
        let user = match auth.user().await {
            Ok(Some(user)) => user,
            Ok(None) => return Some(self.to_login(back)),
            Err(error) => return Some(error.into_response()),
        };
        let Some(test) = &self.test else { return None };
        match test(Arc::clone(&auth.backend), user).await {
            Ok(true) => None,
            Ok(false) => {
                Some((StatusCode::FORBIDDEN, "You may not see this page.\n").into_response())
            }
            Err(error) => Some(crate::AuthError::Backend(error).into_response()),
        }
    }

    fn to_login(&self, back: Option<Next>) -> Response {
        let (Some(login), Some(back)) = (&self.login, back) else {
            return NoUser::Anonymous.into_response();
        };
        let Ok(to) = HeaderValue::try_from(back.to_login(login)) else {
            return NoUser::Anonymous.into_response();
        };
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.headers_mut().insert(header::LOCATION, to);
        response
    }
}

impl<B: UsersBackend> Clone for Guard<B> {
    fn clone(&self) -> Guard<B> {
        Guard { test: self.test.clone(), login: self.login.clone() }
    }
}

impl<B: UsersBackend> fmt::Debug for Guard<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("login", &self.login).finish_non_exhaustive()
    }
}

impl<S, B: UsersBackend> Layer<S> for Guard<B> {
    type Service = Guarded<S, B>;

    fn layer(&self, inner: S) -> Guarded<S, B> {
        Guarded { inner, guard: self.clone() }
    }
}

/// What a [`Guard`] makes of a service.
pub struct Guarded<S, B: UsersBackend> {
    inner: S,
    guard: Guard<B>,
}

impl<S: Clone, B: UsersBackend> Clone for Guarded<S, B> {
    fn clone(&self) -> Guarded<S, B> {
        Guarded { inner: self.inner.clone(), guard: self.guard.clone() }
    }
}

impl<S: fmt::Debug, B: UsersBackend> fmt::Debug for Guarded<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, Body> Service<Request<Body>> for Guarded<S, B>
where
    S: Service<Request<Body>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    B: UsersBackend,
    Body: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was asked whether it is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let guard = self.guard.clone();
        let auth = Auth::of(request.extensions(), request.headers());
        let page = request.method().is_safe();
        let back = page.then(|| Next::of(original::<B>(&request))).flatten();
        Box::pin(async move {
            match guard.keeps_out(auth, back).await {
                Some(answer) => Ok(answer),
                None => inner.call(request).await,
            }
        })
    }
}
