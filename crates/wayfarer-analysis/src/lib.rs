//! Reports as folds over visitors' histories.
//!
//! This crate turns the rows of the lake into exact answers. It owns the filters, the rule of visits, the fold engine and
//! the reports. It leaves storage to `wayfarer-lake`, and HTTP, charts and words to the crates above.
//!
//! - [`answer`] answers a [`Request`] in a [`Context`]. [`reports()`] is the table of what can be asked.
//! - [`filter`] reads the filter language and decides which events it selects.
//! - [`fold`] is the engine: it walks every visitor's history once, in order, for as many folds as are asked for.
//!   `docs/design/fold-engine.md` tells how and why.
//!
//! Start with [`fold`] to write a report, with [`answer`] to ask for one.

mod activity;
mod among;
mod answers;
mod dimension;
mod error;
mod facts;
pub mod filter;
pub mod fold;
mod funnel;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod job;
mod measure;
mod metric;
mod order;
mod pattern;
mod period;
mod person;
mod reports;
mod request;
mod segment;
mod sequence;
mod significance;
mod span;
mod times;
mod visit;
mod visit_key;

pub use answers::Answers;
pub use dimension::dimensions;
pub use error::Error;
pub use metric::metrics;
pub use period::bounds;
pub use reports::{Parameter, Report, answer, reports};
pub use request::{Answer, Context, Goal, Request, Row};
pub use segment::Segment;
pub use visit::VisitRule;
