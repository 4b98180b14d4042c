//! SQL over the lake, for analysts.
//!
//! `query` answers one `SELECT` over two tables: `events`, every row of one view of the lake, those in memory too, each once;
//! and `visits`, what the rule of visits makes of them. It is read-only by construction: the tables are made of a [`View`],
//! which cannot write, and statements that would define or change something are refused before they are planned. Time, memory
//! and rows are bounded by `Limits`.
//!
//! Beside SQL's own there are three functions of behaviour: `window_funnel`, `retention` and `sessionize` (see `functions`).
//! They are written apart from the reports, so that one can prove the other.
//!
//! All of it is behind the feature `datafusion`; without it this crate is empty, and so are these names.
//!
//! [`View`]: wayfarer_lake::View

#![cfg(feature = "datafusion")]

mod error;
mod events;
pub mod functions;
mod query;
mod table;
mod visits;

pub use error::Error;
pub use query::{Answer, Limits, query};
