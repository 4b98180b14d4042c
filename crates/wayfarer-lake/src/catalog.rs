//! The small DuckLake 1.0 client that the lake needs: make a catalog, read a snapshot, append files,
//! replace them, let old snapshots go.
//!
//! The catalog is a SQLite database that DuckDB opens as it is. Tables of our own lie beside DuckLake's and change in the
//! same transactions: how far each writer's log is in files, where each site's rows lie in a file, and which files hold
//! fingerprints of ids. What each column means stands in `docs/design/lake-layout.md`.

mod append;
mod create;
mod erase;
mod load;
mod replace;

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, SqliteConnection,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use append::Append;
pub(crate) use load::{FileRow, IdFileRow, Loaded, Strange};
pub(crate) use replace::{Reason, Replace};

use crate::{Error, ErrorKind, Random, Result};

/// The table of events; DuckLake numbers tables of a catalog from 1.
const EVENTS: i64 = 1;
/// The version of our own tables.
const VERSION: u32 = 1;
/// How long to wait for another process that writes in the catalog.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    connection: Mutex<SqliteConnection>,
}

impl Catalog {
    /// Opens the catalog, and makes it when there is none.
    pub(crate) async fn open(
        path: &Path,
        random: &Random,
        now: jiff::Timestamp,
    ) -> Result<Catalog> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            // Readers of other processes do not stop a commit, and a commit is on disk when it answers.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let connection = SqliteConnection::connect_with(&options).await.map_err(|error| {
            failed(&format!("cannot open the catalog {}", path.display()))(error)
        })?;
        let catalog = Catalog { connection: Mutex::new(connection) };
        catalog.prepare(random, now).await?;
        Ok(catalog)
    }

    async fn lock(&self) -> MutexGuard<'_, SqliteConnection> {
        self.connection.lock().await
    }

    /// Closes the database, so that nothing is left in its own log.
    pub(crate) async fn close(&self) -> Result<()> {
        let mut connection = self.lock().await;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut *connection)
            .await
            .map_err(failed("cannot close the catalog"))?;
        Ok(())
    }
}

/// An error of the catalog; a full disk is told from the others by its kind.
fn failed(doing: &str) -> impl FnOnce(sqlx::Error) -> Error {
    let doing = doing.to_owned();
    move |error| {
        // SQLite's primary result codes: https://sqlite.org/rescode.html
        let code = error.as_database_error().and_then(DatabaseError::code);
        let code = code.and_then(|code| code.parse().ok());
        let kind = match code.map(|code: u32| code & 0xff) {
            Some(13) => ErrorKind::StorageFull,
            Some(11 | 26) => ErrorKind::Corrupt,
            Some(5 | 6) => ErrorKind::Busy,
            Some(10 | 14) => ErrorKind::Io,
            _ => ErrorKind::Catalog,
        };
        Error::because(kind, doing, error)
    }
}

/// A time as DuckLake keeps it.
fn time_text(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%d %H:%M:%S%.f+00").to_string()
}
