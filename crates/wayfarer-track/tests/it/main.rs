//! Tests of tracking from the outside: over real HTTP, and in a real browser.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod client;
mod common;
mod layer;
mod script;
