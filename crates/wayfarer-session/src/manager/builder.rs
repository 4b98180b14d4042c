//! The set-up of a [`SessionManager`]: every choice, its default, and what does not fit together.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{History, Life, SessionManager, Shared, Turns, counts::Counts};
#[cfg(feature = "cookies")]
use crate::carried::CookieSessions;
#[cfg(feature = "django")]
use crate::django::DjangoForm;
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind},
    history::{Chronicler, SessionHistory},
    mode::Mode,
    random::{Random, SystemRandom},
    signal::SignalBus,
    store::SessionStore,
    ticket::CookieKeys,
};

/// Sets up a [`SessionManager`].
#[derive(Debug)]
pub struct SessionManagerBuilder {
    store: Arc<dyn SessionStore>,
    #[cfg(feature = "cookies")]
    cookies: Option<CookieSessions>,
    keys: Option<CookieKeys>,
    #[cfg(feature = "django")]
    django: Option<DjangoForm>,
    subject_entry: bool,
    save_every_request: bool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    signals: SignalBus,
    history: Option<History>,
    idle: Duration,
    absolute: Option<Duration>,
    touch_interval: Option<Duration>,
    renew_after: Option<Duration>,
    grace: Duration,
    early: bool,
    max_bytes: usize,
    save_deadline: Duration,
}

impl SessionManagerBuilder {
    pub(super) fn new(store: Arc<dyn SessionStore>) -> SessionManagerBuilder {
        SessionManagerBuilder {
            store,
            #[cfg(feature = "cookies")]
            cookies: None,
            keys: None,
            #[cfg(feature = "django")]
            django: None,
            subject_entry: true,
            save_every_request: false,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            signals: SignalBus::new(),
            history: None,
            idle: Duration::from_secs(14 * 24 * 60 * 60),
            absolute: None,
            touch_interval: None,
            renew_after: None,
            grace: Duration::from_secs(5 * 60),
            early: false,
            max_bytes: 1 << 20,
            save_deadline: Duration::from_secs(5),
        }
    }

    #[cfg(feature = "cookies")]
    pub(super) fn in_cookies(cookies: CookieSessions) -> SessionManagerBuilder {
        let mut builder = SessionManagerBuilder::new(Arc::new(super::nowhere::Nowhere));
        builder.cookies = Some(cookies);
        builder
    }

    /// Shares sessions with Django: its keys in the cookie, its values in the store, its rules for what is saved and sent.
    /// The store must keep Django's table or files, for which `form` is a [`DjangoCodec`](crate::django::DjangoCodec), or
    /// its cache, for which it is a [`PickleCodec`](crate::django::PickleCodec). Excludes [`cookie_keys`](Self::cookie_keys), early subjects and an absolute limit,
    /// for which Django's records have no room.
    #[cfg(feature = "django")]
    #[must_use]
    pub fn django(mut self, form: impl Into<DjangoForm>) -> Self {
        self.django = Some(form.into());
        self
    }

    /// Whether a session of django mode keeps its subject, as the entry `_wayfarer_subject` that is written whenever the
    /// session is saved anyway. The default is that it does; without it such sessions have no subject.
    #[must_use]
    pub fn subject_entry(mut self, keep: bool) -> Self {
        self.subject_entry = keep;
        self
    }

    /// Saves a session that holds something with every request that brings it, as Django's `SESSION_SAVE_EVERY_REQUEST`. The
    /// default is no: a touch from time to time does the same for less.
    #[must_use]
    pub fn save_every_request(mut self, every: bool) -> Self {
        self.save_every_request = every;
        self
    }

    /// Signs cookies with these keys. Required, save in django mode.
    #[must_use]
    pub fn cookie_keys(mut self, keys: CookieKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Sends signals over this bus. Without it they go nowhere.
    #[must_use]
    pub fn signals(mut self, bus: SignalBus) -> Self {
        self.signals = bus;
        self
    }

    /// Writes what happens to sessions and accounts into `history`, and keeps it for `keep`; a purge forgets what is older.
    /// Of managers that share a bus one has the history.
    #[must_use]
    pub fn history(mut self, history: impl SessionHistory, keep: Duration) -> Self {
        self.history = Some(History { kept: Arc::new(history), keep });
        self
    }

    /// Tells the time by this clock instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Draws keys from this source instead of the operating system's.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// How long a session lives after it was last used. The default is two weeks.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a session lives at the most, however much it is used. Without it there is no limit.
    #[must_use]
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// A session that is only read is noted as used at most once in this time. The default is a twentieth of the idle
    /// time, and an hour at the most.
    #[must_use]
    pub fn touch_interval(mut self, interval: Duration) -> Self {
        self.touch_interval = Some(interval);
        self
    }

    /// Gives a session another key when it has had one for so long, with the first request then that uses it. Without it a
    /// session keeps its key until a log-in or [`Session::cycle_key`](crate::Session::cycle_key). All processes that share a
    /// store should be set up alike.
    #[must_use]
    pub fn renew_after(mut self, time: Duration) -> Self {
        self.renew_after = Some(time);
        self
    }

    /// After a renewal the old key leads to the new one for so long, unless that comes in a request before: for requests
    /// beside it, and for a browser that lost the response. The default is 5 minutes. A new key that is given at a log-in, or
    /// by [`Session::cycle_key`](crate::Session::cycle_key), leaves the old one no grace.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Gives a cookie at the first response, without a store call, so that a visitor has a subject from the first page on.
    /// A row is made only when something is written.
    #[must_use]
    pub fn early_subject(mut self, early: bool) -> Self {
        self.early = early;
        self
    }

    /// A session may have this many bytes when it is stored. The default is 1 MiB, or what the store takes.
    #[must_use]
    pub fn max_bytes(mut self, most: usize) -> Self {
        self.max_bytes = most;
        self
    }

    /// How long a save tries to merge with those of other requests, once it met one. The default is 5 seconds.
    #[must_use]
    pub fn save_deadline(mut self, deadline: Duration) -> Self {
        self.save_deadline = deadline;
        self
    }

    /// The manager.
    ///
    /// # Errors
    /// When something is missing or does not fit together. The text says what to change.
    pub fn build(self) -> Result<SessionManager, Error> {
        let mode = self.mode()?;
        #[cfg(feature = "cookies")]
        let mode = self.place(mode)?;
        let span = |duration: Duration| {
            SignedDuration::try_from(duration).map_err(|_| wrong("a time span is too long"))
        };
        if self.idle < Duration::from_secs(1) {
            return Err(wrong("the idle time is under a second"));
        }
        let hour = Duration::from_secs(60 * 60);
        let touch_interval = self.touch_interval.unwrap_or_else(|| (self.idle / 20).min(hour));
        if self.renew_after.is_some_and(|after| after < self.grace * 2) {
            return Err(wrong("keys are renewed before the grace of the last ones is over"));
        }
        if let Some(history) = &self.history {
            self.signals.connect(Arc::new(Chronicler(Arc::clone(&history.kept))));
        }
        let capabilities = self.store.capabilities();
        let is_django = mode.is_django();
        Ok(SessionManager(Arc::new(Shared {
            mode,
            subject_entry: self.subject_entry,
            save_every_request: self.save_every_request,
            clock: self.clock,
            random: self.random,
            signals: self.signals,
            history: self.history,
            life: Life {
                idle: span(self.idle)?,
                absolute: self.absolute.map(span).transpose()?,
                touch_interval: span(touch_interval)?,
                renew_after: self.renew_after.map(span).transpose()?,
                grace: span(self.grace)?,
            },
            keeps_expired: capabilities.purge && !is_django,
            early: self.early,
            adopts: self.early && capabilities.final_delete,
            max_bytes: capabilities.max_bytes.unwrap_or(usize::MAX).min(self.max_bytes),
            save_deadline: self.save_deadline,
            turns: Turns::new(),
            counts: Counts::new(),
            store: self.store,
        })))
    }

    /// The same mode, where sessions lie in their cookies.
    #[cfg(feature = "cookies")]
    fn place(&self, mode: Mode) -> Result<Mode, Error> {
        let Some(cookies) = self.cookies.clone() else { return Ok(mode) };
        if self.early {
            return Err(wrong(
                "a session in a cookie has its subject as soon as it holds anything: leave early_subject out",
            ));
        }
        let carrier = match mode {
            Mode::Native { keys, .. } => cookies.native(&keys)?,
            #[cfg(feature = "django")]
            Mode::Django { form: crate::django::DjangoForm::Signed(codec) } => {
                let age = SignedDuration::try_from(self.idle).unwrap_or(SignedDuration::MAX);
                cookies.django(codec, age).ok_or_else(|| {
                    wrong("Django's cookies are signed, and do not tell when a session began: leave encryption and epochs out")
                })?
            }
            _ => return Err(wrong("Django has no pickles in cookies: take a DjangoCodec")),
        };
        Ok(Mode::carried(carrier))
    }

    #[cfg(feature = "django")]
    fn mode(&self) -> Result<Mode, Error> {
        match (&self.django, &self.keys) {
            (None, keys) => native(keys.as_ref()),
            (Some(_), Some(_)) => {
                Err(wrong("there are cookie keys and a Django codec: choose one"))
            }
            (Some(_), None) if self.early => {
                Err(wrong("django mode has no early subjects: leave early_subject out"))
            }
            (Some(_), None) if self.renew_after.is_some() => {
                Err(wrong("Django's records have no room for renewals: leave renew_after out"))
            }
            (Some(_), None) if self.absolute.is_some() => {
                Err(wrong("Django's records do not tell when a session began: leave absolute out"))
            }
            (Some(form), None) => Ok(Mode::Django { form: form.clone() }),
        }
    }

    #[cfg(not(feature = "django"))]
    fn mode(&self) -> Result<Mode, Error> {
        native(self.keys.as_ref())
    }
}

fn native(keys: Option<&CookieKeys>) -> Result<Mode, Error> {
    let keys = keys.ok_or_else(|| wrong("there are no cookie keys: call cookie_keys"))?;
    Ok(Mode::native(keys.clone()))
}

fn wrong(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, "set up sessions").because(why)
}
