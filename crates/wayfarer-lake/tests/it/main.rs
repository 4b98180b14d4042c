//! The lake from outside: what was acknowledged is there, once, whatever happens in between.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod care;
mod compact;
mod duckdb;
mod erase;
mod full;
mod ids;
mod kill;
mod model;
mod power;
mod simulator;
mod support;
