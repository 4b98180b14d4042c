//! The small DuckLake 1.0 client that the lake needs: make a catalog, read a snapshot, append files,
//! replace them, let old snapshots go.
//!
//! The catalog is a database that DuckDB opens as it is: SQLite in the folder, or PostgreSQL for several nodes. Tables of our
//! own lie beside DuckLake's and change in the same transactions: how far each writer's log is in files, where each site's
//! rows lie in a file, and which files hold fingerprints of ids. What each column means stands in
//! `docs/design/lake-layout.md`; what the two databases share, and where they differ, in [`link`].

mod append;
mod create;
mod erase;
mod link;
mod load;
mod nodes;
#[cfg(feature = "postgres")]
mod postgres;
mod replace;

#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteError, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

pub(crate) use append::Append;
pub(crate) use load::{FileRow, IdFileRow, Loaded, Strange};
pub(crate) use nodes::Others;
pub(crate) use replace::{Reason, Replace};

use crate::{CatalogAt, Error, ErrorKind, Random, Result, seal::PREFIX};
use link::{Dialect, Link};

/// The table of events; DuckLake numbers tables of a catalog from 1.
const EVENTS: i64 = 1;
/// The version of our own tables.
const VERSION: u32 = 1;
/// How long to wait for another process that writes in the catalog.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so many changes of others in a row, which came before ours, we give way.
const MOST_CONFLICTS: u32 = 10;

/// An open catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    address: Address,
    /// `None` while the database cannot be reached.
    link: Mutex<Option<Link>>,
}

/// Where the database is.
enum Address {
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Server {
        options: Box<sqlx::postgres::PgConnectOptions>,
        /// The writer whose number every connection takes; 0 until it is known.
        writer: AtomicU64,
    },
}

/// Without a password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl Address {
    fn of(folder: &Path, at: &CatalogAt) -> Result<Address> {
        match at {
            CatalogAt::Folder => Ok(Address::File(folder.join("lake.sqlite"))),
            #[cfg(feature = "postgres")]
            CatalogAt::Postgres(shared) => {
                let options: sqlx::postgres::PgConnectOptions =
                    shared.url.parse().map_err(failed("the address of the catalog is wrong"))?;
                let options = Box::new(options.application_name("wayfarer"));
                Ok(Address::Server { options, writer: AtomicU64::new(0) })
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Address::File(path) => path.display().to_string(),
            #[cfg(feature = "postgres")]
            Address::Server { options, .. } => {
                let (host, port) = (options.get_host(), options.get_port());
                format!("{} on {host}:{port}", options.get_database().unwrap_or_default())
            }
        }
    }

    async fn connect(&self) -> sqlx::Result<Link> {
        match self {
            Address::File(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    // Readers of other processes do not stop a commit, and a commit is on disk when it answers.
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(PATIENCE);
                Ok(Link::Sqlite(SqliteConnection::connect_with(&options).await?))
            }
            #[cfg(feature = "postgres")]
            Address::Server { options, writer } => {
                let writer = Some(writer.load(Ordering::Acquire)).filter(|writer| *writer > 0);
                Ok(Link::Postgres(postgres::connect(options, writer).await?))
            }
        }
    }
}

impl Catalog {
    /// Opens the catalog of a folder, and makes it when there is none.
    pub(crate) async fn open(
        folder: &Path,
        at: &CatalogAt,
        random: &Random,
        now: jiff::Timestamp,
    ) -> Result<Catalog> {
        let catalog = Catalog { address: Address::of(folder, at)?, link: Mutex::new(None) };
        catalog.prepare(at, random, now).await?;
        Ok(catalog)
    }

    /// Finds the catalog of a folder, and makes nothing.
    pub(crate) async fn find(folder: &Path, at: &CatalogAt) -> Result<Catalog> {
        let catalog = Catalog { address: Address::of(folder, at)?, link: Mutex::new(None) };
        match catalog.is_made().await? {
            true => Ok(catalog),
            false => {
                let text = format!("there is no lake in {}", catalog.address.name());
                Err(Error::new(ErrorKind::Catalog, text))
            }
        }
    }

    /// Whether other nodes write to the same lake.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.address, Address::File(_))
    }

    /// What the names of files begin with that are this writer's to merge and to tidy up: in a folder of one writer all of
    /// ours, also those of a folder that was moved.
    pub(crate) fn prefix(&self, writer: u64) -> String {
        if self.is_shared() { format!("{PREFIX}{writer:x}-") } else { PREFIX.to_owned() }
    }

    /// The connection, which is made anew where it was lost.
    async fn link(&self) -> Result<MappedMutexGuard<'_, Link>> {
        let mut link = self.link.lock().await;
        let is_there = match link.as_mut() {
            None => false,
            Some(Link::Sqlite(_)) => true,
            #[cfg(feature = "postgres")]
            Some(Link::Postgres(link)) => {
                tokio::time::timeout(PATIENCE, link.ping()).await.is_ok_and(|ping| ping.is_ok())
            }
        };
        if !is_there {
            // The old one goes first: it may still hold our own lock.
            *link = None;
            let doing = format!("cannot open the catalog {}", self.address.name());
            *link = Some(self.address.connect().await.map_err(failed(&doing))?);
        }
        MutexGuard::try_map(link, Option::as_mut).map_err(|_| Error::closed())
    }

    /// The line that opens the lake in DuckDB from any folder. A relative `DATA_PATH` would be taken from where DuckDB runs, so
    /// it is overridden with an absolute one. A password is not in it: DuckDB takes it from PGPASSWORD or `~/.pgpass`.
    pub(crate) fn duckdb(&self, data: &Path) -> String {
        let quoted = |text: &str| text.replace('\'', "''");
        let (extension, database) = match &self.address {
            Address::File(path) => ("sqlite", path.display().to_string()),
            #[cfg(feature = "postgres")]
            Address::Server { options, .. } => ("postgres", postgres::libpq(options)),
        };
        format!(
            "INSTALL ducklake; INSTALL {extension}; ATTACH 'ducklake:{extension}:{}' AS lake \
             (READ_ONLY, DATA_PATH '{}/', OVERRIDE_DATA_PATH true);",
            quoted(&database),
            quoted(&data.display().to_string()),
        )
    }

    /// Does something again for as long as somebody else's change came before, but not for ever.
    pub(crate) async fn again<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        // In a database of one folder a change waits for the others; when it waited too long, that is what its caller learns.
        let rounds = if self.is_shared() { MOST_CONFLICTS } else { 1 };
        for _ in 1..rounds {
            match work().await {
                Err(error) if error.kind() == ErrorKind::Busy => {}
                done => return done,
            }
        }
        work().await
    }

    /// Closes the database, so that nothing is left in its own log.
    pub(crate) async fn close(&self) -> Result<()> {
        let doing = "cannot close the catalog";
        match self.link.lock().await.take() {
            Some(Link::Sqlite(mut link)) => sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut link)
                .await
                .map(drop)
                .map_err(failed(doing)),
            #[cfg(feature = "postgres")]
            Some(Link::Postgres(link)) => link.close().await.map_err(failed(doing)),
            None => Ok(()),
        }
    }
}

/// An error of the catalog; a full disk is told from the others by its kind.
fn failed(doing: &str) -> impl FnOnce(sqlx::Error) -> Error {
    let doing = doing.to_owned();
    move |error| {
        let without_tls = matches!(error, sqlx::Error::Tls(_)) && !cfg!(feature = "tls");
        let why = if without_tls { ": TLS is not built in, turn on the feature `tls`" } else { "" };
        Error::because(kind_of(&error), doing + why, error)
    }
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    let Some(error) = error.as_database_error() else {
        return match error {
            sqlx::Error::Io(_) => ErrorKind::Io,
            _ => ErrorKind::Catalog,
        };
    };
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_none() {
        // https://www.postgresql.org/docs/current/errcodes-appendix.html: a key that somebody else took, a transaction that
        // came late, a deadlock, a lock that did not come.
        return match code.as_ref() {
            "23505" | "40001" | "40P01" | "55P03" => ErrorKind::Busy,
            "53100" => ErrorKind::StorageFull,
            "XX001" | "XX002" => ErrorKind::Corrupt,
            _ => ErrorKind::Catalog,
        };
    }
    // SQLite's primary result codes: https://sqlite.org/rescode.html
    match code.parse().map(|code: u32| code & 0xff) {
        Ok(13) => ErrorKind::StorageFull,
        Ok(11 | 26) => ErrorKind::Corrupt,
        Ok(5 | 6) => ErrorKind::Busy,
        Ok(10 | 14) => ErrorKind::Io,
        _ => ErrorKind::Catalog,
    }
}

/// A time as DuckLake keeps it in SQLite.
fn time_text(now: jiff::Timestamp) -> String {
    now.strftime("%Y-%m-%d %H:%M:%S%.f+00").to_string()
}
