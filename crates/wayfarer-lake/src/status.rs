//! How the lake is, for people and for metrics.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use wayfarer_event::Micros;

use crate::{Counts, state::Shared};

/// How the lake is at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// How old that row is, in seconds: how far the files are behind.
    pub lag_s: f64,
    /// The catalog's snapshot.
    pub snapshot: u64,
    /// Why appends or seals fail just now, if they do.
    pub trouble: Option<String>,
    /// What was done since the lake was opened.
    pub counts: Counts,
    /// The line that opens this lake in DuckDB, from any folder.
    pub duckdb: String,
}

pub(crate) fn of(shared: &Shared, duckdb: String, now: Micros) -> Status {
    let rows = shared.rows();
    let hot_rows = rows.hot_rows();
    let oldest = rows.oldest_sealing.or(rows.oldest_hot);
    let lag = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest).max(0));
    Status {
        rows: rows.files.iter().map(|file| file.rows).sum::<u64>() + hot_rows,
        hot_rows,
        hot_bytes: shared.hot_bytes.load(Ordering::Relaxed) as u64,
        files: rows.files.len() as u64,
        bytes: rows.files.iter().map(|file| file.bytes).sum(),
        wal_segments: shared.wal_segments.load(Ordering::Relaxed),
        wal_bytes: shared.wal_bytes.load(Ordering::Relaxed),
        oldest_wal: oldest,
        lag_s: lag as f64 / Micros::SECOND as f64,
        snapshot: rows.snapshot,
        counts: shared.counters.counts(),
        trouble: shared.trouble().map(|trouble| trouble.to_string()),
        duckdb,
    }
}
