//! Sessions in SQLite: the embedded default, and Django's own table.
//!
//! One connection writes, a few read beside it. Every change is one statement, or one immediate transaction, so a
//! compare-and-swap never waits for a lock upgrade that cannot come.
//!
//! Start with [`SqliteStore::open`] in `native`, or [`DjangoSqliteStore::open`] in `django`.

mod django;
mod native;
mod schema;

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
pub use wayfarer_session::Durability;
use wayfarer_session::{Cursor, Listed, Met, Page, StoreError, StoreErrorKind};

pub use self::{django::DjangoSqliteStore, native::SqliteStore};

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How much a power cut may take back. The default is nothing.
    pub durability: Durability,
    /// How many connections read. The default is 4.
    pub readers: u32,
    /// How long a call waits for a connection, or for another process that writes. The default is 5 seconds.
    pub patience: Duration,
}

impl Default for SqliteOptions {
    fn default() -> SqliteOptions {
        SqliteOptions { durability: Durability::Full, readers: 4, patience: Duration::from_secs(5) }
    }
}

/// One connection that writes, and those that read beside it.
#[derive(Clone, Debug)]
struct Pools {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Pools {
    /// With `wal` the database is put into WAL mode; without it stays in the mode that it has.
    async fn open(path: &Path, options: &SqliteOptions, wal: bool) -> Result<Pools, StoreError> {
        let synchronous = match options.durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Normal => SqliteSynchronous::Normal,
        };
        let mut connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .synchronous(synchronous)
            .busy_timeout(options.patience);
        if wal {
            connect = connect.journal_mode(SqliteJournalMode::Wal);
        }
        let pool = |connections| {
            SqlitePoolOptions::new().max_connections(connections).acquire_timeout(options.patience)
        };
        let writer = pool(1).connect_with(connect.clone()).await.map_err(|e| trouble("open", e))?;
        let readers = pool(options.readers.max(1)).connect_lazy_with(connect.read_only(true));
        Ok(Pools { writer, readers })
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn met(rows: u64) -> Met {
    if rows == 0 { Met::Gone } else { Met::Live }
}

/// A page of sessions in the order of their keys. A full page may have one after it.
fn page(sessions: Vec<Listed>, limit: u32) -> Page {
    let full = u32::try_from(sessions.len()).is_ok_and(|count| count >= limit.max(1));
    let last = sessions.last().filter(|_| full);
    let next = last.map(|last| Cursor::new(last.key.expose()));
    Page { sessions, next }
}

/// Names the kind of a failure. A column that is not what it should be is not a matter of trying again.
fn trouble(call: &'static str, error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_) => StoreErrorKind::Unreadable,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, call, error)
}
