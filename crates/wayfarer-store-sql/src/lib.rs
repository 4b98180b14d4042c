//! Wayfarer session stores in SQL databases.
//!
//! Start with [`SqliteStore`], [`PostgresStore`] or [`MySqlStore`], or with their `Django` sisters to share sessions with
//! Django. What they do is written once, in `native` and `django`; beside native sessions lie their [`SqlHistory`] and
//! [`SqlEpochs`], in `history` and `epochs`; how a database is opened and what its statements are,
//! in the module of its name; `database` is what the one asks of the other.

#![cfg_attr(
    not(any(feature = "mysql", feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "without a database there is nobody to ask")
)]

mod database;
mod django;
mod epochs;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod history;
#[cfg(feature = "mysql")]
mod mysql;
mod native;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod options;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use django::DjangoStore;
pub use epochs::SqlEpochs;
pub use history::SqlHistory;
pub use native::NativeStore;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub use options::PoolOptions;

#[cfg(feature = "mysql")]
pub use mysql::{DjangoMySqlStore, MySql, MySqlStore};
#[cfg(feature = "postgres")]
pub use postgres::{DjangoPostgresStore, Postgres, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{DjangoSqliteStore, Durability, Sqlite, SqliteOptions, SqliteStore};
