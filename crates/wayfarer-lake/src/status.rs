//! How the lake is, for people and for metrics.

use serde::{Deserialize, Serialize};

/// How the lake is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// All rows: those in Parquet files and the hot ones.
    pub rows: u64,
    /// Rows that are not in Parquet yet.
    pub hot_rows: u64,
    /// Memory that those take, in bytes.
    pub hot_bytes: u64,
    /// Parquet files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Segments of the log.
    pub wal_segments: u64,
    /// Their bytes.
    pub wal_bytes: u64,
    /// When the oldest row that is only in the log was taken, in microseconds of UTC; `None` when there is none.
    pub oldest_wal: Option<i64>,
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// Why appends or seals fail just now, if they do.
    pub trouble: Option<String>,
    /// The line that opens this lake in DuckDB, from any folder.
    pub duckdb: String,
}
