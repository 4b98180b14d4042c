//! Sessions in SQLite: the embedded default, and Django's own table.
//!
//! One connection writes, a few read beside it. Every change is one statement, or one immediate transaction, so a
//! compare-and-swap never waits for a lock upgrade that cannot come.
//!
//! Start with [`SqliteStore::open`] or [`DjangoSqliteStore::open`].

use std::{path::Path, time::Duration};

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
pub use wayfarer_session::Durability;
use wayfarer_session::StoreError;

use crate::{
    database::{Connections, DjangoSql, NativeSql, Tables, connections, trouble},
    django::DjangoStore,
    native::NativeStore,
};

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

/// Keeps sessions in a SQLite database.
pub type SqliteStore = NativeStore<Sqlite>;

/// Keeps sessions in Django's table in a SQLite database.
pub type DjangoSqliteStore = DjangoStore<Sqlite>;

impl SqliteStore {
    /// Opens the database at `path`, and creates it and its table where they are missing. The application may keep tables of
    /// its own in it.
    ///
    /// # Errors
    /// When it cannot be opened, or its table was written by something newer.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        NativeStore::in_database(Sqlite::open(path, &options, true).await?).await
    }
}

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
        DjangoStore::in_database(Sqlite::open(path, &options, false).await?).await
    }
}

/// The connections to a SQLite database: one that writes, and those that read beside it.
#[derive(Clone, Debug)]
pub struct Sqlite(Connections<sqlx::Sqlite>);

connections!(Sqlite, sqlx::Sqlite, SqliteRow, SqliteArguments, begin: "BEGIN IMMEDIATE", keys: 1);

impl Sqlite {
    /// With `wal` the database is put into WAL mode; without it stays in the mode that it has.
    async fn open(path: &Path, options: &SqliteOptions, wal: bool) -> Result<Sqlite, StoreError> {
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
        let at = path.display().to_string();
        let writer = pool(1).connect_with(connect.clone()).await;
        let writer = writer.map_err(|error| trouble("open", &at, error))?;
        let readers = pool(options.readers.max(1)).connect_lazy_with(connect.read_only(true));
        // SQLite gives up by itself: after waiting for a connection, after waiting for a lock.
        let patience = options.patience.saturating_mul(3);
        Ok(Sqlite(Connections { writer, readers, at: at.into(), patience }))
    }
}

/// SQLite's own limit for a value, as it is compiled by default.
const MAX_BYTES: usize = 1_000_000_000;

const NATIVE: NativeSql = NativeSql {
    create: "INSERT INTO wayfarer_session (key, version, data, expires_at, subject, user)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    load: "SELECT version, data, expires_at, subject, user FROM wayfarer_session
        WHERE key = ? AND version > 0 AND expires_at > ?",
    save: "UPDATE wayfarer_session
        SET version = version + 1, data = ?, expires_at = ?, subject = ?, user = ?
        WHERE key = ? AND version = ? AND version > 0 AND expires_at > ?",
    touch: "UPDATE wayfarer_session SET expires_at = ?
        WHERE key = ? AND version > 0 AND expires_at > ?",
    end: "UPDATE wayfarer_session SET version = 0, data = x'', subject = NULL, user = NULL
        WHERE key = ? AND version > 0 AND expires_at > ?",
    end_version: "UPDATE wayfarer_session SET version = 0, data = x'', subject = NULL, user = NULL
        WHERE key = ? AND version = ? AND version > 0 AND expires_at > ?",
    list: "SELECT key, version, data, expires_at, subject, user FROM wayfarer_session
        WHERE user = ? AND version > 0 AND expires_at > ? ORDER BY expires_at DESC LIMIT ?",
    scan: "SELECT key, version, data, expires_at, subject, user FROM wayfarer_session
        WHERE key > ? AND version > 0 AND expires_at > ? ORDER BY key LIMIT ?",
    purge: "DELETE FROM wayfarer_session WHERE key IN (
        SELECT key FROM wayfarer_session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
};

const DJANGO: DjangoSql = DjangoSql {
    create: "INSERT INTO django_session (session_key, session_data, expire_date)
        VALUES (?, ?, ?) ON CONFLICT (session_key) DO NOTHING",
    load: "SELECT session_key, session_data, expire_date FROM django_session
        WHERE session_key = ? AND expire_date > ?",
    save: "UPDATE django_session SET session_data = ?, expire_date = ?
        WHERE session_key = ? AND session_data = ? AND expire_date > ?",
    touch: "UPDATE django_session SET expire_date = ? WHERE session_key = ? AND expire_date > ?",
    delete: "DELETE FROM django_session WHERE session_key = ? AND expire_date > ?",
    delete_state: "DELETE FROM django_session
        WHERE session_key = ? AND session_data = ? AND expire_date > ?",
    scan: "SELECT session_key, session_data, expire_date FROM django_session
        WHERE session_key > ? AND expire_date > ? ORDER BY session_key LIMIT ?",
    purge:
        "DELETE FROM django_session WHERE session_key IN (
        SELECT session_key FROM django_session WHERE expire_date <= ? ORDER BY expire_date LIMIT ?)",
};

const TABLES: Tables = Tables {
    // The transaction is immediate: it holds the one lock that there is.
    lock: "",
    unlock: "",
    versions: "CREATE TABLE IF NOT EXISTS wayfarer_session_schema (
        version INTEGER NOT NULL PRIMARY KEY) STRICT",
    version: "SELECT coalesce(max(version), 0) FROM wayfarer_session_schema",
    note: "INSERT INTO wayfarer_session_schema (version) VALUES (?)",
    steps: &[include_str!("sqlite/001_sessions.sql")],
    django_tables: "SELECT name FROM sqlite_schema
        WHERE name IN ('django_session', 'django_migrations')",
    django: include_str!("sqlite/django.sql"),
    django_note: "INSERT INTO django_migrations (app, name, applied)
        VALUES ('sessions', '0001_initial', strftime('%Y-%m-%d %H:%M:%f', 'now'))",
};
