//! Native sessions in a table of our own, the same in every database.
//!
//! A deleted or rotated session leaves its key with version 0 and no data until it would have run out; that is how it stays
//! dead. Every change is one statement; a rotation is one transaction.

use std::{str::FromStr, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{
    BoxError, Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation,
    Saved, SessionStore, StoreError, StoreErrorKind, StoreKey, Subject, Touched, Version,
};

use crate::database::{Database, FromRow, Row, Step, Value};

/// Keeps sessions in a SQL database. Clones share it. Several processes may use one database.
///
/// Ended sessions lie there until [`SessionStore::purge`] forgets them; run a purge from time to time.
#[derive(Clone, Debug)]
pub struct NativeStore<D> {
    database: D,
}

impl<D: Database> NativeStore<D> {
    /// Keeps sessions in this database, whose table it provides.
    pub(crate) async fn in_database(database: D) -> Result<NativeStore<D>, StoreError> {
        database.provide_native().await?;
        Ok(NativeStore { database })
    }

    pub(crate) fn database(&self) -> &D {
        &self.database
    }

    /// Closes the connections. Calls that come later fail.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether a session is live, whatever its version.
    async fn is_live(
        &self,
        call: &'static str,
        key: &StoreKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row: Option<Stored> = self.database.row(call, load::<D>(key, now)).await?;
        Ok(row.is_some())
    }
}

#[async_trait]
impl<D: Database> SessionStore for NativeStore<D> {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.final_delete = true;
        capabilities.atomic_rotate = true;
        capabilities.purge = true;
        capabilities.enumerate = true;
        capabilities.scan = true;
        capabilities.durable = true;
        capabilities.max_bytes = Some(D::MAX_BYTES);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        Ok(match self.database.change("create", create::<D>(key, record, 1)).await? {
            0 => Created::Taken,
            _ => Created::Stored(Version::number(1)),
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let row: Option<Stored> = self.database.row("load", load::<D>(key, now)).await?;
        row.map(Stored::loaded).transpose()
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let version = number(expected);
        if self.database.change("save", save::<D>(key, record, version, now)).await? > 0 {
            return Ok(Saved::Stored(next(version)));
        }
        let live = self.is_live("save", key, now).await?;
        Ok(if live { Saved::Conflict } else { Saved::Gone })
    }

    async fn touch(
        &self,
        key: &StoreKey,
        from: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Touched, StoreError> {
        let (end, before) = (micros(expires_at), micros(from));
        let values = vec![end, Value::Text(key.expose()), before, micros(now)];
        if self.database.change("touch", (D::NATIVE.touch, values)).await? > 0 {
            return Ok(Touched::Moved);
        }
        let live = self.is_live("touch", key, now).await?;
        Ok(if live { Touched::Conflict } else { Touched::Gone })
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let version = number(expected);
        let leave = match left {
            Some(left) => save::<D>(from, left, version, now),
            None => {
                let values = vec![Value::Text(from.expose()), Value::Number(version), micros(now)];
                (D::NATIVE.end_version, values)
            }
        };
        let enter = create::<D>(to, record, version.saturating_add(1));
        match self.database.all_or_nothing("rotate", vec![leave, enter]).await? {
            None => Ok(Rotated::Stored(next(version))),
            Some(0) if self.is_live("rotate", from, now).await? => Ok(Rotated::Conflict),
            Some(0) => Ok(Rotated::Gone),
            Some(_) => Ok(Rotated::Taken),
        }
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let values = vec![Value::Text(key.expose()), micros(now)];
        self.database.change("delete", (D::NATIVE.end, values)).await.map(met)
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let values = vec![Value::Text(user), micros(now), Value::Number(i64::from(limit))];
        let rows: Vec<Keyed> = self.database.rows("list", (D::NATIVE.list, values)).await?;
        rows.into_iter().map(Keyed::listed).collect()
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let after = Value::Text(from.map_or("", Cursor::expose));
        let values = vec![after, micros(now), Value::Number(i64::from(limit))];
        let rows: Vec<Keyed> = self.database.rows("scan", (D::NATIVE.scan, values)).await?;
        let sessions: Vec<_> = rows.into_iter().map(Keyed::listed).collect::<Result<_, _>>()?;
        Ok(page(sessions, limit))
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let values = vec![micros(now), Value::Number(i64::from(limit))];
        let purged = self.database.change("purge", (D::NATIVE.purge, values)).await?;
        Ok(u32::try_from(purged).unwrap_or(u32::MAX))
    }
}

fn create<'a, D: Database>(key: &'a StoreKey, record: &'a Record, version: i64) -> Step<'a> {
    let mut values = vec![Value::Text(key.expose()), Value::Number(version)];
    values.extend(columns(record));
    (D::NATIVE.create, values)
}

fn load<D: Database>(key: &StoreKey, now: Timestamp) -> Step<'_> {
    (D::NATIVE.load, vec![Value::Text(key.expose()), micros(now)])
}

fn save<'a, D: Database>(
    key: &'a StoreKey,
    record: &'a Record,
    version: i64,
    now: Timestamp,
) -> Step<'a> {
    let mut values = Vec::from(columns(record));
    values.extend([Value::Text(key.expose()), Value::Number(version), micros(now)]);
    (D::NATIVE.save, values)
}

/// data, end, subject, user.
fn columns(record: &Record) -> [Value<'_>; 4] {
    [
        Value::Bytes(&record.data),
        micros(record.expires_at),
        Value::MaybeText(record.subject.map(|subject| subject.to_string())),
        Value::MaybeText(record.user.as_deref().map(str::to_owned)),
    ]
}

pub(crate) fn micros(at: Timestamp) -> Value<'static> {
    Value::Number(at.as_microsecond())
}

pub(crate) fn met(rows: u64) -> Met {
    if rows == 0 { Met::Gone } else { Met::Live }
}

/// A page of sessions in the order of their keys. A full page may have one after it.
pub(crate) fn page(sessions: Vec<Listed>, limit: u32) -> Page {
    let full = u32::try_from(sessions.len()).is_ok_and(|count| count >= limit.max(1));
    let last = sessions.last().filter(|_| full);
    let next = last.map(|last| Cursor::new(last.key.expose()));
    Page { sessions, next }
}

/// A version that is no number of ours is that of no row.
fn number(version: &Version) -> i64 {
    version.as_number().and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)
}

fn next(version: i64) -> Version {
    Version::number(u64::try_from(version.saturating_add(1)).unwrap_or_default())
}

/// A row, as it is stored.
pub(crate) struct Stored {
    version: i64,
    data: Vec<u8>,
    expires_at: i64,
    subject: Option<String>,
    user: Option<String>,
}

impl FromRow for Stored {
    fn from_row(row: &impl Row) -> Result<Stored, BoxError> {
        Ok(Stored {
            version: row.number("version")?,
            data: row.bytes("data")?,
            expires_at: row.number("expires_at")?,
            subject: row.maybe_text("subject")?,
            user: row.maybe_text("user")?,
        })
    }
}

impl Stored {
    fn loaded(self) -> Result<Loaded, StoreError> {
        let unreadable = |why: String| StoreError::new(StoreErrorKind::Unreadable, "load", why);
        let expires_at = Timestamp::from_microsecond(self.expires_at);
        let subject = self.subject.map(|text| Subject::from_str(&text)).transpose();
        Ok(Loaded {
            record: Record {
                data: self.data.into(),
                expires_at: expires_at.map_err(|error| unreadable(error.to_string()))?,
                subject: subject.map_err(|error| unreadable(error.to_string()))?,
                user: self.user.map(Arc::from),
            },
            version: Version::number(u64::try_from(self.version).unwrap_or_default()),
        })
    }
}

/// A row with its key.
pub(crate) struct Keyed {
    key: String,
    stored: Stored,
}

impl FromRow for Keyed {
    fn from_row(row: &impl Row) -> Result<Keyed, BoxError> {
        Ok(Keyed { key: row.text("key")?, stored: Stored::from_row(row)? })
    }
}

impl Keyed {
    pub(crate) fn listed(self) -> Result<Listed, StoreError> {
        Ok(Listed { key: StoreKey::new(self.key), loaded: self.stored.loaded()? })
    }
}
