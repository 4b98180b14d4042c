//! The store over a folder of files, whatever their form.

use std::{fmt, io, sync::PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Files, Inner,
    folder::{Content, MAX_BYTES, Written, is_key},
    trouble, unreadable,
};
use crate::{
    key::StoreKey,
    store::{
        Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
        SessionStore, StoreError, Touched, Version,
    },
};

/// What a session's file holds. Outside of this crate there is no other form.
pub trait Form: fmt::Debug + Send + Sync + 'static {
    /// Whether files are spread over folders.
    const SPREAD: bool;

    /// What the names of files begin with.
    fn prefix(&self) -> &str;

    /// Adds what this form promises.
    fn promises(&self, capabilities: &mut Capabilities);

    /// What a file holds, or why it cannot be read.
    fn read(&self, content: Content) -> Result<Entry, crate::BoxError>;

    /// The file of a session that is saved `now`.
    fn write(&self, record: &Record, version: &Version, now: Timestamp) -> Written;

    /// What is left of a session that ended; `None`: nothing.
    fn dead(&self, until: Timestamp) -> Option<Written>;

    /// The state after `last`, or the first one.
    fn next(&self, last: Option<&Version>, record: &Record) -> Version;
}

/// What lies under a key: a session, or the mark that there was one.
#[derive(Debug)]
pub enum Entry {
    /// A session, live or not.
    Session(Loaded),
    /// It ended, and would have run out then.
    Dead {
        /// Its end.
        until: Timestamp,
    },
}

impl Entry {
    fn until(&self) -> Timestamp {
        match self {
            Entry::Session(loaded) => loaded.record.expires_at,
            Entry::Dead { until } => *until,
        }
    }

    fn live(self, now: Timestamp) -> Option<Loaded> {
        match self {
            Entry::Session(loaded) if loaded.record.expires_at > now => Some(loaded),
            Entry::Session(_) | Entry::Dead { .. } => None,
        }
    }
}

impl<F: Form> Inner<F> {
    fn entry(&self, call: &'static str, key: &str) -> Result<Option<Entry>, StoreError> {
        if !is_key(key) {
            return Ok(None);
        }
        let content = self.folder.read(key).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => unreadable(call, error),
            _ => trouble(call, error),
        })?;
        content
            .map(|content| self.form.read(content))
            .transpose()
            .map_err(|why| unreadable(call, why))
    }

    fn live(
        &self,
        call: &'static str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Loaded>, StoreError> {
        Ok(self.entry(call, key)?.and_then(|entry| entry.live(now)))
    }

    fn put(
        &self,
        call: &'static str,
        key: &str,
        (record, version): (&Record, &Version),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let written = self.form.write(record, version, now);
        self.folder.write(key, &written).map_err(|error| trouble(call, error))
    }

    fn end(&self, call: &'static str, key: &str, until: Timestamp) -> Result<(), StoreError> {
        let ended = match self.form.dead(until) {
            Some(mark) => self.folder.write(key, &mark),
            None => self.folder.remove(key),
        };
        ended.map_err(|error| trouble(call, error))
    }

    fn create(&self, key: &str, record: &Record, now: Timestamp) -> Result<Created, StoreError> {
        const CALL: &str = "create";
        let key = fit(CALL, key)?;
        let _locks = self.folder.lock(&[key]).map_err(|error| trouble(CALL, error))?;
        if self.folder.exists(key).map_err(|error| trouble(CALL, error))? {
            return Ok(Created::Taken);
        }
        let version = self.form.next(None, record);
        self.put(CALL, key, (record, &version), now)?;
        Ok(Created::Stored(version))
    }

    fn save(
        &self,
        key: &str,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        const CALL: &str = "save";
        let _locks = self.folder.lock(&[key]).map_err(|error| trouble(CALL, error))?;
        let Some(live) = self.live(CALL, key, now)? else { return Ok(Saved::Gone) };
        if live.version != *expected {
            return Ok(Saved::Conflict);
        }
        let version = self.form.next(Some(&live.version), record);
        self.put(CALL, key, (record, &version), now)?;
        Ok(Saved::Stored(version))
    }

    fn touch(
        &self,
        key: &str,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        const CALL: &str = "touch";
        let _locks = self.folder.lock(&[key]).map_err(|error| trouble(CALL, error))?;
        let Some(live) = self.live(CALL, key, now)? else { return Ok(Touched::Gone) };
        if !live.record.ends_at(from) {
            return Ok(Touched::Conflict);
        }
        let record = Record { expires_at, ..live.record };
        self.put(CALL, key, (&record, &live.version), now)?;
        Ok(Touched::Moved)
    }

    fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        const CALL: &str = "rotate";
        let Rotation { record, left, expected, .. } = *rotation;
        let (from, to) = (rotation.from.expose(), fit(CALL, rotation.to.expose())?);
        let _locks = self.folder.lock(&[from, to]).map_err(|error| trouble(CALL, error))?;
        let Some(live) = self.live(CALL, from, now)? else { return Ok(Rotated::Gone) };
        if live.version != *expected {
            return Ok(Rotated::Conflict);
        }
        if self.folder.exists(to).map_err(|error| trouble(CALL, error))? {
            return Ok(Rotated::Taken);
        }
        // The new key first: whatever happens between, the session is not lost.
        let version = self.form.next(Some(&live.version), record);
        self.put(CALL, to, (record, &version), now)?;
        match left {
            Some(left) => {
                let version = self.form.next(Some(&live.version), left);
                self.put(CALL, from, (left, &version), now)?;
            }
            None => self.end(CALL, from, record.expires_at)?,
        }
        Ok(Rotated::Stored(version))
    }

    fn delete(&self, key: &str, now: Timestamp) -> Result<Met, StoreError> {
        const CALL: &str = "delete";
        let _locks = self.folder.lock(&[key]).map_err(|error| trouble(CALL, error))?;
        let Some(live) = self.live(CALL, key, now)? else { return Ok(Met::Gone) };
        self.end(CALL, key, live.record.expires_at)?;
        Ok(Met::Live)
    }

    fn list(&self, user: &str, limit: u32, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        self.folder.walk(None, |key| {
            // What cannot be read is nobody's session.
            let live = self.live("list", key, now).unwrap_or_default();
            if let Some(loaded) = live.filter(|live| live.record.user.as_deref() == Some(user)) {
                listed.push(Listed { key: StoreKey::new(key), loaded });
            }
            Ok::<_, Walking>(true)
        })?;
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.loaded.record.expires_at));
        listed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(listed)
    }

    fn scan(&self, from: Option<&str>, limit: u32, now: Timestamp) -> Result<Page, StoreError> {
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let (mut sessions, mut next) = (Vec::new(), None);
        self.folder.walk(from, |key| {
            let Some(loaded) = self.live("scan", key, now)? else { return Ok(true) };
            sessions.push(Listed { key: StoreKey::new(key), loaded });
            let full = sessions.len() == limit;
            next = full.then(|| Cursor::new(key));
            Ok::<_, Walking>(!full)
        })?;
        Ok(Page { sessions, next })
    }

    /// Goes on where the last purge stopped, to the end and around to that place again.
    fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let stopped = || self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        let from = stopped().take();
        let mut forgotten = 0;
        let mut visit = |key: &str| {
            let full = forgotten == limit;
            if full {
                return Ok::<_, Walking>(false);
            }
            forgotten += u32::from(self.forget(key, now)?);
            *stopped() = Some(key.to_owned());
            Ok(true)
        };
        self.folder.walk(from.as_deref(), &mut visit)?;
        if let Some(from) = from {
            self.folder.walk(None, |key| if *key <= *from { visit(key) } else { Ok(false) })?;
        }
        if forgotten < limit {
            *stopped() = None;
        }
        Ok(forgotten)
    }

    /// Forgets what lies under a key if it ran out. What cannot be read is left as it is.
    fn forget(&self, key: &str, now: Timestamp) -> Result<bool, StoreError> {
        const CALL: &str = "purge";
        let ran_out = || match self.entry(CALL, key) {
            Ok(Some(entry)) => Ok(entry.until() <= now),
            // Nothing but what a crash left beside it.
            Ok(None) => Ok(true),
            Err(error) if error.kind() == crate::StoreErrorKind::Unreadable => Ok(false),
            Err(error) => Err(error),
        };
        if !ran_out()? {
            return Ok(false);
        }
        let _locks = self.folder.lock(&[key]).map_err(|error| trouble(CALL, error))?;
        self.folder.tidy(key);
        // It may have been touched before the lock was ours.
        let there = self.folder.exists(key).map_err(|error| trouble(CALL, error))?;
        if !there || !ran_out()? {
            return Ok(false);
        }
        self.folder.remove(key).map_err(|error| trouble(CALL, error))?;
        Ok(true)
    }
}

/// Trouble on a walk: of the folder, or of a file.
struct Walking(StoreError);

impl From<io::Error> for Walking {
    fn from(error: io::Error) -> Walking {
        Walking(trouble("walk over a folder", error))
    }
}

impl From<StoreError> for Walking {
    fn from(error: StoreError) -> Walking {
        Walking(error)
    }
}

impl From<Walking> for StoreError {
    fn from(Walking(error): Walking) -> StoreError {
        error
    }
}

/// A key that may be the name of a file.
fn fit<'a>(call: &'static str, key: &'a str) -> Result<&'a str, StoreError> {
    if is_key(key) {
        return Ok(key);
    }
    Err(trouble(call, "the key has other characters than a-z and 0-9, so no file is named by it"))
}

impl<F: Form> Files<F> {
    /// Does blocking work beside the tasks. Once it has begun it is finished, even if nobody waits for it any more.
    async fn work<T: Send + 'static>(
        &self,
        call: &'static str,
        work: impl FnOnce(&Inner<F>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let files = std::sync::Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.map_err(|error| trouble(call, error))?
    }
}

#[async_trait]
impl<F: Form> SessionStore for Files<F> {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities {
            cas: true,
            purge: true,
            scan: true,
            durable: true,
            max_bytes: Some(MAX_BYTES),
            ..Capabilities::none()
        };
        self.0.form.promises(&mut capabilities);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let (key, record) = (key.clone(), record.clone());
        self.work("create", move |files| files.create(key.expose(), &record, now)).await
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let key = key.clone();
        self.work("load", move |files| files.live("load", key.expose(), now)).await
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let (key, record, expected) = (key.clone(), record.clone(), expected.clone());
        self.work("save", move |files| files.save(key.expose(), &record, &expected, now)).await
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let key = key.clone();
        self.work("touch", move |files| files.touch(key.expose(), from, expires_at, now)).await
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let (from, to) = (rotation.from.clone(), rotation.to.clone());
        let (record, left) = (rotation.record.clone(), rotation.left.cloned());
        let expected = rotation.expected.clone();
        self.work("rotate", move |files| {
            let (record, left) = (&record, left.as_ref());
            let rotation = Rotation { from: &from, to: &to, record, left, expected: &expected };
            files.rotate(&rotation, now)
        })
        .await
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let key = key.clone();
        self.work("delete", move |files| files.delete(key.expose(), now)).await
    }

    /// Looks at every file.
    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        if !self.capabilities().enumerate {
            return Ok(Vec::new());
        }
        let user = user.to_owned();
        self.work("list", move |files| files.list(&user, limit, now)).await
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let from = from.map(|cursor| cursor.expose().to_owned());
        self.work("scan", move |files| files.scan(from.as_deref(), limit, now)).await
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        self.work("purge", move |files| files.purge(limit, now)).await
    }
}
