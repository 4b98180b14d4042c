//! The collector at the other end of a wire: a sink and a source of insights that speak Wayfarer's HTTP API.
//!
//! Owns addresses, the server token, time limits and the reading of answers. Only `http` for now: the collector is meant
//! to sit on the same machine or in the same private network. Start with [`HttpSink`].

mod client;
mod insights;
mod sink;

pub use self::{client::AddressError, insights::HttpInsights, sink::HttpSink};

#[cfg(test)]
mod tests;
