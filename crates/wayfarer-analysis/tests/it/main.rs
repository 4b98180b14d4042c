//! Every report against a brute-force oracle, and the engine over rows that lie as awkwardly as they can.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do its helpers"
)]

mod among;
mod answers;
mod attempts;
mod behaviour;
mod bounds;
mod engine;
mod funnel;
mod journeys;
mod late;
mod memory;
mod oracle;
mod person;
mod places;
mod reports;
mod vendor;
mod world;
