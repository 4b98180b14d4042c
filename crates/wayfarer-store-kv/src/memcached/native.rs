//! Native sessions in Memcached.
//!
//! A session is one item with its version inside; see [`held`]. Memcached counts states too, and a touch is a
//! new state there, so a [`Version`] here is three numbers: ours, Memcached's, and the end. A save tries Memcached's first,
//! in one round trip, and looks closer only if that one has moved.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Touched, Version,
};

use super::{
    MAX_BYTES, MemcachedOptions, Servers,
    client::{Code, command},
    is_key, no_key, unix,
};
use crate::held::{self, Held};

/// Keeps sessions in Memcached, on one server or several. Clones share the connections.
///
/// What Memcached cannot promise: it forgets what it has no room for, and everything when it ends, so that people are logged
/// out. Nobody is logged in again by that, since a save never creates a session. Put it in front of a store that lasts
/// (`CachedStore`), or use it where that is no harm. Sessions are not listed, and a rotation is two steps, in which both keys
/// live for a moment.
#[derive(Clone)]
pub struct MemcachedStore {
    servers: Arc<Servers>,
    prefix: String,
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedStore").field("servers", &self.servers).finish_non_exhaustive()
    }
}

/// The state of an item.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    version: u64,
    cas: u64,
    /// Microseconds of UTC.
    end: i64,
}

impl State {
    fn version(self) -> Version {
        let [version, cas, end] =
            [self.version.to_be_bytes(), self.cas.to_be_bytes(), self.end.to_be_bytes()];
        Version::content([version, cas, end].concat())
    }

    /// A version that is not of this store's is that of no session.
    fn of(version: &Version) -> State {
        let mut numbers = version.as_content().unwrap_or_default().as_chunks().0.iter().copied();
        let mut next = || numbers.next().unwrap_or([0xff; 8]);
        State {
            version: u64::from_be_bytes(next()),
            cas: u64::from_be_bytes(next()),
            end: i64::from_be_bytes(next()),
        }
    }
}

/// An item with its state.
struct Found {
    held: Held,
    state: State,
}

/// What a change does to a live session: what it should become, or `None` where it must not be changed.
type Change<'a> = dyn Fn(&Held) -> Option<Held> + Send + Sync + 'a;

/// What came of a change.
enum Changed {
    To(State),
    /// The change did not want it.
    Refused,
    Gone,
}

impl MemcachedStore {
    /// Connects to servers at addresses such as `127.0.0.1:11211`. All users of the same sessions must name the same servers,
    /// in any order.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub async fn open(
        addresses: &[&str],
        options: MemcachedOptions,
    ) -> Result<MemcachedStore, StoreError> {
        let servers = Arc::new(Servers::open(addresses, &options).await?);
        let prefix = options.prefix.unwrap_or_else(|| "wayfarer:".to_owned());
        Ok(MemcachedStore { servers, prefix })
    }

    /// The name of a session, if Memcached takes it for one.
    fn name(&self, key: &StoreKey) -> Option<String> {
        Some(format!("{}{}", self.prefix, key.expose())).filter(|name| is_key(name))
    }

    async fn look(
        &self,
        call: &'static str,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let Some(item) = self.servers.get(call, name).await? else { return Ok(None) };
        let held = held::decode(&item.value).ok_or_else(|| {
            let why = "what lies under the key of a session is none of this store's";
            StoreError::new(StoreErrorKind::Unreadable, call, why)
        })?;
        let end = held.record.expires_at.as_microsecond();
        let state = State { version: held.version, cas: item.cas, end };
        Ok(held.is_live(now).then_some(Found { held, state }))
    }

    /// Puts an item in the place of one in this state. `None` if it is in another.
    async fn replace(
        &self,
        call: &'static str,
        name: &str,
        held: &Held,
        cas: u64,
    ) -> Result<Option<State>, StoreError> {
        let value = held::encode(held.version, &held.record);
        let question = command::replace(name, &value, unix(held.record.expires_at), 0, cas);
        let answer = self.servers.ask(call, name, question).await?;
        let end = held.record.expires_at.as_microsecond();
        let state = State { version: held.version, cas: answer.cas, end };
        Ok((answer.code == Code::Done).then_some(state))
    }

    /// Changes a live session, however often others do so meanwhile.
    async fn change(
        &self,
        call: &'static str,
        key: &StoreKey,
        now: Timestamp,
        change: &Change<'_>,
    ) -> Result<Changed, StoreError> {
        let Some(name) = self.name(key) else { return Ok(Changed::Gone) };
        loop {
            let Some(found) = self.look(call, &name, now).await? else { return Ok(Changed::Gone) };
            let Some(held) = change(&found.held) else { return Ok(Changed::Refused) };
            if let Some(state) = self.replace(call, &name, &held, found.state.cas).await? {
                return Ok(Changed::To(state));
            }
        }
    }

    /// Stores a new session where there is nothing. `None` if the key is in use.
    async fn add(
        &self,
        call: &'static str,
        key: &StoreKey,
        record: &Record,
        version: u64,
    ) -> Result<Option<State>, StoreError> {
        let name = self.name(key).ok_or_else(|| no_key(call))?;
        let value = held::encode(version, record);
        let question = command::add(&name, &value, unix(record.expires_at), 0);
        let answer = self.servers.ask(call, &name, question).await?;
        let end = record.expires_at.as_microsecond();
        Ok((answer.code == Code::Done).then_some(State { version, cas: answer.cas, end }))
    }
}

#[async_trait]
impl SessionStore for MemcachedStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.max_bytes = Some(MAX_BYTES);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        let state = self.add("create", key, record, 1).await?;
        Ok(state.map_or(Created::Taken, |state| Created::Stored(state.version())))
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let Some(name) = self.name(key) else { return Ok(None) };
        let found = self.look("load", &name, now).await?;
        Ok(found
            .map(|Found { held, state }| Loaded { record: held.record, version: state.version() }))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let before = State::of(expected);
        let Some(name) = self.name(key) else { return Ok(Saved::Gone) };
        let next = Held { version: before.version.saturating_add(1), record: record.clone() };
        let lives = before.end > now.as_microsecond();
        if lives && let Some(state) = self.replace("save", &name, &next, before.cas).await? {
            return Ok(Saved::Stored(state.version()));
        }
        // It may have been touched alone.
        let change = |held: &Held| {
            (held.version == before.version)
                .then(|| Held { version: next.version, record: record.clone() })
        };
        Ok(match self.change("save", key, now, &change).await? {
            Changed::To(state) => Saved::Stored(state.version()),
            Changed::Refused => Saved::Conflict,
            Changed::Gone => Saved::Gone,
        })
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let change = |held: &Held| {
            held.record.ends_at(from).then(|| {
                let record = Record { expires_at, ..held.record.clone() };
                Held { version: held.version, record }
            })
        };
        Ok(match self.change("touch", key, now, &change).await? {
            Changed::To(_) => Touched::Moved,
            Changed::Refused => Touched::Conflict,
            Changed::Gone => Touched::Gone,
        })
    }

    /// The new key first, then the old one, and on a conflict the new one away again.
    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let before = State::of(expected).version;
        let next = before.saturating_add(1);
        let Some(state) = self.add("rotate", to, record, next).await? else {
            return Ok(Rotated::Taken);
        };
        let change = |held: &Held| {
            (held.version == before).then(|| match left {
                Some(left) => Held { version: next, record: left.clone() },
                None => Held::ended(held.record.expires_at),
            })
        };
        let rotated = match self.change("rotate", from, now, &change).await? {
            Changed::To(_) => return Ok(Rotated::Stored(state.version())),
            Changed::Refused => Rotated::Conflict,
            Changed::Gone => Rotated::Gone,
        };
        // No browser has seen this key: nothing needs to keep it dead.
        let name = self.name(to).ok_or_else(|| no_key("rotate"))?;
        self.servers.ask("rotate", &name, command::delete(&name, Some(state.cas))).await?;
        Ok(rotated)
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let change = |held: &Held| Some(Held::ended(held.record.expires_at));
        Ok(match self.change("delete", key, now, &change).await? {
            Changed::To(_) => Met::Live,
            Changed::Refused | Changed::Gone => Met::Gone,
        })
    }

    /// Memcached has no index.
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
