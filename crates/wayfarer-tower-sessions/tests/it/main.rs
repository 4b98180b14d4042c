//! The move from tower-sessions and axum-login, with the real ones.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

mod browser;
mod rows;
mod take_over;
mod under_tower;
