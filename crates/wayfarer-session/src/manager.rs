//! The session manager: opens the session of a request from its cookie, and holds what all sessions share.
//!
//! The tower layer drives it for HTTP; anything else can drive it in the same way: [`SessionManager::open`], work with the
//! [`Session`], then [`Session::finish`].

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind},
    mode::Mode,
    random::{Random, SystemRandom},
    session::Session,
    signal::SignalBus,
    store::{SessionStore, StoreError},
    ticket::CookieKeys,
};

/// Opens sessions. Clones share everything.
#[derive(Clone, Debug)]
pub struct SessionManager(pub(crate) Arc<Shared>);

/// What all sessions of an application share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) mode: Mode,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) signals: SignalBus,
    pub(crate) life: Life,
    /// A visitor gets a subject at the first response.
    pub(crate) early: bool,
    /// A ticket of ours without a row may make one: only where a deleted key stays dead.
    pub(crate) adopts: bool,
    pub(crate) max_bytes: usize,
    pub(crate) save_deadline: Duration,
    pub(crate) turns: Turns,
}

/// Locks that writers of one session queue at, once they have met. Two sessions may share one, which costs time and
/// nothing else.
#[derive(Debug)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; 64]);

impl Turns {
    fn new() -> Turns {
        Turns(std::array::from_fn(|_| tokio::sync::Mutex::new(())))
    }

    /// The lock for a key. Keys are random, so a few of their bytes spread well.
    pub(crate) fn of(&self, key: &str) -> &tokio::sync::Mutex<()> {
        let sum = key.bytes().take(16).fold(0_u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
        let [first, ..] = &self.0;
        self.0.get(usize::from(sum) % self.0.len()).unwrap_or(first)
    }
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) idle: SignedDuration,
    pub(crate) absolute: Option<SignedDuration>,
    pub(crate) touch_interval: SignedDuration,
}

impl Life {
    /// The instant at which a session dies at the latest.
    pub(crate) fn end(&self, created: Timestamp) -> Timestamp {
        self.absolute.map_or(Timestamp::MAX, |most| crate::expiry::later(created, most))
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl SessionManager {
    /// Sets up sessions over `store`.
    pub fn builder(store: impl SessionStore) -> SessionManagerBuilder {
        SessionManagerBuilder::new(Arc::new(store))
    }

    /// The session of a request that brought this cookie value, or none. Nothing is verified or loaded before the session
    /// is used.
    #[must_use]
    pub fn open(&self, cookie: Option<&str>) -> Session {
        Session::new(Arc::clone(&self.0), cookie)
    }

    /// Forgets sessions that ran out, in batches of 500, and says how many it forgot. Run it from time to time.
    ///
    /// # Errors
    /// When the store is in trouble. What was forgotten until then stays forgotten.
    pub async fn purge(&self) -> Result<u64, StoreError> {
        const BATCH: u32 = 500;
        let mut forgotten = 0;
        loop {
            let batch = self.0.store.purge(BATCH, self.0.now()).await?;
            forgotten += u64::from(batch);
            if batch < BATCH {
                return Ok(forgotten);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The bus that signals of these sessions go to.
    #[must_use]
    pub fn signals(&self) -> &SignalBus {
        &self.0.signals
    }

    /// Whether a visitor gets a subject at the first response.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.0.early
    }
}

/// Sets up a [`SessionManager`].
#[derive(Debug)]
pub struct SessionManagerBuilder {
    store: Arc<dyn SessionStore>,
    keys: Option<CookieKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    signals: SignalBus,
    idle: Duration,
    absolute: Option<Duration>,
    touch_interval: Option<Duration>,
    early: bool,
    max_bytes: usize,
    save_deadline: Duration,
}

impl SessionManagerBuilder {
    fn new(store: Arc<dyn SessionStore>) -> SessionManagerBuilder {
        SessionManagerBuilder {
            store,
            keys: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            signals: SignalBus::new(),
            idle: Duration::from_secs(14 * 24 * 60 * 60),
            absolute: None,
            touch_interval: None,
            early: false,
            max_bytes: 1 << 20,
            save_deadline: Duration::from_secs(5),
        }
    }

    /// Signs cookies with these keys. Required.
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

    /// How long a save tries to merge with those of other requests. The default is 5 seconds.
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
        let wrong =
            |why: &'static str| Error::new(ErrorKind::Config, "set up sessions").because(why);
        let keys = self.keys.ok_or_else(|| wrong("there are no cookie keys: call cookie_keys"))?;
        let span = |duration: Duration| {
            SignedDuration::try_from(duration).map_err(|_| wrong("a time span is too long"))
        };
        if self.idle < Duration::from_secs(1) {
            return Err(wrong("the idle time is under a second"));
        }
        let hour = Duration::from_secs(60 * 60);
        let touch_interval = self.touch_interval.unwrap_or_else(|| (self.idle / 20).min(hour));
        let capabilities = self.store.capabilities();
        Ok(SessionManager(Arc::new(Shared {
            mode: Mode::Native { keys },
            clock: self.clock,
            random: self.random,
            signals: self.signals,
            life: Life {
                idle: span(self.idle)?,
                absolute: self.absolute.map(span).transpose()?,
                touch_interval: span(touch_interval)?,
            },
            early: self.early,
            adopts: self.early && capabilities.final_delete,
            max_bytes: capabilities.max_bytes.unwrap_or(usize::MAX).min(self.max_bytes),
            save_deadline: self.save_deadline,
            turns: Turns::new(),
            store: self.store,
        })))
    }
}
