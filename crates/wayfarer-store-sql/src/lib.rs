//! Wayfarer session stores in SQL databases.
//!
//! Start with [`SqliteStore`].

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteOptions, SqliteStore};
