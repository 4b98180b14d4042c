//! Where events are kept: write-ahead log, hot rows, Parquet files in a DuckLake catalog.
//!
//! An event goes through [`Lake::append`] into the log (`wal/`), where it is durable; then into hot rows in memory, where
//! every view sees it; and after some seconds, sorted, into a Parquet file (`lake/`) that one transaction of the catalog
//! (`lake.sqlite`) names together with the place up to which the log is no longer needed. The catalog is a DuckLake 1.0:
//! DuckDB opens it as it is. The formats stand in `docs/design/wal-format.md` and `docs/design/lake-layout.md`.
//!
//! Readers take a [`View`] and ask it for [`Run`]s of columns. What the columns mean is `wayfarer-event`'s; who may write
//! to a folder is decided above this crate.
//!
//! Start with [`Lake`], then [`View`].

mod adopt;
mod background;
mod block;
mod catalog;
mod check;
mod commit;
mod compact;
mod counters;
mod erase;
mod error;
mod export;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gather;
mod hot;
mod ids;
mod lake;
mod live;
mod merge;
mod node;
mod options;
mod period;
mod person;
mod resident;
mod retain;
mod rule;
mod scan;
mod seal;
mod sealed;
mod settle;
mod state;
mod status;
pub mod storage;
mod stored;
mod view;
mod wal;

pub use block::{Arrival, Block, Values, VisitorRun, Visitors};
pub use check::Check;
pub use compact::Compacted;
pub use counters::Counts;
pub use erase::Erased;
pub use error::{Error, ErrorKind, Result};
pub use export::{Export, Selection};
pub use lake::{Appended, Ids, Lake};
pub use live::{Live, Subscription};
#[cfg(feature = "postgres")]
pub use options::SharedCatalog;
pub use options::{CatalogAt, Clock, Options, Random};
pub use person::Person;
pub use retain::Retained;
pub use scan::{Run, Scan};
pub use sealed::sealed;
pub use status::Status;
pub use stored::{Stored, own_id};
pub use view::{Position, View};
