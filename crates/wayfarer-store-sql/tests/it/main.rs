//! SQL stores from outside, on real databases.

#[cfg(feature = "sqlite")]
mod sqlite;
