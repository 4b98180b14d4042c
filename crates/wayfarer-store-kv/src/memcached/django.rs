//! Sessions of Django's `cache` engine, and the cache of its `cached_db`, in Memcached: the same items, on the same servers, that Django's `PyMemcacheCache`
//! reads and writes.
//!
//! An item is the pickled dictionary, its state is Memcached's own number. Its end is known by the server's clock alone, in
//! whole seconds, so every change looks first whether the session lives. There is no room for a mark: a deleted session
//! leaves nothing, and only the session layer, which takes no unknown key on, keeps it dead. Django beside us writes without
//! looking.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Touched, Version,
};

use super::{
    MAX_BYTES, MemcachedOptions, Servers,
    client::{Answer, Code, command},
    is_key, no_key, unix,
};
use crate::{CACHE, CACHED_DB};

/// How pymemcache marks a pickle.
const PICKLE: u32 = 1;

/// So much later than it is may an end seem to be: both the time that a server tells and the time that it counts down by are
/// cut to seconds. No session seems to live longer than it does.
const LATE: SignedDuration = SignedDuration::from_secs(2);

/// Ends that are less microseconds apart may be the same.
const PRECISION_US: u64 = 5_000_000;

/// Keeps the sessions of a project whose `SESSION_ENGINE` is Django's `cache`, on its `PyMemcacheCache`, for the session
/// layer in django mode with a `PickleCodec`. Clones share the connections.
#[derive(Clone)]
pub struct DjangoMemcachedStore {
    servers: Arc<Servers>,
    prefix: String,
    engine: &'static str,
}

impl fmt::Debug for DjangoMemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DjangoMemcachedStore");
        shown.field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl DjangoMemcachedStore {
    /// Connects to the servers of a project's `CACHES` setting, which must be spelt as they are there, such as
    /// `127.0.0.1:11211`: pymemcache shares keys between servers by their names.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn open(
        addresses: &[&str],
        options: MemcachedOptions,
    ) -> Result<DjangoMemcachedStore, StoreError> {
        let servers = Arc::new(Servers::open(addresses, &options).await?);
        let prefix = options.prefix.unwrap_or_else(|| ":1:".to_owned());
        Ok(DjangoMemcachedStore { servers, prefix, engine: CACHE })
    }

    /// The same cache, under the keys of the engine `cached_db`: the fast store of a `DjangoCachedStore`.
    #[must_use]
    pub fn for_cached_db(mut self) -> DjangoMemcachedStore {
        self.engine = CACHED_DB;
        self
    }

    /// The name of a session, if Memcached takes it for one.
    fn name(&self, key: &StoreKey) -> Option<String> {
        let name = [self.prefix.as_str(), self.engine, key.expose()].concat();
        Some(name).filter(|name| is_key(name))
    }

    /// The live session under a name, with its end.
    async fn look(
        &self,
        call: &'static str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<(Answer, Timestamp)>, StoreError> {
        let Some(item) = self.servers.get(call, name).await? else { return Ok(None) };
        if item.flags != PICKLE {
            let why = "what lies under the key of a session is no pickle";
            return Err(StoreError::new(StoreErrorKind::Unreadable, call, why));
        }
        let end = if item.ttl < 0 {
            Timestamp::MAX
        } else {
            let Some(server) = self.servers.of(name) else { return Ok(None) };
            let left = SignedDuration::from_secs(item.ttl) - LATE;
            server.now(call).await?.checked_add(left).unwrap_or(Timestamp::MAX)
        };
        Ok((end > now).then_some((item, end)))
    }

    /// Stores a new session where there is nothing.
    async fn add(
        &self,
        call: &'static str,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Option<Version>, StoreError> {
        let name = self.name(key).ok_or_else(|| no_key(call))?;
        let question = command::add(&name, &record.data, until(record.expires_at, now), PICKLE);
        let answer = self.servers.ask(call, &name, question).await?;
        Ok((answer.code == Code::Done).then(|| Version::number(answer.cas)))
    }

    /// Deletes a session in this state.
    async fn remove(
        &self,
        key: &StoreKey,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let Some(name) = self.name(key) else { return Ok(Saved::Gone) };
        if self.look("rotate", &name, now).await?.is_none() {
            return Ok(Saved::Gone);
        }
        let question = command::delete(&name, Some(cas(expected)));
        let answer = self.servers.ask("rotate", &name, question).await?;
        Ok(match answer.code {
            Code::Done => Saved::Stored(Version::number(answer.cas)),
            Code::Exists => Saved::Conflict,
            Code::Missing => Saved::Gone,
        })
    }
}

#[async_trait]
impl SessionStore for DjangoMemcachedStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.expiry_precision_us = PRECISION_US;
        capabilities.max_bytes = Some(MAX_BYTES);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        Ok(self.add("create", key, record, now).await?.map_or(Created::Taken, Created::Stored))
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let Some(name) = self.name(key) else { return Ok(None) };
        let found = self.look("load", &name, now).await?;
        Ok(found.map(|(item, expires_at)| {
            let data = item.value.into();
            let record = Record { data, expires_at, subject: None, user: None };
            Loaded { record, version: Version::number(item.cas) }
        }))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let Some(name) = self.name(key) else { return Ok(Saved::Gone) };
        if self.look("save", &name, now).await?.is_none() {
            return Ok(Saved::Gone);
        }
        let (until, before) = (until(record.expires_at, now), cas(expected));
        let question = command::replace(&name, &record.data, until, PICKLE, before);
        let answer = self.servers.ask("save", &name, question).await?;
        Ok(match answer.code {
            Code::Done => Saved::Stored(Version::number(answer.cas)),
            Code::Exists => Saved::Conflict,
            Code::Missing => Saved::Gone,
        })
    }

    /// Memcached cannot compare an end: whoever saves between our look and our touch gets the end of the touch.
    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let Some(name) = self.name(key) else { return Ok(Touched::Gone) };
        let Some((_, end)) = self.look("touch", &name, now).await? else {
            return Ok(Touched::Gone);
        };
        if !is_same(end, from) {
            return Ok(Touched::Conflict);
        }
        let question = command::touch(&name, until(expires_at, now));
        let answer = self.servers.ask("touch", &name, question).await?;
        Ok(if answer.code == Code::Done { Touched::Moved } else { Touched::Gone })
    }

    /// The new key first, then the old one, and on a conflict the new one away again.
    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let Some(version) = self.add("rotate", to, record, now).await? else {
            return Ok(Rotated::Taken);
        };
        let ended = match left {
            Some(left) => self.save(from, left, expected, now).await?,
            None => self.remove(from, expected, now).await?,
        };
        let rotated = match ended {
            Saved::Stored(_) => return Ok(Rotated::Stored(version)),
            Saved::Conflict => Rotated::Conflict,
            Saved::Gone => Rotated::Gone,
        };
        let name = self.name(to).ok_or_else(|| no_key("rotate"))?;
        let question = command::delete(&name, Some(cas(&version)));
        self.servers.ask("rotate", &name, question).await?;
        Ok(rotated)
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let Some(name) = self.name(key) else { return Ok(Met::Gone) };
        if self.look("delete", &name, now).await?.is_none() {
            return Ok(Met::Gone);
        }
        let answer = self.servers.ask("delete", &name, command::delete(&name, None)).await?;
        Ok(if answer.code == Code::Done { Met::Live } else { Met::Gone })
    }

    /// An item does not tell whose session it is.
    async fn list(&self, _: &str, _: u32, _: Timestamp) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    /// Memcached does not tell what it holds.
    async fn scan(&self, _: Option<&Cursor>, _: u32, _: Timestamp) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    /// Memcached forgets by itself.
    async fn purge(&self, _: u32, _: Timestamp) -> Result<u32, StoreError> {
        Ok(0)
    }
}

/// When the server forgets what ends then. What has ended already it forgets at once, since Django asks the server alone.
fn until(end: Timestamp, now: Timestamp) -> i64 {
    if end <= now { -1 } else { unix(end) }
}

/// Whether an end that was looked at may be this one. What is never forgotten ends with all time.
fn is_same(found: Timestamp, end: Timestamp) -> bool {
    let is_never = found == Timestamp::MAX && unix(end) == 0;
    is_never || found.duration_since(end).abs().as_micros() < i128::from(PRECISION_US)
}

/// A version that is no number is that of no item.
fn cas(version: &Version) -> u64 {
    version.as_number().unwrap_or(u64::MAX)
}
