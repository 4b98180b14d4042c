//! Native sessions in SQLite.
//!
//! A deleted or rotated session leaves its key with version 0 and no data until it would have run out; that is how it stays
//! dead. The statements stand in `*.sql` beside this file, the table in `schema`.

use std::{path::Path, str::FromStr, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row as _, sqlite::SqliteRow};
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Subject, Version,
};

use super::{Pools, Query, SqliteOptions, met, page, schema, trouble};

/// Keeps sessions in a SQLite database. Clones share it. Several processes may use one database.
///
/// Ended sessions lie there until [`SessionStore::purge`] forgets them; run a purge from time to time.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pools: Pools,
}

const CREATE: &str = include_str!("create.sql");
const LOAD: &str = include_str!("load.sql");
const SAVE: &str = include_str!("save.sql");
const TOUCH: &str = include_str!("touch.sql");
const END: &str = include_str!("end.sql");
const SCAN: &str = include_str!("scan.sql");
const LIST: &str = include_str!("list.sql");
const PURGE: &str = include_str!("purge.sql");

impl SqliteStore {
    /// Opens the database at `path`, and creates it and its table where they are missing. The application may keep tables of
    /// its own in it.
    ///
    /// # Errors
    /// When it cannot be opened, or its table was written by something newer.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        let pools = Pools::open(path, &options, true).await?;
        schema::migrate(&pools.writer).await?;
        Ok(SqliteStore { pools })
    }

    /// Closes the connections. Calls that come later fail.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// Whether a session is live, whatever its version.
    async fn is_live(
        &self,
        call: &'static str,
        key: &StoreKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(LOAD)
            .bind(key.expose())
            .bind(now.as_microsecond())
            .fetch_optional(&self.pools.writer)
            .await;
        row.map(|row| row.is_some()).map_err(|error| trouble(call, error))
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.final_delete = true;
        capabilities.atomic_rotate = true;
        capabilities.purge = true;
        capabilities.enumerate = true;
        capabilities.scan = true;
        capabilities.durable = true;
        // SQLite's own limit for a value, as it is compiled by default.
        capabilities.max_bytes = Some(1_000_000_000);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        let inserted = insert(key, record, 1)
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("create", error))?;
        Ok(match inserted.rows_affected() {
            0 => Created::Taken,
            _ => Created::Stored(Version::number(1)),
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let row = sqlx::query(LOAD)
            .bind(key.expose())
            .bind(now.as_microsecond())
            .fetch_optional(&self.pools.readers)
            .await
            .map_err(|error| trouble("load", error))?;
        row.map(|row| read(&row)).transpose()
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let version = number(expected);
        let updated = update(key, record, version, now)
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("save", error))?;
        if updated.rows_affected() == 1 {
            return Ok(Saved::Stored(next(version)));
        }
        let live = self.is_live("save", key, now).await?;
        Ok(if live { Saved::Conflict } else { Saved::Gone })
    }

    async fn touch(
        &self,
        key: &StoreKey,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Met, StoreError> {
        let updated = sqlx::query(TOUCH)
            .bind(expires_at.as_microsecond())
            .bind(key.expose())
            .bind(now.as_microsecond())
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("touch", error))?;
        Ok(met(updated.rows_affected()))
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let wrong = |error| trouble("rotate", error);
        let version = number(expected);
        // Dropped before its commit, a transaction takes everything back.
        let mut all = self.pools.writer.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        let live = sqlx::query(LOAD)
            .bind(from.expose())
            .bind(now.as_microsecond())
            .fetch_optional(&mut *all)
            .await
            .map_err(wrong)?;
        let Some(live) = live else { return Ok(Rotated::Gone) };
        if live.try_get::<i64, _>("version").map_err(wrong)? != version {
            return Ok(Rotated::Conflict);
        }
        let inserted = insert(to, record, version.saturating_add(1)).execute(&mut *all).await;
        if inserted.map_err(wrong)?.rows_affected() == 0 {
            return Ok(Rotated::Taken);
        }
        let rest = match left {
            Some(left) => update(from, left, version, now),
            None => end(from, now),
        };
        rest.execute(&mut *all).await.map_err(wrong)?;
        all.commit().await.map_err(wrong)?;
        Ok(Rotated::Stored(next(version)))
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let ended = end(key, now).execute(&self.pools.writer).await;
        ended.map(|done| met(done.rows_affected())).map_err(|error| trouble("delete", error))
    }

    async fn list(
        &self,
        user: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(LIST)
            .bind(user)
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(&self.pools.readers)
            .await
            .map_err(|error| trouble("list", error))?;
        rows.iter().map(listed).collect()
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let rows = sqlx::query(SCAN)
            .bind(from.map_or("", Cursor::expose))
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .fetch_all(&self.pools.readers)
            .await
            .map_err(|error| trouble("scan", error))?;
        let sessions: Vec<_> = rows.iter().map(listed).collect::<Result<_, _>>()?;
        Ok(page(sessions, limit))
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let purged = sqlx::query(PURGE)
            .bind(now.as_microsecond())
            .bind(i64::from(limit))
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("purge", error))?;
        Ok(u32::try_from(purged.rows_affected()).unwrap_or(u32::MAX))
    }
}

fn insert<'q>(key: &'q StoreKey, record: &'q Record, version: i64) -> Query<'q> {
    sqlx::query(CREATE)
        .bind(key.expose())
        .bind(version)
        .bind(&*record.data)
        .bind(record.expires_at.as_microsecond())
        .bind(record.subject.map(|subject| subject.to_string()))
        .bind(record.user.as_deref())
}

fn update<'q>(key: &'q StoreKey, record: &'q Record, version: i64, now: Timestamp) -> Query<'q> {
    sqlx::query(SAVE)
        .bind(&*record.data)
        .bind(record.expires_at.as_microsecond())
        .bind(record.subject.map(|subject| subject.to_string()))
        .bind(record.user.as_deref())
        .bind(key.expose())
        .bind(version)
        .bind(now.as_microsecond())
}

fn end(key: &StoreKey, now: Timestamp) -> Query<'_> {
    sqlx::query(END).bind(key.expose()).bind(now.as_microsecond())
}

/// A version that is no number of ours is that of no row.
fn number(version: &Version) -> i64 {
    version.as_number().and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)
}

fn next(version: i64) -> Version {
    Version::number(u64::try_from(version.saturating_add(1)).unwrap_or_default())
}

fn listed(row: &SqliteRow) -> Result<Listed, StoreError> {
    let key: String = row.try_get("key").map_err(|error| trouble("list", error))?;
    Ok(Listed { key: StoreKey::new(key), loaded: read(row)? })
}

fn read(row: &SqliteRow) -> Result<Loaded, StoreError> {
    let wrong = |error| trouble("load", error);
    let subject: Option<String> = row.try_get("subject").map_err(wrong)?;
    let subject = subject.map(|text| Subject::from_str(&text)).transpose();
    let user: Option<String> = row.try_get("user").map_err(wrong)?;
    let version: i64 = row.try_get("version").map_err(wrong)?;
    let data: Vec<u8> = row.try_get("data").map_err(wrong)?;
    let expires_at = Timestamp::from_microsecond(row.try_get("expires_at").map_err(wrong)?);
    let unreadable = |why: String| StoreError::new(StoreErrorKind::Unreadable, "load", why);
    Ok(Loaded {
        record: Record {
            data: data.into(),
            expires_at: expires_at.map_err(|error| unreadable(error.to_string()))?,
            subject: subject.map_err(|error| unreadable(error.to_string()))?,
            user: user.map(Arc::from),
        },
        version: Version::number(u64::try_from(version).unwrap_or_default()),
    })
}
