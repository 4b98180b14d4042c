//! The session layer from outside: axum over real HTTP, with cookies.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot go on without may end it"
)]

#[cfg(feature = "auth")]
mod auth;
mod browser;
#[cfg(feature = "cookies")]
mod carried;
#[cfg(feature = "django")]
mod django;
#[cfg(feature = "django")]
mod django_real;
mod examples;
mod header;
mod hooks;
mod http;
#[cfg(feature = "track")]
mod insights;
mod parallel;
mod quiet;
mod replays;
mod streams;
#[cfg(feature = "sqlite")]
mod tiers;
mod tls;
#[cfg(feature = "sqlite")]
mod two_services;
#[cfg(all(feature = "auth", feature = "sqlite"))]
mod vectors;
