//! Access logs of servers, and other files of things that happened: lines in, batches of events out.
//!
//! One format is one file here and one row of [`FORMATS`], which feeds the help of the command line and the detection.
//! [`Importer`] drives a file through a [`Collector`](crate::Collector): it unpacks gzip and zstd by their magic bytes, detects the
//! format, numbers repeated lines and gives each event an id that is the same at every import of that file, so that the
//! lake's ledger adds nothing twice. The caller appends and tells [`Tally`] what came of it.
//!
//! ```no_run
//! # use std::{fs::File, sync::Arc};
//! # use wayfarer_collect::{Collector, Site, logs::{Importer, ImportOptions, Tally}};
//! # fn run(collector: Arc<Collector>, site: Arc<Site>, now: wayfarer_event::Micros) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tally = Tally::default();
//! let mut import = Importer::open(File::open("access.log")?, collector, site, ImportOptions::new(now))?;
//! while let Some(batch) = import.next_batch(&mut tally)? {
//!     // append batch.events to the lake under its ledger, write batch.rejects to the rejects file
//!     tally.appended(batch.events.len() as u64, 0);
//! }
//! println!("{:?}", tally.counts(1.5));
//! # Ok(())
//! # }
//! ```

mod caddy_json;
mod combined;
mod common;
mod csv;
mod events;
mod fields;
mod format;
mod ids;
mod importer;
mod json;
mod lines;
mod mask;
mod nginx_json;
mod page;
mod request;
mod tally;
mod traefik_json;
mod vhost_combined;

pub use format::{FORMATS, Format};
pub use importer::{Batch, ImportError, ImportOptions, Importer, RejectedLine};
pub use tally::{ImportCounts, Tally};
