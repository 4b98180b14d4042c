//! Tests from outside: the built binary, as people and scripts run it.
//!
//! [`run`] starts commands and servers; every other module is about one promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod care;
#[cfg(feature = "demo")]
mod demo;
mod folder;
mod full;
mod import;
mod kill;
mod notebook;
mod read;
#[cfg(feature = "demo")]
mod real;
mod run;
mod saved;
mod session;
#[cfg(feature = "sql")]
mod sql;
mod usage;
