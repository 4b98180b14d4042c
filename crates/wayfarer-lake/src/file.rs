//! Parquet files of the lake: their schema, how they are written, and how runs are read from them.
//!
//! A [`DataFile`] is what the catalog says of one file. Its footer is read when it is first needed.

pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod stats;
pub(crate) mod write;

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use crate::{Result, storage::Storage};

/// The rows of one site in a file; they lie together, since files are sorted by site first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteSpan {
    pub(crate) site: String,
    pub(crate) first_row: u64,
    pub(crate) rows: u64,
    pub(crate) visitors: RangeInclusive<u64>,
    pub(crate) times: RangeInclusive<i64>,
}

/// A Parquet file of the lake.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) spans: Vec<SiteSpan>,
    storage: Arc<dyn Storage>,
    footer: OnceLock<ArrowReaderMetadata>,
}

impl DataFile {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        id: u64,
        path: PathBuf,
        (rows, bytes): (u64, u64),
        spans: Vec<SiteSpan>,
    ) -> DataFile {
        DataFile { id, path, rows, bytes, spans, storage, footer: OnceLock::new() }
    }

    /// The rows of a site, if there are any.
    pub(crate) fn span(&self, site: &str) -> Option<&SiteSpan> {
        self.spans.iter().find(|span| span.site == site)
    }

    /// The footer; read once.
    pub(crate) fn footer(&self) -> Result<&ArrowReaderMetadata> {
        if let Some(footer) = self.footer.get() {
            return Ok(footer);
        }
        let footer = read::footer(self)?;
        Ok(self.footer.get_or_init(|| footer))
    }
}
