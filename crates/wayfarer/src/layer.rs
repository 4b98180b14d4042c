//! The session layer: set-up. What happens to a request stands in `service`.

use std::{sync::Arc, time::Duration};

use tower_layer::Layer;
use wayfarer_session::{
    Clock, CookieKeys, Error, Random, SessionHistory, SessionManager, SessionManagerBuilder,
    SessionStore, SignalBus, SystemClock,
};

#[cfg(feature = "cookies")]
use wayfarer_session::CookieSessions;
#[cfg(feature = "django")]
use wayfarer_session::django::DjangoForm;

#[cfg(feature = "django")]
use crate::cookie::DjangoCookie;
use crate::{
    cookie::{CookieTransport, SameSite},
    hook::SessionHook,
    service::SessionService,
    transport::KeyTransport,
};

/// Gives every request its session, and saves it once, after the handler and before the response head goes out.
///
/// It goes outside of every layer that uses the session: in axum, last in the chain of `layer` calls.
///
/// - A request that does not use its session costs no store call and no cookie check.
/// - A 5xx response saves nothing.
/// - If the session cannot be saved, the answer is 500. It still tells the client of a new key that was stored before.
/// - If the session ended while the request worked on it, the answer is 400, and the session stays ended.
/// - A response that goes on after its head (a stream, server-sent events) calls [`Session::save`](crate::Session::save)
///   itself for what it changes then.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    config: Arc<Config>,
}

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) manager: SessionManager,
    pub(crate) transport: Arc<dyn KeyTransport>,
    pub(crate) hooks: Box<[Arc<dyn SessionHook>]>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SessionLayer {
    /// A layer over `store`.
    pub fn builder(store: impl SessionStore) -> SessionLayerBuilder {
        SessionLayerBuilder::new(SessionManager::builder(store))
    }

    /// A layer over no store: sessions lie in their cookies. What that cannot do stands beside [`CookieSessions`].
    #[cfg(feature = "cookies")]
    #[must_use]
    pub fn in_cookies(cookies: CookieSessions) -> SessionLayerBuilder {
        SessionLayerBuilder::new(SessionManager::in_cookies(cookies))
    }

    /// What opens the sessions: for a purge, and for sessions outside of HTTP.
    #[must_use]
    pub fn manager(&self) -> &SessionManager {
        &self.config.manager
    }

    pub(crate) fn transport(&self) -> &dyn KeyTransport {
        &*self.config.transport
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService::new(inner, Arc::clone(&self.config))
    }
}

/// Sets up a [`SessionLayer`].
#[derive(Debug)]
pub struct SessionLayerBuilder {
    manager: SessionManagerBuilder,
    clock: Arc<dyn Clock>,
    cookie_name: String,
    same_site: SameSite,
    development: bool,
    transport: Option<Arc<dyn KeyTransport>>,
    hooks: Vec<Arc<dyn SessionHook>>,
    #[cfg(feature = "django")]
    django: Option<DjangoCookie>,
}

impl SessionLayerBuilder {
    fn new(manager: SessionManagerBuilder) -> SessionLayerBuilder {
        SessionLayerBuilder {
            manager,
            clock: Arc::new(SystemClock),
            cookie_name: "wayfarer".to_owned(),
            same_site: SameSite::Lax,
            development: false,
            transport: None,
            hooks: Vec::new(),
            #[cfg(feature = "django")]
            django: None,
        }
    }

    /// Shares sessions with a Django project: its values, under its key and salt, and its cookie. The store must keep Django's
    /// table. Of the settings here those that belong to the native cookie (its keys, name, `SameSite`, development) do not
    /// count then, and early subjects and an absolute limit are refused.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(mut self, form: impl Into<DjangoForm>, cookie: DjangoCookie) -> Self {
        self.manager = self.manager.django(form);
        self.django = Some(cookie);
        self
    }

    /// Whether a session of django mode keeps its subject, as the entry `_wayfarer_subject`. The default is that it does.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn subject_entry(mut self, keep: bool) -> Self {
        self.manager = self.manager.subject_entry(keep);
        self
    }

    /// Saves a session that holds something with every request that brings it, as Django's `SESSION_SAVE_EVERY_REQUEST`. The
    /// default is no: a touch from time to time does the same for less.
    #[must_use]
    pub fn save_every_request(mut self, every: bool) -> Self {
        self.manager = self.manager.save_every_request(every);
        self
    }

    /// Signs cookies with these keys. Required, save in django mode.
    #[must_use]
    pub fn cookie_keys(mut self, keys: CookieKeys) -> Self {
        self.manager = self.manager.cookie_keys(keys);
        self
    }

    /// Sends signals over this bus. Without it they go nowhere.
    #[must_use]
    pub fn signals(mut self, bus: SignalBus) -> Self {
        self.manager = self.manager.signals(bus);
        self
    }

    /// Writes what happens to sessions and accounts into `history`, and keeps it for `keep`. Of layers that share a bus one has
    /// the history.
    #[must_use]
    pub fn history(mut self, history: impl SessionHistory, keep: Duration) -> Self {
        self.manager = self.manager.history(history, keep);
        self
    }

    /// Tells the time by this clock instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.manager = self.manager.clock(Arc::clone(&clock));
        self.clock = clock;
        self
    }

    /// Draws keys from this source instead of the operating system's.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.manager = self.manager.random(random);
        self
    }

    /// Calls the cookie so, without its `__Host-` prefix. The default is `wayfarer`. Two applications on one host need two
    /// names.
    #[must_use]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// When the browser sends the cookie along with requests from other sites. The default is [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// How long a session lives after it was last used. The default is two weeks.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.manager = self.manager.idle(idle);
        self
    }

    /// How long a session lives at the most, however much it is used. Without it there is no limit.
    #[must_use]
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.manager = self.manager.absolute(absolute);
        self
    }

    /// A session that is only read is noted as used, and its cookie renewed, at most once in this time. The default is a
    /// twentieth of the idle time, and an hour at the most.
    #[must_use]
    pub fn touch_interval(mut self, interval: Duration) -> Self {
        self.manager = self.manager.touch_interval(interval);
        self
    }

    /// Gives a session another key when it has had one for so long. Without it a session keeps its key until a log-in or
    /// [`Session::cycle_key`](crate::Session::cycle_key).
    #[must_use]
    pub fn renew_after(mut self, time: Duration) -> Self {
        self.manager = self.manager.renew_after(time);
        self
    }

    /// After a renewal the old key leads to the new one for so long, unless that comes in a request before. The default is 5
    /// minutes.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.manager = self.manager.grace(grace);
        self
    }

    /// How long a save tries to merge with those of other requests, once it met one. The default is 5 seconds.
    #[must_use]
    pub fn save_deadline(mut self, deadline: Duration) -> Self {
        self.manager = self.manager.save_deadline(deadline);
        self
    }

    /// A session may have this many bytes when it is stored. The default is 1 MiB, or what the store takes.
    #[must_use]
    pub fn max_bytes(mut self, most: usize) -> Self {
        self.manager = self.manager.max_bytes(most);
        self
    }

    /// For development: on a loopback host the cookie goes without `Secure` and `__Host-`, so that it works over plain http.
    /// Every other host gets the strict cookie.
    #[must_use]
    pub fn development(mut self) -> Self {
        self.development = true;
        self
    }

    /// Gives a cookie at the first response, without a store call, so that a visitor has a subject from the first page on. A
    /// row is made only when something is written.
    #[must_use]
    pub fn early_subject(mut self, early: bool) -> Self {
        self.manager = self.manager.early_subject(early);
        self
    }

    /// Moves the session key by this transport instead of a cookie. Of the settings here those that belong to the cookie (its
    /// name, `SameSite`, development, Django's) do not count then.
    #[must_use]
    pub fn transport(mut self, transport: impl KeyTransport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Asks `hook` too. Hooks see a request in the order in which they were added, and its response in the reverse order.
    #[must_use]
    pub fn hook(mut self, hook: impl SessionHook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When something is missing or does not fit together. The text says what to change.
    pub fn build(self) -> Result<SessionLayer, Error> {
        let transport = match &self.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(self.cookie()?),
        };
        if self.development {
            tracing::warn!("development mode: session cookies on loopback hosts are not Secure");
        }
        let (manager, hooks) = (self.manager.build()?, self.hooks.into());
        Ok(SessionLayer {
            config: Arc::new(Config { manager, transport, hooks, clock: self.clock }),
        })
    }

    fn cookie(&self) -> Result<CookieTransport, Error> {
        #[cfg(feature = "django")]
        if let Some(cookie) = &self.django {
            return CookieTransport::django(cookie);
        }
        let cookie = CookieTransport::new(&self.cookie_name)?.same_site(self.same_site);
        Ok(if self.development { cookie.development() } else { cookie })
    }
}
