//! Wayfarer session stores in SQL databases.
//!
//! Start with [`SqliteStore`], or with [`DjangoSqliteStore`] to share sessions with Django.

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{DjangoSqliteStore, Durability, SqliteOptions, SqliteStore};
