//! Django's table `django_session`: the same rows that Django's `db` engine reads and writes, in every database.
//!
//! The table has no room for a version, so a save compares the stored value itself. It has no room for a mark either: a
//! deleted session leaves nothing, and only the session layer, which takes no unknown key on, keeps it dead. Django beside
//! us writes without looking; what it overwrites is lost, as it is between two requests of Django.
//!
//! Times go in and out as text, spelt as Django spells them in SQLite. Other databases make times of them in the statement.

use async_trait::async_trait;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use wayfarer_session::{
    BoxError, Capabilities, Created, Cursor, Listed, Loaded, Met, Page, Record, Rotated, Rotation,
    Saved, SessionStore, StoreError, StoreErrorKind, StoreKey, Touched, Version,
};

use crate::{
    database::{Database, FromRow, Row, Step, Value},
    native::{met, page},
};

/// Keeps sessions in Django's table, for the session layer in django mode. Clones share it.
///
/// The project must have `USE_TZ = True`, Django's default.
#[derive(Clone, Debug)]
pub struct DjangoStore<D> {
    database: D,
}

impl<D: Database> DjangoStore<D> {
    /// Keeps sessions in this database, whose table it provides.
    pub(crate) async fn in_database(database: D) -> Result<DjangoStore<D>, StoreError> {
        database.provide_django().await?;
        Ok(DjangoStore { database })
    }

    /// Closes the connections. Calls that come later fail.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether a session is live, whatever it holds.
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
impl<D: Database> SessionStore for DjangoStore<D> {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::none();
        capabilities.cas = true;
        capabilities.atomic_rotate = true;
        capabilities.purge = true;
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
        Ok(match self.database.change("create", create::<D>("create", key, record)?).await? {
            0 => Created::Taken,
            _ => Created::Stored(version(record)),
        })
    }

    async fn load(&self, key: &StoreKey, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let row: Option<Stored> = self.database.row("load", load::<D>(key, now)).await?;
        let listed = row.map(Stored::listed).transpose()?;
        Ok(listed.map(|listed| listed.loaded))
    }

    async fn save(
        &self,
        key: &StoreKey,
        record: &Record,
        expected: &Version,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let step = save::<D>("save", key, record, expected, now)?;
        if self.database.change("save", step).await? > 0 {
            return Ok(Saved::Stored(version(record)));
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
        let values = vec![time(expires_at), Value::Key(key.expose()), time(from), time(now)];
        if self.database.change("touch", (D::DJANGO.touch, values)).await? > 0 {
            return Ok(Touched::Moved);
        }
        let live = self.is_live("touch", key, now).await?;
        Ok(if live { Touched::Conflict } else { Touched::Gone })
    }

    async fn rotate(&self, rotation: &Rotation<'_>, now: Timestamp) -> Result<Rotated, StoreError> {
        let Rotation { from, to, record, left, expected } = *rotation;
        let leave = match left {
            Some(left) => save::<D>("rotate", from, left, expected, now)?,
            None => {
                let before = Value::Text(text("rotate", state(expected))?);
                (D::DJANGO.delete_state, vec![Value::Key(from.expose()), before, time(now)])
            }
        };
        let enter = create::<D>("rotate", to, record)?;
        match self.database.all_or_nothing("rotate", vec![leave, enter]).await? {
            None => Ok(Rotated::Stored(version(record))),
            Some(0) if self.is_live("rotate", from, now).await? => Ok(Rotated::Conflict),
            Some(0) => Ok(Rotated::Gone),
            Some(_) => Ok(Rotated::Taken),
        }
    }

    async fn delete(&self, key: &StoreKey, now: Timestamp) -> Result<Met, StoreError> {
        let values = vec![Value::Key(key.expose()), time(now)];
        self.database.change("delete", (D::DJANGO.delete, values)).await.map(met)
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
        let after = Value::Text(from.map_or("", Cursor::expose));
        let values = vec![after, time(now), Value::Number(i64::from(limit))];
        let rows: Vec<Stored> = self.database.rows("scan", (D::DJANGO.scan, values)).await?;
        let sessions: Vec<_> = rows.into_iter().map(Stored::listed).collect::<Result<_, _>>()?;
        Ok(page(sessions, limit))
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, StoreError> {
        let values = vec![time(now), Value::Number(i64::from(limit))];
        let purged = self.database.change("purge", (D::DJANGO.purge, values)).await?;
        Ok(u32::try_from(purged).unwrap_or(u32::MAX))
    }
}

fn create<'a, D: Database>(
    call: &'static str,
    key: &'a StoreKey,
    record: &'a Record,
) -> Result<Step<'a>, StoreError> {
    let data = Value::Text(text(call, &record.data)?);
    Ok((D::DJANGO.create, vec![Value::Text(key.expose()), data, time(record.expires_at)]))
}

fn load<D: Database>(key: &StoreKey, now: Timestamp) -> Step<'_> {
    (D::DJANGO.load, vec![Value::Key(key.expose()), time(now)])
}

fn save<'a, D: Database>(
    call: &'static str,
    key: &'a StoreKey,
    record: &'a Record,
    expected: &'a Version,
    now: Timestamp,
) -> Result<Step<'a>, StoreError> {
    let (data, before) = (text(call, &record.data)?, text(call, state(expected))?);
    let values = vec![
        Value::Text(data),
        time(record.expires_at),
        Value::Key(key.expose()),
        Value::Text(before),
        time(now),
    ];
    Ok((D::DJANGO.save, values))
}

/// The state of a row is its value.
fn version(record: &Record) -> Version {
    Version::content(record.data.clone())
}

/// A version that is no content is that of no row: no value of Django's is empty.
fn state(version: &Version) -> &[u8] {
    version.as_content().unwrap_or_default()
}

/// The column is text.
fn text<'a>(call: &'static str, data: &'a [u8]) -> Result<&'a str, StoreError> {
    std::str::from_utf8(data)
        .map_err(|error| StoreError::new(StoreErrorKind::Unreadable, call, error))
}

/// A row, as it is stored.
pub(crate) struct Stored {
    key: String,
    data: String,
    expires: String,
}

impl FromRow for Stored {
    fn from_row(row: &impl Row) -> Result<Stored, BoxError> {
        Ok(Stored {
            key: row.text("session_key")?,
            data: row.text("session_data")?,
            expires: row.text("expire_date")?,
        })
    }
}

impl Stored {
    pub(crate) fn listed(self) -> Result<Listed, StoreError> {
        let expires_at = unstamp(&self.expires).ok_or_else(|| {
            let why = "expire_date is not a time as Django writes it";
            StoreError::new(StoreErrorKind::Unreadable, "load", why)
        })?;
        let data = self.data.into_bytes().into();
        let record = Record { data, expires_at, subject: None, user: None };
        let loaded = Loaded { version: version(&record), record };
        Ok(Listed { key: StoreKey::new(self.key), loaded })
    }
}

fn time(at: Timestamp) -> Value<'static> {
    Value::OwnText(stamp(at))
}

/// An instant as Django writes it into SQLite: UTC, and microseconds only where there are any. SQLite compares rows by this
/// text.
pub(crate) fn stamp(at: Timestamp) -> String {
    let micros = at.as_microsecond().rem_euclid(1_000_000);
    let format = if micros == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S.%6f" };
    at.strftime(format).to_string()
}

/// Reads such a text. The parser would take years before Christ, and pass over an offset; Django writes neither. What it says
/// beyond the microsecond is cut off.
fn unstamp(text: &str) -> Option<Timestamp> {
    let (day, time) = text.split_at_checked("2026-01-15".len())?;
    if !day.starts_with(|c: char| c.is_ascii_digit()) || time.contains(['+', '-', '[']) {
        return None;
    }
    let at: DateTime = text.parse().ok()?;
    let at = at.with().nanosecond(0).build().ok()?;
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
        for text in ["soon", "-000044-03-15 12:00:00", "2026-01-15 00:00:00+02:00"] {
            assert_eq!(unstamp(text), None, "{text}");
        }
    }
}
