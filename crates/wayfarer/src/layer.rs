//! The session layer.

use std::{sync::Arc, time::Duration};

use wayfarer_session::{Clock, CookieKeys, Error, SessionStore, SignalBus};

/// Gives every request its session, and saves it once, after the handler and before the response head goes out.
#[derive(Clone, Debug)]
pub struct SessionLayer(());

impl SessionLayer {
    /// A layer over `store`.
    pub fn builder(store: impl SessionStore) -> SessionLayerBuilder {
        let _ = store;
        todo!()
    }
}

/// Sets up a [`SessionLayer`].
#[derive(Debug)]
pub struct SessionLayerBuilder(());

impl SessionLayerBuilder {
    /// Signs cookies with these keys. Required.
    #[must_use]
    pub fn cookie_keys(self, keys: CookieKeys) -> Self {
        let _ = keys;
        self
    }

    /// Sends signals over this bus.
    #[must_use]
    pub fn signals(self, bus: SignalBus) -> Self {
        let _ = bus;
        self
    }

    /// Tells the time by this clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        let _ = clock;
        self
    }

    /// Calls the cookie so, without its `__Host-` prefix. The default is `wayfarer`.
    #[must_use]
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        let _ = name.into();
        self
    }

    /// How long a session lives after it was last used. The default is two weeks.
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        let _ = idle;
        self
    }

    /// For development: requests to a loopback host get the cookie without `Secure` and `__Host-`.
    #[must_use]
    pub fn development(self) -> Self {
        self
    }

    /// Gives a cookie at the first response, without a store call, so that a visitor has a subject from the first page
    /// on. A row is made only when something is written.
    #[must_use]
    pub fn early_subject(self, early: bool) -> Self {
        let _ = early;
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When something is missing or does not fit together. The text says what to change.
    pub fn build(self) -> Result<SessionLayer, Error> {
        todo!()
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
}

impl<S> tower_layer::Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner }
    }
}

impl<S, ReqBody, ResBody> tower_service::Service<http::Request<ReqBody>> for SessionService<S>
where
    S: tower_service::Service<http::Request<ReqBody>, Response = http::Response<ResBody>>,
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

    fn call(&mut self, request: http::Request<ReqBody>) -> S::Future {
        self.inner.call(request)
    }
}
