//! A fast store in front of a durable one: [`CachedStore`].
//!
//! The durable store decides everything; the fast one only remembers. What it remembers under a key is one of three things
//! (`entry`): a **value** with the durable store's version of it, the mark that the session **ended**, or the mark that
//! somebody is **busy** with it. Every change goes *mark busy, change the durable store, settle*; every look goes *what is
//! remembered, else ask the durable store, then remember*. Three rules make that safe among any number of processes:
//!
//! - Nothing is remembered save upon what was seen **before** the durable store was asked: upon nothing only if there is
//!   still nothing, upon an entry only if it is still that entry. A look that comes too late therefore remembers nothing.
//! - Who changed the durable store and finds at the end that somebody else was there meanwhile does not settle: a mark is
//!   put there by force, so that the next look asks the durable store.
//! - Who dies between leaves a busy mark, which sends everybody to the durable store until it lapses.
//!
//! So once a change has answered, nobody is told of anything older. The tests try every order in which the calls of two or
//! three requests can fall.
//!
//! Trouble with the fast store fails nothing that the durable one can answer: it is logged and counted. What the fast store
//! could not be told then stays there for [`Cached::trust_for`] at the most, and so does what somebody wrote into the
//! durable store without asking us.

mod entry;
mod store;
mod tier;

use std::{fmt, sync::Arc, time::Duration};

use jiff::SignedDuration;

#[cfg(feature = "django")]
pub use self::entry::DjangoEntries;
pub use self::entry::NativeEntries;
use self::{
    entry::Entries,
    tier::{Counters, Tier},
};
use crate::{
    error::{Error, ErrorKind},
    store::SessionStore,
};

/// Any fast store in front of any durable one.
///
/// ```
/// use wayfarer_session::{CachedStore, MemoryStore};
/// // A memory of this process before the database. Several processes share a Redis or a Memcached.
/// # let database = MemoryStore::new();
/// let store = CachedStore::new(MemoryStore::new(), database)?;
/// # Ok::<_, wayfarer_session::Error>(())
/// ```
///
/// A read costs one call of the fast store. A save costs three of it beside the one of the durable store, so a cache pays
/// where sessions are read more often than written. The fast store must be seen by every process that writes: a memory of
/// one process is right only where there is one.
pub type CachedStore<Fast, Durable> = Cached<Fast, Durable, NativeEntries>;

/// Django's `cached_db`: pickles in the cache, signed text in the database, both as Django reads and writes them.
///
/// `Fast` is the store of the project's cache under the keys of `cached_db`
/// ([`CACHED_DB_PREFIX`](crate::django::CACHED_DB_PREFIX); `for_cached_db` of `wayfarer-store-kv`), `Durable` the store of its table; the session manager is given the codec of the table. Behind the pickle in the cache
/// lie the row's text and our marks, which Python does not look at; a mark is a pickled `None`, which Django takes for a
/// miss.
///
/// Django's trap: it believes the cache, so deleting the **row** alone (in the admin, by SQL, by `clearsessions`) logs
/// nobody out of Django until the cache forgets. Here such a session ends after [`Cached::trust_for`] at the latest, and
/// what Django put into the cache is believed only together with its row. A log-out on either side ends both.
#[cfg(feature = "django")]
pub type DjangoCachedStore<Fast, Durable> = Cached<Fast, Durable, DjangoEntries>;

/// A fast store in front of a durable one, in one of the two forms: [`CachedStore`] or [`DjangoCachedStore`].
pub struct Cached<Fast, Durable, Form> {
    tier: Tier<Fast, Form>,
    durable: Durable,
    trust: SignedDuration,
}

/// What came of a cache so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Looks that the fast store answered.
    pub hits: u64,
    /// Looks that the durable store answered.
    pub misses: u64,
    /// Calls of the fast store that failed. The durable store went on alone.
    pub troubles: u64,
}

impl<Fast: SessionStore, Durable: SessionStore> Cached<Fast, Durable, NativeEntries> {
    /// `fast` in front of `durable`.
    ///
    /// # Errors
    /// When the fast store has no compare-and-swap, without which it would remember what is no longer so.
    pub fn new(fast: Fast, durable: Durable) -> Result<Self, Error> {
        Cached::over(fast, durable, NativeEntries)
    }
}

#[cfg(feature = "django")]
impl<Fast: SessionStore, Durable: SessionStore> Cached<Fast, Durable, DjangoEntries> {
    /// The cache in front of the table whose values `codec` reads.
    ///
    /// # Errors
    /// When the cache's store has no compare-and-swap.
    pub fn new(
        fast: Fast,
        durable: Durable,
        codec: &crate::django::DjangoCodec,
    ) -> Result<Self, Error> {
        Cached::over(fast, durable, DjangoEntries::new(codec.clone()))
    }
}

impl<Fast: SessionStore, Durable: SessionStore, Form: Entries> Cached<Fast, Durable, Form> {
    fn over(fast: Fast, durable: Durable, form: Form) -> Result<Self, Error> {
        if !fast.capabilities().cas {
            return Err(Error::new(ErrorKind::Config, "put a cache in front of a session store")
                .because("the fast store has no compare-and-swap: take another one"));
        }
        let tier = Tier { fast, form, counters: Arc::new(Counters::default()) };
        Ok(Cached { tier, durable, trust: SignedDuration::from_mins(5) })
    }

    /// How long a value is believed before the durable store is asked again. It bounds what goes wrong where the fast store
    /// could not be told, or somebody changed the durable store without asking us. The default is five minutes.
    #[must_use]
    pub fn trust_for(mut self, trust: Duration) -> Self {
        self.trust = SignedDuration::try_from(trust).unwrap_or(SignedDuration::MAX);
        self
    }

    /// What came of the cache so far. Keep the store in an `Arc` to ask while a session manager uses it.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.tier.counters.read()
    }
}

impl<Fast: fmt::Debug, Durable: fmt::Debug, Form> fmt::Debug for Cached<Fast, Durable, Form> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("fast", &self.tier.fast)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
