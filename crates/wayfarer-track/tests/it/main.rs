//! Tests of tracking from the outside: over real HTTP, and in a real browser.

mod client;
mod common;
mod layer;
mod script;
