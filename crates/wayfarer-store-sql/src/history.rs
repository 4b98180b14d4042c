//! What happened to sessions, in a table beside theirs.
//!
//! Entries are only ever added, and forgotten from the oldest on. The same in every database.

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{
    BoxError, HistoryEntry, SessionHistory, SignalKind, StoreError, StoreErrorKind, Whose,
};

use crate::{
    database::{Database, FromRow, Row, Value},
    native::{NativeStore, micros},
};

/// Keeps the history of sessions in a SQL database, from [`NativeStore::history`]. Clones share it.
#[derive(Clone, Debug)]
pub struct SqlHistory<D> {
    database: D,
}

impl<D: Database> NativeStore<D> {
    /// The history that lies in the same database, in a table of its own: for
    /// [`history`](wayfarer_session::SessionManagerBuilder::history) of a session manager, whatever its sessions lie in.
    #[must_use]
    pub fn history(&self) -> SqlHistory<D> {
        SqlHistory { database: self.database().clone() }
    }
}

#[async_trait]
impl<D: Database> SessionHistory for SqlHistory<D> {
    async fn append(&self, entry: &HistoryEntry) -> Result<(), StoreError> {
        let values = values(entry);
        self.database.change("append", (D::HISTORY.append, values.into())).await.map(drop)
    }

    async fn read(&self, whose: &Whose, limit: u32) -> Result<Vec<HistoryEntry>, StoreError> {
        let (statement, name) = match whose {
            Whose::User(user) => (D::HISTORY.of_user, user.clone()),
            Whose::Session(_) | Whose::Handle(_) => {
                let handle = whose.handle().map(|handle| handle.to_string());
                (D::HISTORY.of_handle, handle.unwrap_or_default())
            }
        };
        let values = vec![Value::OwnText(name), Value::Number(i64::from(limit))];
        let rows: Vec<Told> = self.database.rows("read", (statement, values)).await?;
        rows.into_iter().map(Told::entry).collect()
    }

    async fn purge(&self, limit: u32, before: Timestamp) -> Result<u32, StoreError> {
        let values = vec![micros(before), Value::Number(i64::from(limit))];
        let forgotten = self.database.change("purge", (D::HISTORY.purge, values)).await?;
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

/// A row, as it is written: instant, kind, handle, subject, user, reason, device.
pub(crate) fn values(entry: &HistoryEntry) -> [Value<'_>; 7] {
    [
        micros(entry.at),
        Value::Text(entry.kind.as_str()),
        Value::MaybeText(entry.handle().map(|handle| handle.to_string())),
        Value::MaybeText(entry.subject.map(|subject| subject.to_string())),
        Value::MaybeText(entry.user.clone()),
        Value::MaybeText(entry.reason.clone()),
        Value::MaybeText(entry.device.clone()),
    ]
}

/// A row, as it is stored.
pub(crate) struct Told {
    at: i64,
    kind: String,
    subject: Option<String>,
    user: Option<String>,
    reason: Option<String>,
    device: Option<String>,
}

impl FromRow for Told {
    fn from_row(row: &impl Row) -> Result<Told, BoxError> {
        Ok(Told {
            at: row.number("at")?,
            kind: row.text("kind")?,
            subject: row.maybe_text("subject")?,
            user: row.maybe_text("user")?,
            reason: row.maybe_text("reason")?,
            device: row.maybe_text("device")?,
        })
    }
}

impl Told {
    pub(crate) fn entry(self) -> Result<HistoryEntry, StoreError> {
        let unreadable = |why: String| StoreError::new(StoreErrorKind::Unreadable, "read", why);
        let at = Timestamp::from_microsecond(self.at);
        let at = at.map_err(|error| unreadable(error.to_string()))?;
        let subject = self.subject.map(|text| text.parse()).transpose();
        let mut entry = HistoryEntry::new(SignalKind::from(self.kind.as_str()), at);
        entry.subject = subject.map_err(|_| unreadable("the subject is none".to_owned()))?;
        (entry.user, entry.reason, entry.device) = (self.user, self.reason, self.device);
        Ok(entry)
    }
}
