//! SQL stores from outside, on real databases.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without may end it")]

mod cached;
mod common;
mod django;
mod django_servers;
mod mysql;
mod past;
mod postgres;
mod sqlite;
