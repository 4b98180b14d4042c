//! The session layer from outside: axum over real HTTP, with cookies.

mod browser;
mod http;
mod parallel;
mod quiet;
