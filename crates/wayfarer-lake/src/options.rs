//! How a lake is run: its clock, its storage, and the bounds of what it holds in memory and on disk.

use std::{fmt, sync::Arc, time::Duration};

use wayfarer_event::Micros;

use crate::storage::{Disk, Storage};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// Gives random numbers.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where the catalog of a lake is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogAt {
    /// In the folder, with the data files: the process that has the folder is the only writer.
    #[default]
    Folder,
    /// In PostgreSQL, for several nodes that write to one lake, each with a folder of its own for its log.
    #[cfg(feature = "postgres")]
    Postgres(SharedCatalog),
}

impl CatalogAt {
    /// The folder that nodes share, where it was named.
    pub(crate) fn files(&self) -> Option<&std::path::Path> {
        match self {
            CatalogAt::Folder => None,
            #[cfg(feature = "postgres")]
            CatalogAt::Postgres(shared) => shared.files.as_deref(),
        }
    }
}

/// A catalog in PostgreSQL.
#[cfg(feature = "postgres")]
#[derive(Clone, PartialEq, Eq)]
pub struct SharedCatalog {
    /// The address of a database, such as `postgres://user:password@host/database`. DuckLake's tables are made in it; one
    /// database holds one lake. No pooler that hands transactions to changing connections may stand in between.
    pub url: String,
    /// The folder of the data files, which every node reaches. It has to be named when the catalog is new, and where a node
    /// knows it by another name than the first one did.
    pub files: Option<std::path::PathBuf>,
}

/// Without the address, which may hold a password.
#[cfg(feature = "postgres")]
impl fmt::Debug for SharedCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCatalog").field("files", &self.files).finish_non_exhaustive()
    }
}

/// How a lake is run. The default fits a server of a few hundred MB.
///
/// ```
/// use std::time::Duration;
/// use wayfarer_lake::Options;
///
/// let options = Options { seal_after: Duration::from_secs(60), ..Options::default() };
/// assert!(options.seal_bytes < options.hot_bytes);
/// ```
#[derive(Clone)]
pub struct Options {
    /// Tells the time of a seal and the age of hot rows. Events bring their own times.
    pub clock: Clock,
    /// Asked once in the life of a folder, for the number of its writer.
    pub random: Random,
    /// Where the log and the Parquet files lie.
    pub storage: Arc<dyn Storage>,
    /// Where the catalog is, and so who else may write to the lake.
    pub catalog: CatalogAt,
    /// The most memory for rows that are not in Parquet yet, in bytes. Above it, appends answer
    /// [`Busy`](crate::ErrorKind::Busy).
    pub hot_bytes: usize,
    /// Hot rows are sealed into Parquet when they take this much memory, in bytes. Less than half of `hot_bytes`, so that
    /// appends go on meanwhile.
    pub seal_bytes: usize,
    /// Hot rows are sealed when the oldest of them is this old.
    pub seal_after: Duration,
    /// Small files are merged in the background this often, where it pays.
    pub compact_after: Duration,
    /// How often a node of a shared lake looks what the others did. Without other nodes it means nothing.
    pub look_after: Duration,
    /// How many days back, to the start of a week, files are of a day.
    pub day_files: u32,
    /// How many days back, to the start of a month, files are of a day or of a week; before that they are of a month. Weeks begin
    /// on the 1st, 8th, 15th, 22nd and 29th of a month.
    pub week_files: u32,
    /// How long files stay on disk that were merged into others, for other programs that still read them.
    pub keep_snapshots: Duration,
    /// The most bytes of one batch in the log.
    pub batch_bytes: usize,
    /// A segment of the log is closed when it is this long, in bytes.
    pub segment_bytes: u64,
    /// How many days an id of [`Ids::Window`](crate::Ids::Window) is remembered at the least, unless `window_ids` is less.
    pub window_days: u32,
    /// How many ids of [`Ids::Window`](crate::Ids::Window) are remembered at the most; 16 bytes of disk each.
    pub window_ids: u64,
    /// The most memory for sealed rows that reports keep decoded, in bytes; 0 for none. One report may take as much, so that
    /// it is fast when it is asked again; without it, reports read their files each time. A million events take about 12 MB.
    pub resident_bytes: usize,
    /// How many events wait for a slow [`Subscription`](crate::Subscription) at the most.
    pub live_events: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(|| jiff::Timestamp::now().into()),
            random: Arc::new(random),
            storage: Arc::new(Disk),
            catalog: CatalogAt::Folder,
            hot_bytes: 128 << 20,
            seal_bytes: 32 << 20,
            seal_after: Duration::from_secs(10),
            compact_after: Duration::from_secs(30),
            look_after: Duration::from_secs(1),
            day_files: 7,
            week_files: 30,
            keep_snapshots: Duration::from_secs(600),
            batch_bytes: 32 << 20,
            segment_bytes: 64 << 20,
            window_days: 7,
            window_ids: 20_000_000,
            resident_bytes: 256 << 20,
            live_events: 10_000,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("storage", &self.storage)
            .field("catalog", &self.catalog)
            .field("hot_bytes", &self.hot_bytes)
            .field("seal_bytes", &self.seal_bytes)
            .field("seal_after", &self.seal_after)
            .finish_non_exhaustive()
    }
}

/// A number that no other writer is likely to have drawn, also where the system has no source of randomness.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| jiff::Timestamp::now().as_nanosecond() as u64)
}
