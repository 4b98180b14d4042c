//! Sessions in SQLite: the embedded default, and Django's own table.
//!
//! One connection changes the database, on a thread of its own, and commits what waits for it together (`writer`). The others
//! read beside it (`readers`). Every change is one statement, or an immediate transaction, so a compare-and-swap never
//! waits for a lock upgrade that cannot come.
//!
//! Start with [`SqliteStore::open`] or [`DjangoSqliteStore::open`].

mod readers;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, ToSql,
    types::{ToSqlOutput, Value as Owned, ValueRef},
};
pub use wayfarer_session::Durability;
use wayfarer_session::{StoreError, StoreErrorKind};

use self::{
    readers::Readers,
    writer::{Outcome, Writer},
};
use crate::{
    database::{
        Answer, Call, Database, DjangoSql, EpochSql, FromRow, HistorySql, NativeSql, Step, Tables,
        Trouble, Value, newer, unreadable,
    },
    django::DjangoStore,
    native::NativeStore,
};

/// How to open a [`SqliteStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How much a power cut may take back. The default is nothing.
    pub durability: Durability,
    /// How many connections that read are kept. The default is 4.
    pub readers: u32,
    /// How long a call waits for its turn, and then for another process that writes. The default is 5 seconds.
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

/// The connections to a SQLite database: one that writes, and those that read beside it. Clones share them.
#[derive(Clone)]
pub struct Sqlite(Arc<Connections>);

struct Connections {
    writer: Writer,
    readers: Readers,
    /// The database, as errors name it.
    at: String,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("at", &self.0.at).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// With `wal` the database is put into WAL mode; without it stays in the mode that it has.
    async fn open(path: &Path, options: &SqliteOptions, wal: bool) -> Result<Sqlite, StoreError> {
        let synchronous = match options.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        let (path, patience) = (path.to_owned(), options.patience);
        let at = path.display().to_string();
        let open = {
            let path = path.clone();
            move || open_writer(path, patience, synchronous, wal)
        };
        let writer = Writer::start(open, patience).await;
        let writer = writer.map_err(|failure| trouble("open", &at, failure))?;
        let most = usize::try_from(options.readers.max(1)).unwrap_or(usize::MAX);
        let readers = Readers::new(path, most, patience);
        Ok(Sqlite(Arc::new(Connections { writer, readers, at })))
    }

    /// Lets `work` have the writing connection, within one transaction.
    async fn migrate(
        &self,
        work: impl FnOnce(&Connection, &str) -> Answer<()> + Send + 'static,
    ) -> Answer<()> {
        let at = self.0.at.clone();
        let all = move |connection: &mut Connection| {
            let wrong = |error| trouble("migrate", &at, error);
            let behavior = rusqlite::TransactionBehavior::Immediate;
            // Dropped before its commit, a transaction takes everything back.
            let all = connection.transaction_with_behavior(behavior).map_err(wrong)?;
            work(&all, &at)?;
            all.commit().map_err(wrong)
        };
        let done = self.0.writer.with(all).await;
        done.map_err(|failure| trouble("migrate", &self.0.at, failure))?
    }

    fn answer<T>(&self, call: Call, rows: Result<T, readers::Failure>) -> Answer<T> {
        let at = &self.0.at;
        rows.map_err(|failure| match failure {
            readers::Failure::Sqlite(error) => trouble(call, at, error),
            readers::Failure::Row(error) => unreadable(call, at, error),
            readers::Failure::Closed => trouble(call, at, writer::Failure::Closed),
        })
    }
}

fn open_writer(
    path: PathBuf,
    patience: Duration,
    synchronous: &str,
    wal: bool,
) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(patience)?;
    if wal {
        connection.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn trouble(
    call: Call,
    at: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    let trouble = Trouble { at: at.to_owned(), help: "", source: source.into() };
    StoreError::new(StoreErrorKind::Unavailable, call, trouble)
}

/// Whether somebody else holds a lock that was needed.
fn is_busy(error: &rusqlite::Error) -> bool {
    let busy = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
    error.sqlite_error_code().is_some_and(|code| busy.contains(&code))
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Text(text) | Value::Key(text) => ValueRef::Text(text.as_bytes()),
            Value::OwnText(text) => ValueRef::Text(text.as_bytes()),
            Value::MaybeText(text) => {
                text.as_ref().map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
            }
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Number(number) => ValueRef::Integer(*number),
        }))
    }
}

/// For a value that goes to another thread.
impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Owned {
        match value {
            Value::Text(text) | Value::Key(text) => Owned::Text(text.to_owned()),
            Value::OwnText(text) => Owned::Text(text),
            Value::MaybeText(text) => text.map_or(Owned::Null, Owned::Text),
            Value::Bytes(bytes) => Owned::Blob(bytes.to_owned()),
            Value::Number(number) => Owned::Integer(number),
        }
    }
}

impl Database for Sqlite {
    const NATIVE: NativeSql = NATIVE;
    const DJANGO: DjangoSql = DJANGO;
    const HISTORY: HistorySql = HISTORY;
    const EPOCHS: EpochSql = EPOCHS;
    const MAX_BYTES: usize = MAX_BYTES;

    async fn change(&self, call: Call, step: Step<'_>) -> Answer<u64> {
        match self.0.writer.change(vec![step]).await {
            Ok(Outcome::Changed(rows)) => Ok(rows),
            Ok(Outcome::Unchanged(_)) => Ok(0),
            Err(failure) => Err(trouble(call, &self.0.at, failure)),
        }
    }

    async fn rows<R: FromRow>(&self, call: Call, step: Step<'_>) -> Answer<Vec<R>> {
        self.answer(call, self.0.readers.rows(step).await)
    }

    async fn row<R: FromRow>(&self, call: Call, step: Step<'_>) -> Answer<Option<R>> {
        self.answer(call, self.0.readers.row(step).await)
    }

    async fn all_or_nothing(&self, call: Call, steps: Vec<Step<'_>>) -> Answer<Option<usize>> {
        match self.0.writer.change(steps).await {
            Ok(Outcome::Changed(_)) => Ok(None),
            Ok(Outcome::Unchanged(step)) => Ok(Some(step)),
            Err(failure) => Err(trouble(call, &self.0.at, failure)),
        }
    }

    async fn provide_native(&self) -> Answer<()> {
        self.migrate(provide_native).await
    }

    async fn provide_django(&self) -> Answer<()> {
        self.migrate(provide_django).await
    }

    async fn close(&self) {
        self.0.readers.close();
        self.0.writer.close().await;
    }
}

fn provide_native(all: &Connection, at: &str) -> Answer<()> {
    let wrong = |error| trouble("migrate", at, error);
    all.execute_batch(TABLES.versions).map_err(wrong)?;
    let version: i64 = all.query_row(TABLES.version, (), |row| row.get(0)).map_err(wrong)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > TABLES.steps.len() {
        return Err(newer(at, version, TABLES.steps.len()));
    }
    for (version, step) in (1_i64..).zip(TABLES.steps).skip(done) {
        all.execute_batch(step).map_err(wrong)?;
        all.execute(TABLES.note, [version]).map_err(wrong)?;
    }
    Ok(())
}

fn provide_django(all: &Connection, at: &str) -> Answer<()> {
    let wrong = |error| trouble("migrate", at, error);
    let has = |table: &str| {
        let mut there = all.prepare(TABLES.django_tables)?;
        let mut names = there.query_map((), |row| row.get::<_, String>(0))?;
        names.try_fold(false, |has, name| Ok(has || name? == table))
    };
    if !has("django_session").map_err(wrong)? {
        all.execute_batch(TABLES.django).map_err(wrong)?;
        if has("django_migrations").map_err(wrong)? {
            all.execute_batch(TABLES.django_note).map_err(wrong)?;
        }
    }
    Ok(())
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
        WHERE key = ? AND expires_at = ? AND version > 0 AND expires_at > ?",
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
    touch: "UPDATE django_session SET expire_date = ?
        WHERE session_key = ? AND expire_date = ? AND expire_date > ?",
    delete: "DELETE FROM django_session WHERE session_key = ? AND expire_date > ?",
    delete_state: "DELETE FROM django_session
        WHERE session_key = ? AND session_data = ? AND expire_date > ?",
    scan: "SELECT session_key, session_data, expire_date FROM django_session
        WHERE session_key > ? AND expire_date > ? ORDER BY session_key LIMIT ?",
    purge:
        "DELETE FROM django_session WHERE session_key IN (
        SELECT session_key FROM django_session WHERE expire_date <= ? ORDER BY expire_date LIMIT ?)",
};

const HISTORY: HistorySql = HistorySql {
    append: "INSERT INTO wayfarer_session_history
        (at, kind, handle, subject, user, reason, device) VALUES (?, ?, ?, ?, ?, ?, ?)",
    of_handle: "SELECT at, kind, subject, user, reason, device FROM wayfarer_session_history
        WHERE handle = ? ORDER BY at DESC, id DESC LIMIT ?",
    of_user: "SELECT at, kind, subject, user, reason, device FROM wayfarer_session_history
        WHERE user = ? ORDER BY at DESC, id DESC LIMIT ?",
    purge: "DELETE FROM wayfarer_session_history WHERE id IN (
        SELECT id FROM wayfarer_session_history WHERE at < ? ORDER BY at LIMIT ?)",
};

const EPOCHS: EpochSql = EpochSql {
    of: "SELECT instant FROM wayfarer_session_epoch WHERE owner IN (?, ?)",
    note: "INSERT INTO wayfarer_session_epoch (owner, instant, forget_at) VALUES (?, ?, ?)
        ON CONFLICT (owner) DO UPDATE SET instant = max(instant, excluded.instant),
        forget_at = max(forget_at, excluded.forget_at)",
    purge: "DELETE FROM wayfarer_session_epoch WHERE owner IN (
        SELECT owner FROM wayfarer_session_epoch WHERE forget_at <= ? ORDER BY forget_at LIMIT ?)",
};

const TABLES: Tables = Tables {
    // The transaction is immediate: it holds the one lock that there is.
    lock: "",
    unlock: "",
    versions: "CREATE TABLE IF NOT EXISTS wayfarer_session_schema (
        version INTEGER NOT NULL PRIMARY KEY) STRICT",
    version: "SELECT coalesce(max(version), 0) FROM wayfarer_session_schema",
    note: "INSERT INTO wayfarer_session_schema (version) VALUES (?)",
    steps: &[
        include_str!("sqlite/001_sessions.sql"),
        include_str!("sqlite/002_history_and_epochs.sql"),
    ],
    django_tables: "SELECT name FROM sqlite_schema
        WHERE name IN ('django_session', 'django_migrations')",
    django: include_str!("sqlite/django.sql"),
    django_note: "INSERT INTO django_migrations (app, name, applied)
        VALUES ('sessions', '0001_initial', strftime('%Y-%m-%d %H:%M:%f', 'now'))",
};
