//! The session core from outside: the laws on the stores of this crate, and on stores that break them.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot go on without may end it"
)]

mod broken;
mod cached;
mod carried;
mod epochs;
mod files;
mod hindered;
mod history;
mod hostile;
mod laws;
mod life;
mod pickle;
mod renewal;
mod suite;
mod users;
