//! Sessions in MySQL 8 or MariaDB 10.5, or newer: native ones, and Django's own table.
//!
//! Text is compared without regard to case there, unless the table says otherwise. Ours does; for Django's, every statement
//! compares the bytes of the key too.
//!
//! Start with [`MySqlStore::open`] or [`DjangoMySqlStore::open`].

use sqlx::{
    Executor,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlRow},
};
use wayfarer_session::StoreError;

use crate::{
    database::{DjangoSql, EpochSql, HistorySql, NativeSql, Tables},
    django::DjangoStore,
    native::NativeStore,
    options::{PoolOptions, connect, server, wrong_address},
    server::{Connections, connections},
};

/// Keeps sessions in a MySQL or MariaDB database.
pub type MySqlStore = NativeStore<MySql>;

/// Keeps sessions in Django's table in a MySQL or MariaDB database.
pub type DjangoMySqlStore = DjangoStore<MySql>;

impl MySqlStore {
    /// Opens the database at an address such as `mysql://user:password@host/database`, and creates the table of sessions
    /// where it is missing. The application may keep tables of its own in it.
    ///
    /// # Errors
    /// When it cannot be reached, or its table was written by something newer.
    pub async fn open(url: &str, options: PoolOptions) -> Result<MySqlStore, StoreError> {
        NativeStore::in_database(MySql::open(url, &options).await?).await
    }
}

impl DjangoMySqlStore {
    /// Opens a project's database at an address such as `mysql://user:password@host/database`, and creates
    /// `django_session` as Django would where it is missing.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open(url: &str, options: PoolOptions) -> Result<DjangoMySqlStore, StoreError> {
        DjangoStore::in_database(MySql::open(url, &options).await?).await
    }
}

/// The connections to a MySQL or MariaDB database.
#[derive(Clone, Debug)]
pub struct MySql(Connections<sqlx::MySql>);

connections!(
    MySql, sqlx::MySql, MySqlRow, MySqlArguments, begin: "START TRANSACTION", keys: 2
);

impl MySql {
    async fn open(url: &str, options: &PoolOptions) -> Result<MySql, StoreError> {
        let address: MySqlConnectOptions = url.parse().map_err(wrong_address)?;
        let database = address.get_database().unwrap_or_default();
        let at = server("MySQL", address.get_host(), address.get_port(), database);
        let pool = MySqlPoolOptions::new().after_connect(|connection, _| {
            Box::pin(async move { connection.execute(READ_COMMITTED).await.map(drop) })
        });
        connect(at, address, options, pool).await.map(MySql)
    }
}

/// Locks rows and not the gaps between them, which strangers' keys go into.
const READ_COMMITTED: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// What `max_allowed_packet` is by default in MariaDB, less some room for the rest of the row.
const MAX_BYTES: usize = 16 * 1024 * 1024 - 4096;

const NATIVE: NativeSql = NativeSql {
    // A key in use is an error that `change` knows; `INSERT IGNORE` would pass over others.
    create: "INSERT INTO wayfarer_session (`key`, version, data, expires_at, subject, `user`)
        VALUES (?, ?, ?, ?, ?, ?)",
    load: "SELECT version, data, expires_at, CONVERT(subject USING utf8mb4) AS subject,
        CONVERT(`user` USING utf8mb4) AS `user` FROM wayfarer_session
        WHERE `key` = ? AND version > 0 AND expires_at > ?",
    save: "UPDATE wayfarer_session
        SET version = version + 1, data = ?, expires_at = ?, subject = ?, `user` = ?
        WHERE `key` = ? AND version = ? AND version > 0 AND expires_at > ?",
    touch: "UPDATE wayfarer_session SET expires_at = ?
        WHERE `key` = ? AND expires_at = ? AND version > 0 AND expires_at > ?",
    end: "UPDATE wayfarer_session SET version = 0, data = '', subject = NULL, `user` = NULL
        WHERE `key` = ? AND version > 0 AND expires_at > ?",
    end_version: "UPDATE wayfarer_session
        SET version = 0, data = '', subject = NULL, `user` = NULL
        WHERE `key` = ? AND version = ? AND version > 0 AND expires_at > ?",
    list: "SELECT CONVERT(`key` USING utf8mb4) AS `key`, version, data, expires_at,
        CONVERT(subject USING utf8mb4) AS subject, CONVERT(`user` USING utf8mb4) AS `user`
        FROM wayfarer_session
        WHERE `user` = ? AND version > 0 AND expires_at > ? ORDER BY expires_at DESC LIMIT ?",
    scan: "SELECT CONVERT(`key` USING utf8mb4) AS `key`, version, data, expires_at,
        CONVERT(subject USING utf8mb4) AS subject, CONVERT(`user` USING utf8mb4) AS `user`
        FROM wayfarer_session
        WHERE `key` > ? AND version > 0 AND expires_at > ? ORDER BY `key` LIMIT ?",
    purge: "DELETE FROM wayfarer_session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
};

const DJANGO: DjangoSql = DjangoSql {
    create: "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, ?)",
    load: "SELECT session_key, session_data,
        DATE_FORMAT(expire_date, '%Y-%m-%d %H:%i:%s.%f') AS expire_date FROM django_session
        WHERE session_key = ? AND BINARY session_key = ? AND expire_date > ?",
    save: "UPDATE django_session SET session_data = ?, expire_date = ?
        WHERE session_key = ? AND BINARY session_key = ? AND BINARY session_data = ?
        AND expire_date > ?",
    touch: "UPDATE django_session SET expire_date = ?
        WHERE session_key = ? AND BINARY session_key = ? AND expire_date = ? AND expire_date > ?",
    delete: "DELETE FROM django_session
        WHERE session_key = ? AND BINARY session_key = ? AND expire_date > ?",
    delete_state: "DELETE FROM django_session
        WHERE session_key = ? AND BINARY session_key = ? AND BINARY session_data = ?
        AND expire_date > ?",
    scan: "SELECT session_key, session_data,
        DATE_FORMAT(expire_date, '%Y-%m-%d %H:%i:%s.%f') AS expire_date FROM django_session
        WHERE session_key > ? AND expire_date > ? ORDER BY session_key LIMIT ?",
    purge: "DELETE FROM django_session WHERE expire_date <= ? ORDER BY expire_date LIMIT ?",
};

const HISTORY: HistorySql = HistorySql {
    append: "INSERT INTO wayfarer_session_history
        (at, kind, handle, subject, `user`, reason, device) VALUES (?, ?, ?, ?, ?, ?, ?)",
    of_handle: "SELECT at, kind, CONVERT(subject USING utf8mb4) AS subject,
        CONVERT(`user` USING utf8mb4) AS `user`, reason, device FROM wayfarer_session_history
        WHERE handle = ? ORDER BY at DESC, id DESC LIMIT ?",
    of_user: "SELECT at, kind, CONVERT(subject USING utf8mb4) AS subject,
        CONVERT(`user` USING utf8mb4) AS `user`, reason, device FROM wayfarer_session_history
        WHERE `user` = ? ORDER BY at DESC, id DESC LIMIT ?",
    purge: "DELETE FROM wayfarer_session_history WHERE at < ? ORDER BY at LIMIT ?",
};

const EPOCHS: EpochSql = EpochSql {
    of: "SELECT instant FROM wayfarer_session_epoch WHERE owner IN (?, ?)",
    note: "INSERT INTO wayfarer_session_epoch (owner, instant, forget_at) VALUES (?, ?, ?)
        ON DUPLICATE KEY UPDATE instant = GREATEST(instant, VALUES(instant)),
        forget_at = GREATEST(forget_at, VALUES(forget_at))",
    purge: "DELETE FROM wayfarer_session_epoch WHERE forget_at <= ? ORDER BY forget_at LIMIT ?",
};

const TABLES: Tables = Tables {
    // Statements that make tables end transactions, so the lock is one of the connection.
    lock: "DO GET_LOCK('wayfarer_session', 60)",
    unlock: "DO RELEASE_LOCK('wayfarer_session')",
    versions: "CREATE TABLE IF NOT EXISTS wayfarer_session_schema (
        version bigint NOT NULL PRIMARY KEY) ENGINE = InnoDB",
    version: "SELECT coalesce(max(version), 0) FROM wayfarer_session_schema",
    note: "INSERT INTO wayfarer_session_schema (version) VALUES (?)",
    steps: &[
        include_str!("mysql/001_sessions.sql"),
        include_str!("mysql/002_history_and_epochs.sql"),
    ],
    django_tables: "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
        WHERE table_schema = DATABASE()
        AND table_name IN ('django_session', 'django_migrations')",
    django: include_str!("mysql/django.sql"),
    django_note: "INSERT INTO django_migrations (app, name, applied)
        VALUES ('sessions', '0001_initial', UTC_TIMESTAMP(6))",
};
