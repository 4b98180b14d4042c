//! Django's table `django_session` in SQLite: the same rows that Django's `db` engine reads and writes.
//!
//! The table has no room for a version, so a save compares the stored value itself. It has no room for a mark either: a
//! deleted session leaves nothing, and only the session layer, which takes no unknown key on, keeps it dead. Django beside
//! us writes without looking; what it overwrites is lost, as it is between two requests of Django.

use std::path::Path;

use async_trait::async_trait;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sqlx::{Row as _, raw_sql, sqlite::SqliteRow};
use wayfarer_session::{
    Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation, Saved,
    SessionStore, StoreError, StoreErrorKind, StoreKey, Version,
};

use super::{Pools, Query, SqliteOptions, met, page, trouble};

/// Keeps sessions in Django's table, for the session layer in django mode. Clones share it.
///
/// The project must have `USE_TZ = True`, Django's default.
#[derive(Clone, Debug)]
pub struct DjangoSqliteStore {
    pools: Pools,
}

const SCHEMA: &str = include_str!("django_schema.sql");

const INSERT: &str = "INSERT INTO django_session (session_key, session_data, expire_date)
    VALUES (?, ?, ?) ON CONFLICT (session_key) DO NOTHING";
const LOAD: &str = "SELECT session_data, expire_date FROM django_session
    WHERE session_key = ? AND expire_date > ?";
const SAVE: &str = "UPDATE django_session SET session_data = ?, expire_date = ?
    WHERE session_key = ? AND session_data = ? AND expire_date > ?";
const SCAN: &str = "SELECT session_key, session_data, expire_date FROM django_session
    WHERE session_key > ? AND expire_date > ? ORDER BY session_key LIMIT ?";
const TOUCH: &str =
    "UPDATE django_session SET expire_date = ? WHERE session_key = ? AND expire_date > ?";
const DELETE: &str = "DELETE FROM django_session WHERE session_key = ? AND expire_date > ?";
const PURGE: &str = "DELETE FROM django_session WHERE session_key IN (
    SELECT session_key FROM django_session WHERE expire_date <= ? ORDER BY expire_date LIMIT ?)";

impl DjangoSqliteStore {
    /// Opens a project's database, and creates `django_session` as Django would where it is missing. The journal mode of
    /// the database stays as it is.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(
        path: &Path,
        options: SqliteOptions,
    ) -> Result<DjangoSqliteStore, StoreError> {
        let pools = Pools::open(path, &options, false).await?;
        let store = DjangoSqliteStore { pools };
        store.migrate().await.map_err(|error| trouble("migrate", error))?;
        Ok(store)
    }

    /// Closes the connections. Calls that come later fail.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    async fn migrate(&self) -> Result<(), sqlx::Error> {
        let mut all = self.pools.writer.begin_with("BEGIN IMMEDIATE").await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE name IN ('django_session', 'django_migrations')",
        )
        .fetch_all(&mut *all)
        .await?;
        let has = |name: &str| tables.iter().any(|table| table == name);
        if !has("django_session") {
            raw_sql(SCHEMA).execute(&mut *all).await?;
            if has("django_migrations") {
                // Or else Django would try to make the table again.
                sqlx::query(
                    "INSERT INTO django_migrations (app, name, applied)
                     VALUES ('sessions', '0001_initial', strftime('%Y-%m-%d %H:%M:%f', 'now'))",
                )
                .execute(&mut *all)
                .await?;
            }
        }
        all.commit().await
    }

    /// Whether a session is live, whatever it holds.
    async fn is_live(
        &self,
        call: &'static str,
        key: &StoreKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = find(key, now).fetch_optional(&self.pools.writer).await;
        row.map(|row| row.is_some()).map_err(|error| trouble(call, error))
    }
}

#[async_trait]
impl SessionStore for DjangoSqliteStore {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.atomic_rotate = true;
        capabilities.purge = true;
        capabilities.scan = true;
        capabilities.durable = true;
        capabilities.max_bytes = Some(1_000_000_000);
        capabilities
    }

    async fn create(
        &self,
        key: &StoreKey,
        record: &Record,
        _now: Timestamp,
    ) -> Result<Created, StoreError> {
        let inserted = insert("create", key, record)?
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("create", error))?;
        Ok(match inserted.rows_affected() {
            0 => Created::Taken,
            _ => Created::Stored(version(record)),
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let row = find(key, now).fetch_optional(&self.pools.readers).await;
        row.map_err(|error| trouble("load", error))?.map(|row| read(&row)).transpose()
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let updated = update("save", key, record, expected, now)?
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("save", error))?;
        if updated.rows_affected() == 1 {
            return Ok(Saved::Stored(version(record)));
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
            .bind(stamp(expires_at))
            .bind(key.expose())
            .bind(stamp(now))
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("touch", error))?;
        Ok(met(updated.rows_affected()))
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let wrong = |error| trouble("rotate", error);
        // Dropped before its commit, a transaction takes everything back.
        let mut all = self.pools.writer.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
        let live = find(from, now).fetch_optional(&mut *all).await.map_err(wrong)?;
        let Some(live) = live else { return Ok(Rotated::Gone) };
        let stored: String = live.try_get("session_data").map_err(wrong)?;
        if expected.as_content() != Some(stored.as_bytes()) {
            return Ok(Rotated::Conflict);
        }
        let inserted = insert("rotate", to, record)?.execute(&mut *all).await.map_err(wrong)?;
        if inserted.rows_affected() == 0 {
            return Ok(Rotated::Taken);
        }
        let rest = match left {
            Some(left) => update("rotate", from, left, expected, now)?,
            None => delete(from, now),
        };
        rest.execute(&mut *all).await.map_err(wrong)?;
        all.commit().await.map_err(wrong)?;
        Ok(Rotated::Stored(version(record)))
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let deleted = delete(key, now).execute(&self.pools.writer).await;
        deleted.map(|done| met(done.rows_affected())).map_err(|error| trouble("delete", error))
    }

    /// The table does not tell whose a session is.
    async fn list(&self, _: &str, _: u32, _: Timestamp) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    async fn scan(
        &self,
        from: Option<&Cursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let rows = sqlx::query(SCAN)
            .bind(from.map_or("", Cursor::expose))
            .bind(stamp(now))
            .bind(i64::from(limit))
            .fetch_all(&self.pools.readers)
            .await
            .map_err(|error| trouble("scan", error))?;
        let sessions: Vec<_> = rows.iter().map(listed).collect::<Result<_, _>>()?;
        Ok(page(sessions, limit))
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let purged = sqlx::query(PURGE)
            .bind(stamp(now))
            .bind(i64::from(limit))
            .execute(&self.pools.writer)
            .await
            .map_err(|error| trouble("purge", error))?;
        Ok(u32::try_from(purged.rows_affected()).unwrap_or(u32::MAX))
    }
}

fn find(key: &StoreKey, now: Timestamp) -> Query<'_> {
    sqlx::query(LOAD).bind(key.expose()).bind(stamp(now))
}

fn delete(key: &StoreKey, now: Timestamp) -> Query<'_> {
    sqlx::query(DELETE).bind(key.expose()).bind(stamp(now))
}

fn insert<'q>(
    call: &'static str,
    key: &'q StoreKey,
    record: &'q Record,
) -> Result<Query<'q>, StoreError> {
    let data = text(call, &record.data)?;
    Ok(sqlx::query(INSERT).bind(key.expose()).bind(data).bind(stamp(record.expires_at)))
}

fn update<'q>(
    call: &'static str,
    key: &'q StoreKey,
    record: &'q Record,
    expected: &'q Version,
    now: Timestamp,
) -> Result<Query<'q>, StoreError> {
    let data = text(call, &record.data)?;
    let before = text(call, expected.as_content().unwrap_or_default())?;
    let query = sqlx::query(SAVE).bind(data).bind(stamp(record.expires_at));
    Ok(query.bind(key.expose()).bind(before).bind(stamp(now)))
}

/// The state of a row is its value.
fn version(record: &Record) -> Version {
    Version::content(record.data.clone())
}

/// The column is text.
fn text<'a>(call: &'static str, data: &'a [u8]) -> Result<&'a str, StoreError> {
    std::str::from_utf8(data)
        .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, call, error))
}

fn listed(row: &SqliteRow) -> Result<Listed, StoreError> {
    let key: String = row.try_get("session_key").map_err(|error| trouble("scan", error))?;
    Ok(Listed { key: StoreKey::new(key), loaded: read(row)? })
}

fn read(row: &SqliteRow) -> Result<Loaded, StoreError> {
    let wrong = |error| trouble("load", error);
    let data: String = row.try_get("session_data").map_err(wrong)?;
    let expires: String = row.try_get("expire_date").map_err(wrong)?;
    let expires_at = unstamp(&expires).ok_or_else(|| {
        let why = "expire_date is not a time as Django writes it";
        StoreError::new(StoreErrorKind::Unreadable, "load", why)
    })?;
    let record = Record { data: data.into_bytes().into(), expires_at, subject: None, user: None };
    Ok(Loaded { version: version(&record), record })
}

/// An instant as Django writes it into SQLite: UTC, and microseconds only where there are any. Rows are compared by this
/// text.
fn stamp(at: Timestamp) -> String {
    let micros = at.as_microsecond().rem_euclid(1_000_000);
    let format = if micros == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%6f" };
    at.strftime(format).to_string()
}

fn unstamp(text: &str) -> Option<Timestamp> {
    let at: DateTime = text.parse().ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelt_as_django_spells_them() {
        let whole = Timestamp::from_second(1_768_435_200).unwrap();
        assert_eq!(stamp(whole), "2026-01-15 00:00:00");
        let micros = Timestamp::from_microsecond(1_768_435_200_654_321).unwrap();
        assert_eq!(stamp(micros), "2026-01-15 00:00:00.654321");
        assert!(stamp(whole) < stamp(micros), "text order is time order");
        for at in [whole, micros, Timestamp::from_microsecond(1_768_435_200_000_010).unwrap()] {
            assert_eq!(unstamp(&stamp(at)), Some(at));
        }
        assert_eq!(unstamp("soon"), None);
    }
}
