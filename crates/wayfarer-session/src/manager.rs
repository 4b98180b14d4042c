//! The session manager: opens the session of a request from its cookie, and holds what all sessions share.
//!
//! The tower layer drives it for HTTP; anything else can drive it in the same way: [`SessionManager::open`], work with the
//! [`Session`], then [`Session::finish`].

mod builder;
pub(crate) mod counts;
#[cfg(feature = "cookies")]
mod nowhere;
mod operate;
mod upkeep;
mod users;

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use self::counts::{Count, Counts};
pub use self::{
    builder::SessionManagerBuilder,
    operate::{SessionContents, SessionSummary},
    users::SessionInfo,
};
#[cfg(feature = "cookies")]
use crate::carried::CookieSessions;
use crate::{
    clock::{Clock, to_the_microsecond},
    expiry::{Kept, later},
    history::SessionHistory,
    mode::Mode,
    random::Random,
    session::Session,
    signal::SignalBus,
    store::SessionStore,
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
    pub(crate) history: Option<History>,
    pub(crate) life: Life,
    /// A visitor gets a subject at the first response.
    pub(crate) early: bool,
    /// In django mode a session keeps its subject as an entry.
    pub(crate) subject_entry: bool,
    /// A session that holds something is saved with every request that brings it.
    pub(crate) save_every_request: bool,
    /// The store can still tell a session that ran out from one that was ended.
    pub(crate) keeps_expired: bool,
    /// A ticket of ours without a row may make one: only where a deleted key stays dead.
    pub(crate) adopts: bool,
    pub(crate) max_bytes: usize,
    pub(crate) save_deadline: Duration,
    pub(crate) turns: Turns,
    pub(crate) counts: Counts,
}

/// Where the past of sessions is kept, and how long.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) kept: Arc<dyn SessionHistory>,
    pub(crate) keep: Duration,
}

/// Locks that writers of one session queue at, once they have met. Two sessions may share one, which costs time and
/// nothing else.
pub(crate) struct Turns([tokio::sync::Mutex<()>; 64]);

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turns({})", self.0.len())
    }
}

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
    /// A session that has had its key for so long gets another.
    pub(crate) renew_after: Option<SignedDuration>,
    /// So long the old key leads to the new one, unless that comes in a request before.
    pub(crate) grace: SignedDuration,
}

/// The last instant that every store can keep: a count of microseconds reaches no further.
const END_OF_TIME: Timestamp = Timestamp::constant(253_402_207_200, 0);

impl Life {
    /// When a session runs out if it is used now, as a record can tell it.
    pub(crate) fn end(&self, kept: Kept, created: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let end = kept.date(self.idle, now).min(self.at_the_latest(created));
        to_the_microsecond(end).min(END_OF_TIME)
    }

    /// When a session runs out however much it is used.
    pub(crate) fn at_the_latest(&self, created: Option<Timestamp>) -> Timestamp {
        let most = self.absolute.zip(created).map(|(most, created)| later(created, most));
        most.unwrap_or(Timestamp::MAX)
    }

    /// An end that would move by less than this stays where it is.
    pub(crate) fn slack(&self, kept: Kept) -> SignedDuration {
        match kept {
            Kept::Unset | Kept::BrowserClose => self.touch_interval,
            Kept::After(age) => self.touch_interval.min(age / 20),
            Kept::At(_) => SignedDuration::ZERO,
        }
    }

    /// Whether a session that got its key then is to get another.
    pub(crate) fn renewal_is_due(&self, keyed: Option<Timestamp>, now: Timestamp) -> bool {
        let due = self.renew_after.zip(keyed).map(|(after, keyed)| later(keyed, after));
        due.is_some_and(|due| due <= now)
    }

    /// Until when the key before leads to one that was given then.
    pub(crate) fn grace_of(&self, keyed: Timestamp) -> Timestamp {
        to_the_microsecond(later(keyed, self.grace))
    }

    /// Whether a grace that ends then lasts. One that lasts longer than any is that of a clock that was ahead.
    pub(crate) fn in_grace(&self, until: Timestamp, now: Timestamp) -> bool {
        now < until && until.duration_since(now) <= self.grace * 2
    }
}

impl Shared {
    /// The time, as a record can tell it.
    pub(crate) fn now(&self) -> Timestamp {
        to_the_microsecond(self.clock.now())
    }

    /// When every session that began until now has run out. Without an absolute limit a cookie may be good for as long as it
    /// was once asked for.
    #[cfg(feature = "cookies")]
    pub(crate) fn forget_at(&self) -> Timestamp {
        self.life.at_the_latest(Some(self.now()))
    }
}

impl SessionManager {
    /// Sets up sessions over `store`.
    pub fn builder(store: impl SessionStore) -> SessionManagerBuilder {
        SessionManagerBuilder::new(Arc::new(store))
    }

    /// Sets up sessions that lie in their cookies, and in no store.
    #[cfg(feature = "cookies")]
    #[must_use]
    pub fn in_cookies(cookies: CookieSessions) -> SessionManagerBuilder {
        SessionManagerBuilder::in_cookies(cookies)
    }

    /// The session of a request that brought this cookie value, or none. Nothing is verified or loaded before the session
    /// is used.
    #[must_use]
    pub fn open(&self, cookie: Option<&str>) -> Session {
        Session::new(Arc::clone(&self.0), cookie)
    }

    /// What was counted since this manager was made, for an application's metrics: always the same counters, in the same order.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        self.0.counts.all()
    }

    /// The bus that signals of these sessions go to.
    #[must_use]
    pub fn signals(&self) -> &SignalBus {
        &self.0.signals
    }

    /// The time, by the clock of these sessions.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Whether sessions lie in their cookies, and in no store that could list or count them.
    #[must_use]
    pub fn is_in_cookies(&self) -> bool {
        self.0.mode.is_carried()
    }

    /// Whether a visitor gets a subject at the first response.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.0.early
    }
}
