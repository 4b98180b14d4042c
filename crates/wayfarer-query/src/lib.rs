//! SQL over the lake, for analysts.
//!
//! [`query`] answers one `SELECT` over two tables: `events`, every row of one view of the lake, those in memory too, each once;
//! and `visits`, what the rule of visits makes of them. It is read-only by construction: the tables are made of a [`View`],
//! which cannot write, and statements that would define or change something are refused before they are planned. Time, memory
//! and rows are bounded by [`Limits`].
//!
//! Beside SQL's own there are three functions of behaviour: `window_funnel`, `retention` and `sessionize` (see [`functions`]).
//! They are written apart from the reports, so that one can prove the other.
//!
//! ```no_run
//! # async fn example(lake: &wayfarer_lake::Lake) -> Result<(), wayfarer_query::Error> {
//! use std::sync::Arc;
//! use wayfarer_analysis::VisitRule;
//! use wayfarer_query::{Limits, query};
//!
//! let view = Arc::new(lake.view());
//! let sql = "select path, count(*) from events where site = 'shop' group by path";
//! let answer = query(view, VisitRule::default(), sql, &Limits::default()).await?;
//! for batch in &answer.batches {
//!     println!("{} rows", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All of it is behind the feature `datafusion`.
//!
//! [`View`]: wayfarer_lake::View

#![cfg(feature = "datafusion")]

mod error;
mod events;
pub mod functions;
mod query;
mod visits;

pub use error::Error;
pub use query::{Answer, Limits, query};
