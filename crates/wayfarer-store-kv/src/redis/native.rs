//! Native sessions in Redis.
//!
//! A session is one value, with its version inside; see [`held`]. A save of a session that has no user brings the value that was
//! loaded, which the server compares by a plain command, if it knows one. Where another value lies, a script tells whether
//! somebody has saved, only touched, or ended the session. A user's sessions are listed by an index, a
//! sorted set of keys by their ends. The index may know too much, never too little: a session is noted there before it is
//! written (on one server, by the same script), whoever lists looks at each session itself, and what ran out is dropped
//! whenever somebody writes. So it does not grow, and no crash leaves a session unlisted.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use redis::{Script, cmd};
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Touched, Version,
};

use super::{
    RedisOptions, forget_at,
    scripts::{Draft, Said, Scripts, micros},
    server::Server,
};
use crate::{again, held};

/// Keeps sessions in Redis or Valkey, alone or as a cluster. Clones share the connection.
///
/// What Redis cannot promise: a server that loses its last writes, by a power cut without `appendfsync always`, or by
/// handing over to a replica that had not seen them, loses saves with them, and log-outs: a session that ended may be back.
/// Let it not evict (`maxmemory-policy noeviction`): whose session is evicted is logged out.
///
/// A save of a session that has no user is one plain command in Valkey from 8.1 and in Redis from 8.4 on, and a script
/// elsewhere. What the server can do is found out by trying.
///
/// In a cluster a rotation is two steps, so that for a moment both keys are alive, and all sessions cannot be walked over.
#[derive(Clone)]
pub struct RedisStore {
    server: Server,
    prefix: String,
    scripts: std::sync::Arc<Scripts>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects to a server at an address such as `redis://user:password@host:6379/0`, or `rediss://` with the feature `tls`.
    ///
    /// # Errors
    /// When it cannot be reached, or its certificate is not to be trusted.
    pub async fn open(url: &str, options: RedisOptions) -> Result<RedisStore, StoreError> {
        Ok(RedisStore::on(Server::open(url, &options).await?, options))
    }

    /// Connects to a cluster, of which `urls` name some nodes; all by `rediss://`, or none.
    ///
    /// # Errors
    /// When none can be reached.
    #[cfg(feature = "redis-cluster")]
    pub async fn open_cluster(
        urls: &[&str],
        options: RedisOptions,
    ) -> Result<RedisStore, StoreError> {
        Ok(RedisStore::on(Server::open_cluster(urls, &options).await?, options))
    }

    fn on(server: Server, options: RedisOptions) -> RedisStore {
        let prefix = options.prefix.unwrap_or_else(|| "wayfarer:".to_owned());
        RedisStore { server, prefix, scripts: std::sync::Arc::new(Scripts::new()) }
    }

    fn name(&self, key: &StoreKey) -> String {
        format!("{}s:{}", self.prefix, key.expose())
    }

    fn index(&self, user: &str) -> String {
        format!("{}u:{user}", self.prefix)
    }

    /// Writes a new state by a script whose last key is the user's index, and answers what the script says. In a cluster the
    /// index lies elsewhere, and is told first.
    async fn write(
        &self,
        call: &'static str,
        script: &Script,
        keys: &[&str],
        draft: &Draft<'_>,
        more: &[&[u8]],
    ) -> Result<Said, StoreError> {
        let index = draft.record.user.as_deref().map(|user| self.index(user));
        let mut keys = keys.to_vec();
        let mut arguments = [&draft.written()[..], more].concat();
        if let Some(index) = &index {
            if self.server.is_cluster() {
                self.remember(call, index, draft.key, &draft.end, &draft.now).await?;
            } else {
                keys.push(index);
                arguments.extend(draft.indexed());
            }
        }
        Said::of(call, self.server.run(call, script, &keys, &arguments).await?)
    }

    async fn remember(
        &self,
        call: &'static str,
        index: &str,
        key: &StoreKey,
        end: &str,
        now: &str,
    ) -> Result<(), StoreError> {
        let arguments = [key.expose().as_bytes(), end.as_bytes(), now.as_bytes()];
        self.server.run(call, &self.scripts.remember, &[index], &arguments).await
    }

    /// Takes a session out of its user's index. Whoever lists would notice that it is dead, so a failure is no matter.
    async fn forget(&self, user: &str, key: &StoreKey) {
        let mut remove = cmd("ZREM");
        remove.arg(self.index(user)).arg(key.expose());
        let _: Result<u64, _> = self.server.ask("forget", &remove).await;
    }

    /// Ends a session, if `version` is still its version, where one is given.
    async fn end(
        &self,
        call: &'static str,
        key: &StoreKey,
        version: &str,
        now: Timestamp,
    ) -> Result<Said, StoreError> {
        let arguments = [micros(now), version.to_owned()];
        let arguments = arguments.each_ref().map(String::as_bytes);
        let said = self.server.run(call, &self.scripts.end, &[self.name(key)], &arguments).await;
        let said = Said::of(call, said?)?;
        if let Said::User(user) = &said {
            self.forget(user, key).await;
        }
        Ok(said)
    }

    /// In a cluster: the new key first, then the old one, and on a conflict the new one away again.
    async fn rotate_in_steps(
        &self,
        rotation: &Rotation<'_>,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let version = number(expected);
        let next = version.saturating_add(1);
        let draft = Draft::new(to, record, next, now);
        let to_name = self.name(to);
        let create = &self.scripts.create;
        if self.write("rotate", create, &[&to_name], &draft, &[]).await? == Said::Taken {
            return Ok(Rotated::Taken);
        }
        let rotated = match left {
            Some(left) => match self.save(from, left, expected, now).await? {
                Saved::Stored(version) => Rotated::Stored(version),
                Saved::Conflict => Rotated::Conflict,
                Saved::Gone => Rotated::Gone,
            },
            None => match self.end("rotate", from, &version.to_string(), now).await? {
                Said::Conflict => Rotated::Conflict,
                Said::Gone => Rotated::Gone,
                _ => Rotated::Stored(Version::number(next)),
            },
        };
        if let Rotated::Stored(_) = rotated {
            return Ok(Rotated::Stored(version_of(next, record, draft.value)));
        }
        // No browser has seen this key: nothing needs to keep it dead.
        let _: u64 = self.server.ask("rotate", cmd("DEL").arg(&to_name)).await?;
        Ok(rotated)
    }

    /// What lies under these keys, in their order.
    async fn look(
        &self,
        call: &'static str,
        keys: Vec<StoreKey>,
        now: Timestamp,
    ) -> Result<Vec<(StoreKey, Option<Loaded>)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("MGET");
        for key in &keys {
            get.arg(self.name(key));
        }
        let values: Vec<Option<Vec<u8>>> = self.server.ask(call, &get).await?;
        let looked = keys.into_iter().zip(values);
        looked.map(|(key, value)| Ok((key, live(call, value, now)?))).collect()
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.final_delete = true;
        capabilities.atomic_rotate = !self.server.is_cluster();
        capabilities.enumerate = true;
        capabilities.scan = !self.server.is_cluster();
        capabilities.durable = true;
        capabilities.max_bytes = Some(MAX_BYTES);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let draft = Draft::new(key, record, 1, now);
        let name = self.name(key);
        Ok(match self.write("create", &self.scripts.create, &[&name], &draft, &[]).await? {
            Said::Taken => Created::Taken,
            _ => Created::Stored(version_of(1, record, draft.value)),
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let mut get = cmd("GET");
        get.arg(self.name(key));
        live("load", again(|| self.server.ask("load", &get)).await?, now)
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let version = number(expected);
        let next = version.saturating_add(1);
        let draft = Draft::new(key, record, next, now);
        let name = self.name(key);
        // What the index of a user must be told, and what has ended, is for the script.
        let hint = expected.as_hint().filter(|held| held::lives(held, version, now));
        if let Some(old) = hint.filter(|_| record.user.is_none())
            && self.server.swap("save", &name, old, &draft.value, &draft.forget_at).await?
        {
            return Ok(Saved::Stored(version_of(next, record, draft.value)));
        }
        let version = version.to_string();
        let more = [version.as_bytes()];
        Ok(match self.write("save", &self.scripts.save, &[&name], &draft, &more).await? {
            Said::Conflict => Saved::Conflict,
            Said::Gone => Saved::Gone,
            _ => Saved::Stored(version_of(next, record, draft.value)),
        })
    }

    /// The user is known to the value alone, and the index must know the new end first: a session of a user takes a second
    /// look.
    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let (name, end, before) = (self.name(key), micros(expires_at), micros(from));
        let (forget_at, now) = (forget_at(expires_at).to_string(), micros(now));
        let mut user = None::<String>;
        loop {
            let known = user.as_deref().unwrap_or_default();
            let arguments = [&forget_at, &now, &end, &before, known].map(str::as_bytes);
            let known = if user.is_some() { &arguments[..] } else { &arguments[..4] };
            let said = self.server.run("touch", &self.scripts.touch, &[&name], known).await?;
            match Said::of("touch", said)? {
                Said::User(other) => {
                    self.remember("touch", &self.index(&other), key, &end, &now).await?;
                    user = Some(other);
                }
                Said::Conflict => return Ok(Touched::Conflict),
                Said::Gone => return Ok(Touched::Gone),
                _ => return Ok(Touched::Moved),
            }
        }
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        if self.server.is_cluster() {
            return self.rotate_in_steps(rotation, now).await;
        }
        let Rotation { from, to, record, left, expected } = *rotation;
        let version = number(expected);
        let next = version.saturating_add(1);
        let draft = Draft::new(to, record, next, now);
        let left_value = left.map_or_else(Vec::new, |left| held::encode(next, left));
        let left_until = forget_at(left.map_or(now, |left| left.expires_at)).to_string();
        let version = version.to_string();
        let more = [version.as_bytes(), &left_value, left_until.as_bytes()];
        let keys = [self.name(from), self.name(to)];
        let keys = keys.each_ref().map(String::as_str);
        Ok(match self.write("rotate", &self.scripts.rotate, &keys, &draft, &more).await? {
            Said::Conflict => Rotated::Conflict,
            Said::Gone => Rotated::Gone,
            Said::Taken => Rotated::Taken,
            _ => Rotated::Stored(version_of(next, record, draft.value)),
        })
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        Ok(match self.end("delete", key, "", now).await? {
            Said::Gone => Met::Gone,
            _ => Met::Live,
        })
    }

    /// Goes down the index, where no session stands below its end, until no session further down can be among the first.
    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut listed: Vec<Listed> = Vec::new();
        let mut offset = 0;
        loop {
            let mut range = cmd("ZREVRANGEBYSCORE");
            range.arg(self.index(user)).arg("+inf").arg(format!("({}", micros(now)));
            range.arg("WITHSCORES").arg("LIMIT").arg(offset).arg(CHUNK);
            let chunk: Vec<(String, f64)> = self.server.ask("list", &range).await?;
            let Some(&(_, lowest)) = chunk.last() else { break };
            offset += chunk.len();
            let is_last = chunk.len() < CHUNK;
            let keys = chunk.into_iter().map(|(key, _)| StoreKey::new(key)).collect();
            let looked = self.look("list", keys, now).await?;
            listed.extend(looked.into_iter().filter_map(|(key, loaded)| {
                let loaded = loaded.filter(|loaded| loaded.record.user.as_deref() == Some(user))?;
                Some(Listed { key, loaded })
            }));
            listed.sort_by_key(|listed| std::cmp::Reverse(listed.loaded.record.expires_at));
            listed.truncate(limit);
            let end = |listed: &Listed| listed.loaded.record.expires_at.as_microsecond();
            let is_full = listed.len() == limit;
            if is_last || is_full && listed.last().is_none_or(|last| end(last) as f64 >= lowest) {
                break;
            }
        }
        Ok(listed)
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        if self.server.is_cluster() {
            return Ok(Page::default());
        }
        let start = format!("{}s:", self.prefix);
        let mut scan = cmd("SCAN");
        scan.arg(from.map_or("0", Cursor::expose));
        scan.arg("MATCH").arg(format!("{}*", literally(&start))).arg("COUNT").arg(limit.max(1));
        let (next, names): (String, Vec<String>) = self.server.ask("scan", &scan).await?;
        let keys = names.iter().filter_map(|name| name.strip_prefix(&start));
        let keys = keys.map(StoreKey::new).collect();
        let looked = self.look("scan", keys, now).await?;
        let sessions =
            looked.into_iter().filter_map(|(key, loaded)| Some(Listed { key, loaded: loaded? }));
        let next = (next != "0").then(|| Cursor::new(next));
        Ok(Page { sessions: sessions.collect(), next })
    }

    /// Redis forgets by itself.
    async fn purge(&self, _: u32, _: Timestamp) -> Result<u32, StoreError> {
        Ok(0)
    }
}

/// Redis takes values of 512 MiB; some of it is for the line and the user.
const MAX_BYTES: usize = 512 * 1024 * 1024 - 64 * 1024;

/// How many entries of an index are looked at together.
const CHUNK: usize = 256;

/// The largest value that a save brings along to be compared. It goes over the wire a second time, and somewhere between 16 and
/// 32 KiB costs the server more than a script.
const MAX_SWAPPED: usize = 8 * 1024;

/// The version of what lies there as `value`, with that as its hint where a save may be one plain command.
fn version_of(number: u64, record: &Record, value: Vec<u8>) -> Version {
    let version = Version::number(number);
    if record.user.is_none() && value.len() <= MAX_SWAPPED {
        version.with_hint(value)
    } else {
        version
    }
}

/// A version that is no number is that of no session.
fn number(version: &Version) -> u64 {
    version.as_number().unwrap_or(u64::MAX)
}

/// The session that a value is, if it lives.
fn live(
    call: &'static str,
    value: Option<Vec<u8>>,
    now: Timestamp,
) -> Result<Option<Loaded>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    let held = held::decode(&value).ok_or_else(|| {
        let why = "what lies under the key of a session is none of this store's";
        StoreError::new(StoreErrorKind::Unreadable, call, why)
    })?;
    if !held.is_live(now) {
        return Ok(None);
    }
    let version = version_of(held.version, &held.record, value);
    Ok(Some(Loaded { record: held.record, version }))
}

/// A pattern that is met by this text alone.
fn literally(text: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '\\' | '^');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
