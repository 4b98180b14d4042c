//! SQL stores from outside, on real databases.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

#[cfg(feature = "sqlite")]
mod django;
#[cfg(feature = "sqlite")]
mod sqlite;
