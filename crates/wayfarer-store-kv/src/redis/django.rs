//! Sessions of Django's `cache` engine, and the cache of its `cached_db`, in Redis: the same keys and values that Django's `RedisCache` reads and writes.
//!
//! A value is the pickled dictionary and nothing else, so its state is the value itself, and its end is when Redis forgets
//! it, to the millisecond. There is no room for a mark: a deleted session leaves nothing, and only the session layer, which
//! takes no unknown key on, keeps it dead. Django beside us writes without looking.
//!
//! Where the server can compare a value and set another by a plain command, a save is that, and a script only if it failed.

use async_trait::async_trait;
use jiff::Timestamp;
use redis::{Script, cmd};
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreKey, Touched, Version,
};

use super::{RedisOptions, server::Server};
use crate::{CACHE, CACHED_DB};

/// Keeps the sessions of a project whose `SESSION_ENGINE` is Django's `cache`, on its `RedisCache`, for the session layer in
/// django mode with a `PickleCodec`. Clones share the connection.
#[derive(Clone)]
pub struct DjangoRedisStore {
    server: Server,
    prefix: String,
    engine: &'static str,
    scripts: std::sync::Arc<Scripts>,
}

impl std::fmt::Debug for DjangoRedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DjangoRedisStore").field("server", &self.server).finish_non_exhaustive()
    }
}

struct Scripts {
    load: Script,
    replace: Script,
    touch: Script,
    delete: Script,
    rotate: Script,
}

/// The value under a key and when it is forgotten, in milliseconds of Unix time; -1: never.
const LOAD: &str = "
local value = redis.call('GET', KEYS[1])
if not value then return nil end
return { value, redis.call('PEXPIRETIME', KEYS[1]) }";

/// KEYS: session. ARGV: value before, now, value, when it is forgotten. Without the last, the session is deleted.
const REPLACE: &str = "
local value = redis.call('GET', KEYS[1])
local stop_at = redis.call('PEXPIRETIME', KEYS[1])
if not value or stop_at >= 0 and stop_at <= tonumber(ARGV[2]) then return 'gone' end
if value ~= ARGV[1] then return 'conflict' end
if ARGV[4] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4]) end
return 'stored'";

/// KEYS: session. ARGV: now, when it was forgotten, when it is forgotten, the end of all time.
const TOUCH: &str = "
local stop_at = redis.call('PEXPIRETIME', KEYS[1])
if stop_at == -2 or stop_at >= 0 and stop_at <= tonumber(ARGV[1]) then return 'gone' end
if stop_at == -1 then stop_at = tonumber(ARGV[4]) end
if stop_at ~= tonumber(ARGV[2]) then return 'conflict' end
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 'stored'";

/// KEYS: session. ARGV: now.
const DELETE: &str = "
local stop_at = redis.call('PEXPIRETIME', KEYS[1])
if stop_at == -2 or stop_at >= 0 and stop_at <= tonumber(ARGV[1]) then return 0 end
return redis.call('DEL', KEYS[1])";

/// KEYS: from, to. ARGV: as of [`REPLACE`] for from; value of to, when it is forgotten.
const ROTATE: &str = "
local value = redis.call('GET', KEYS[1])
local stop_at = redis.call('PEXPIRETIME', KEYS[1])
if not value or stop_at >= 0 and stop_at <= tonumber(ARGV[2]) then return 'gone' end
if value ~= ARGV[1] then return 'conflict' end
if not redis.call('SET', KEYS[2], ARGV[5], 'NX', 'PXAT', ARGV[6]) then return 'taken' end
if ARGV[4] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4]) end
return 'stored'";

impl DjangoRedisStore {
    /// Connects to the server of a project's `CACHES` setting, at an address such as `redis://user:password@host:6379/0`. It
    /// must be Redis 7 or Valkey.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(url: &str, options: RedisOptions) -> Result<DjangoRedisStore, StoreError> {
        let server = Server::open(url, &options).await?;
        let prefix = options.prefix.unwrap_or_else(|| ":1:".to_owned());
        let scripts = std::sync::Arc::new(Scripts {
            load: Script::new(LOAD),
            replace: Script::new(REPLACE),
            touch: Script::new(TOUCH),
            delete: Script::new(DELETE),
            rotate: Script::new(ROTATE),
        });
        Ok(DjangoRedisStore { server, prefix, engine: CACHE, scripts })
    }

    /// The same cache, under the keys of the engine `cached_db`: the fast store of a `DjangoCachedStore`.
    #[must_use]
    pub fn for_cached_db(mut self) -> DjangoRedisStore {
        self.engine = CACHED_DB;
        self
    }

    fn name(&self, key: &StoreKey) -> String {
        [self.prefix.as_str(), self.engine, key.expose()].concat()
    }
}

#[async_trait]
impl SessionStore for DjangoRedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.atomic_rotate = true;
        capabilities.durable = true;
        capabilities.expiry_precision_us = 1000;
        capabilities.max_bytes = Some(512 * 1024 * 1024);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        let mut set = cmd("SET");
        set.arg(self.name(key)).arg(&*record.data).arg("NX").arg("PXAT").arg(millis(record));
        let stored: Option<String> = self.server.ask("create", &set).await?;
        Ok(stored.map_or(Created::Taken, |_| Created::Stored(version(record))))
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let (name, script) = (self.name(key), &self.scripts.load);
        let look = || self.server.run("load", script, std::slice::from_ref(&name), &[]);
        let found: Option<(Vec<u8>, i64)> = crate::again(look).await?;
        let Some((data, until)) = found else { return Ok(None) };
        let end = Timestamp::from_millisecond(until).ok().filter(|_| until >= 0);
        let expires_at = end.unwrap_or(Timestamp::MAX);
        let record = Record { data: data.into(), expires_at, subject: None, user: None };
        let loaded = Loaded { version: version(&record), record };
        Ok((expires_at > now).then_some(loaded))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let (name, until) = (self.name(key), millis(record));
        // What has ended by our clock is for the script.
        if ends(expected).is_some_and(|end| end > now.as_millisecond())
            && self.server.swap("save", &name, state(expected), &record.data, &until).await?
        {
            return Ok(Saved::Stored(version(record)));
        }
        let now = now.as_millisecond().to_string();
        let arguments = [state(expected), now.as_bytes(), &record.data, until.as_bytes()];
        let said: String =
            self.server.run("save", &self.scripts.replace, &[name], &arguments).await?;
        Ok(match said.as_str() {
            "stored" => Saved::Stored(version(record)),
            "conflict" => Saved::Conflict,
            _ => Saved::Gone,
        })
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let now = now.as_millisecond().to_string();
        let (before, end, never) = (until(from), until(expires_at), until(Timestamp::MAX));
        let arguments = [&now, &before, &end, &never].map(String::as_bytes);
        let touch = &self.scripts.touch;
        let said: String = self.server.run("touch", touch, &[self.name(key)], &arguments).await?;
        Ok(match said.as_str() {
            "stored" => Touched::Moved,
            "conflict" => Touched::Conflict,
            _ => Touched::Gone,
        })
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let (now, until) = (now.as_millisecond().to_string(), millis(record));
        let (left_data, left_until): (&[u8], _) =
            left.map_or((&[], String::new()), |left| (&left.data, millis(left)));
        let arguments = [
            state(expected),
            now.as_bytes(),
            left_data,
            left_until.as_bytes(),
            &record.data,
            until.as_bytes(),
        ];
        let keys = [self.name(from), self.name(to)];
        let said: String =
            self.server.run("rotate", &self.scripts.rotate, &keys, &arguments).await?;
        Ok(match said.as_str() {
            "stored" => Rotated::Stored(version(record)),
            "conflict" => Rotated::Conflict,
            "taken" => Rotated::Taken,
            _ => Rotated::Gone,
        })
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let now = now.as_millisecond().to_string();
        let (delete, arguments) = (&self.scripts.delete, [now.as_bytes()]);
        let met: u8 = self.server.run("delete", delete, &[self.name(key)], &arguments).await?;
        Ok(if met == 0 { Met::Gone } else { Met::Live })
    }

    /// A value does not tell whose session it is.
    async fn list(&self, _: &str, _: u32, _: Timestamp) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    /// The cache may hold anything else besides.
    async fn scan(&self, _: Option<&Cursor>, _: u32, _: Timestamp) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    /// Redis forgets by itself.
    async fn purge(&self, _: u32, _: Timestamp) -> Result<u32, StoreError> {
        Ok(0)
    }
}

/// The state of a session is its value. The hint is its end in milliseconds, which the value does not tell.
fn version(record: &Record) -> Version {
    Version::content(record.data.clone())
        .with_hint(record.expires_at.as_millisecond().to_le_bytes())
}

fn ends(version: &Version) -> Option<i64> {
    version.as_hint()?.try_into().ok().map(i64::from_le_bytes)
}

/// A version that is no content is that of no session: no pickle is empty.
fn state(version: &Version) -> &[u8] {
    version.as_content().unwrap_or_default()
}

fn millis(record: &Record) -> String {
    until(record.expires_at)
}

/// When Redis forgets what ends then.
fn until(end: Timestamp) -> String {
    end.as_millisecond().max(1).to_string()
}
