//! The server from outside: real HTTP against a bound port, and the socket of the data folder.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod browser;
mod dashboard;
mod events;
mod house;
mod live;
mod local;
mod reading;
