//! Log-in and log-out from outside, request by request.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

mod django;
mod hand_over;
mod life;
