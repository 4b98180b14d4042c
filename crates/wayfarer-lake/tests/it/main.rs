//! The lake from outside: what was acknowledged is there, once, whatever happens in between.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod arrival;
mod bad;
mod care;
mod compact;
mod erase;
mod full;
mod ids;
mod kill;
mod model;
mod power;
mod real {
    mod duckdb;
    mod nodes;
    mod readers;
}
mod release;
mod resident;
mod retain;
mod simulator;
mod support;
