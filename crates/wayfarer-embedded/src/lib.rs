//! The whole loop in an application's own process: events in, insights out, one data folder.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use wayfarer_embedded::{Options, Wayfarer};
//!
//! let wayfarer = Wayfarer::open(Path::new("./wayfarer-data"), Options::default()).await?;
//! let sink = wayfarer.sink("shop");               // where a tracking layer sends what happens
//! let insights = wayfarer.insight_source("shop"); // what `session.insights()` asks
//! # drop((sink, insights));
//! wayfarer.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The server and the command line stand on the same handle. This crate owns the data folder and its lock, the control
//! store (sites, tokens, goals, segments, salts), and the way of an event from a claim to an answer; it leaves the parts of that way to
//! `wayfarer-collect`, `wayfarer-lake`, `wayfarer-analysis` and `wayfarer-learn`, and HTTP to `wayfarer-server`.
//!
//! Start with [`Wayfarer`].

mod care;
mod collect;
mod control;
mod error;
mod export;
mod folder;
mod follow;
mod import;
mod insights;
mod options;
mod presence;
mod report;
mod wayfarer;

pub use self::{
    care::{Compacted, Erasure, ErasureRequest},
    collect::Sender,
    control::{Control, Grant, NewToken, Saved, Scope, SiteSpec, TokenInfo},
    error::{Error, ErrorKind, OpenError},
    export::{Export, ExportRequest, Exported},
    import::{ImportEvent, ImportProgress, ImportRequest, Inputs, RejectedLine},
    options::Options,
    presence::{Presence, Present, Recent},
    wayfarer::{Status, Wayfarer},
};
pub use wayfarer_analysis::{Answer, Goal, Request, Segment};
pub use wayfarer_collect::logs::ImportCounts;
pub use wayfarer_lake::{Check, Person};
