//! Sessions in PostgreSQL, 12 or newer: native ones, and Django's own table.
//!
//! Every change is one statement, so that a save without conflict is one round trip; statements are prepared once for each
//! connection. Behind a pooler that hands transactions to changing connections, turn on its support of prepared statements.
//!
//! Start with [`PostgresStore::open`] or [`DjangoPostgresStore::open`].

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use wayfarer_session::StoreError;

use crate::{
    database::{DjangoSql, EpochSql, HistorySql, NativeSql, Tables},
    django::DjangoStore,
    native::NativeStore,
    options::{PoolOptions, connect, server, wrong_address},
    server::{Connections, connections},
};

/// Keeps sessions in a PostgreSQL database.
pub type PostgresStore = NativeStore<Postgres>;

/// Keeps sessions in Django's table in a PostgreSQL database.
pub type DjangoPostgresStore = DjangoStore<Postgres>;

impl PostgresStore {
    /// Opens the database at an address such as `postgres://user:password@host/database`, and creates the table of sessions
    /// where it is missing. The application may keep tables of its own in it.
    ///
    /// # Errors
    /// When it cannot be reached, or its table was written by something newer.
    pub async fn open(url: &str, options: PoolOptions) -> Result<PostgresStore, StoreError> {
        NativeStore::in_database(Postgres::open(url, &options).await?).await
    }
}

impl DjangoPostgresStore {
    /// Opens a project's database at an address such as `postgres://user:password@host/database`, and creates
    /// `django_session` as Django would where it is missing.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(url: &str, options: PoolOptions) -> Result<DjangoPostgresStore, StoreError> {
        DjangoStore::in_database(Postgres::open(url, &options).await?).await
    }
}

/// The connections to a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct Postgres(Connections<sqlx::Postgres>);

connections!(Postgres, sqlx::Postgres, PgRow, PgArguments, begin: "BEGIN", keys: 1);

impl Postgres {
    async fn open(url: &str, options: &PoolOptions) -> Result<Postgres, StoreError> {
        let address: PgConnectOptions = url.parse().map_err(wrong_address)?;
        let address = address.application_name("wayfarer");
        let database = address.get_database().unwrap_or_default();
        let at = server("PostgreSQL", address.get_host(), address.get_port(), database);
        connect(at, address, options, PgPoolOptions::new()).await.map(Postgres)
    }
}

/// The driver sends a message of this size at the most, with room for the rest of the row.
const MAX_BYTES: usize = 500_000_000;

const NATIVE: NativeSql = NativeSql {
    create: r#"INSERT INTO wayfarer_session (key, version, data, expires_at, subject, "user")
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key) DO NOTHING"#,
    load: r#"SELECT version, data, expires_at, subject, "user" FROM wayfarer_session
        WHERE key = $1 AND version > 0 AND expires_at > $2"#,
    save: r#"UPDATE wayfarer_session
        SET version = version + 1, data = $1, expires_at = $2, subject = $3, "user" = $4
        WHERE key = $5 AND version = $6 AND version > 0 AND expires_at > $7"#,
    touch: "UPDATE wayfarer_session SET expires_at = $1
        WHERE key = $2 AND expires_at = $3 AND version > 0 AND expires_at > $4",
    end: r#"UPDATE wayfarer_session SET version = 0, data = '', subject = NULL, "user" = NULL
        WHERE key = $1 AND version > 0 AND expires_at > $2"#,
    end_version: r#"UPDATE wayfarer_session
        SET version = 0, data = '', subject = NULL, "user" = NULL
        WHERE key = $1 AND version = $2 AND version > 0 AND expires_at > $3"#,
    list: r#"SELECT key, version, data, expires_at, subject, "user" FROM wayfarer_session
        WHERE "user" = $1 AND version > 0 AND expires_at > $2 ORDER BY expires_at DESC LIMIT $3"#,
    scan: r#"SELECT key, version, data, expires_at, subject, "user" FROM wayfarer_session
        WHERE key > $1 AND version > 0 AND expires_at > $2 ORDER BY key LIMIT $3"#,
    // A row that somebody is just saving is left for the next batch.
    purge: "DELETE FROM wayfarer_session WHERE key IN (
        SELECT key FROM wayfarer_session WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED)",
};

const DJANGO: DjangoSql = DjangoSql {
    create: "INSERT INTO django_session (session_key, session_data, expire_date)
        VALUES ($1, $2, ($3 || '+00')::timestamptz) ON CONFLICT (session_key) DO NOTHING",
    load: "SELECT session_key, session_data,
        to_char(expire_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS expire_date
        FROM django_session WHERE session_key = $1 AND expire_date > ($2 || '+00')::timestamptz",
    save: "UPDATE django_session
        SET session_data = $1, expire_date = ($2 || '+00')::timestamptz
        WHERE session_key = $3 AND session_data = $4 AND expire_date > ($5 || '+00')::timestamptz",
    touch: "UPDATE django_session SET expire_date = ($1 || '+00')::timestamptz
        WHERE session_key = $2 AND expire_date = ($3 || '+00')::timestamptz
        AND expire_date > ($4 || '+00')::timestamptz",
    delete: "DELETE FROM django_session
        WHERE session_key = $1 AND expire_date > ($2 || '+00')::timestamptz",
    delete_state: "DELETE FROM django_session
        WHERE session_key = $1 AND session_data = $2 AND expire_date > ($3 || '+00')::timestamptz",
    scan: "SELECT session_key, session_data,
        to_char(expire_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS expire_date
        FROM django_session WHERE session_key > $1 AND expire_date > ($2 || '+00')::timestamptz
        ORDER BY session_key LIMIT $3",
    purge: "DELETE FROM django_session WHERE session_key IN (
        SELECT session_key FROM django_session WHERE expire_date <= ($1 || '+00')::timestamptz
        ORDER BY expire_date LIMIT $2 FOR UPDATE SKIP LOCKED)",
};

const HISTORY: HistorySql = HistorySql {
    append: r#"INSERT INTO wayfarer_session_history
        (at, kind, handle, subject, "user", reason, device) VALUES ($1, $2, $3, $4, $5, $6, $7)"#,
    of_handle: r#"SELECT at, kind, subject, "user", reason, device FROM wayfarer_session_history
        WHERE handle = $1 ORDER BY at DESC, id DESC LIMIT $2"#,
    of_user: r#"SELECT at, kind, subject, "user", reason, device FROM wayfarer_session_history
        WHERE "user" = $1 ORDER BY at DESC, id DESC LIMIT $2"#,
    purge: "DELETE FROM wayfarer_session_history WHERE id IN (
        SELECT id FROM wayfarer_session_history WHERE at < $1 ORDER BY at LIMIT $2
        FOR UPDATE SKIP LOCKED)",
};

const EPOCHS: EpochSql = EpochSql {
    of: "SELECT instant FROM wayfarer_session_epoch WHERE owner IN ($1, $2)",
    note: "INSERT INTO wayfarer_session_epoch AS noted (owner, instant, forget_at)
        VALUES ($1, $2, $3) ON CONFLICT (owner) DO UPDATE SET
        instant = greatest(noted.instant, excluded.instant),
        forget_at = greatest(noted.forget_at, excluded.forget_at)",
    purge: "DELETE FROM wayfarer_session_epoch WHERE owner IN (
        SELECT owner FROM wayfarer_session_epoch WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2
        FOR UPDATE SKIP LOCKED)",
};

const TABLES: Tables = Tables {
    // The bytes of "wayfarer": a number that nobody else uses.
    lock: "SELECT pg_advisory_xact_lock(8602290243882870130)",
    unlock: "",
    versions: "CREATE TABLE IF NOT EXISTS wayfarer_session_schema (
        version bigint NOT NULL PRIMARY KEY)",
    version: "SELECT coalesce(max(version), 0) FROM wayfarer_session_schema",
    note: "INSERT INTO wayfarer_session_schema (version) VALUES ($1)",
    steps: &[
        include_str!("postgres/001_sessions.sql"),
        include_str!("postgres/002_history_and_epochs.sql"),
    ],
    django_tables: "SELECT table_name::text FROM information_schema.tables
        WHERE table_schema = ANY (current_schemas(false))
        AND table_name IN ('django_session', 'django_migrations')",
    django: include_str!("postgres/django.sql"),
    django_note: "INSERT INTO django_migrations (app, name, applied)
        VALUES ('sessions', '0001_initial', now())",
};
