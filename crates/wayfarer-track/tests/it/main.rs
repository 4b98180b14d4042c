//! Tests of the tracking layer from the outside: over real HTTP, and in a real browser.

mod client;
mod layer;
mod script;
