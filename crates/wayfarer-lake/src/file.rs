//! Parquet files of the lake: their schema, how they are written, and how runs are read from them.
//!
//! A [`DataFile`] is what the catalog says of one file. Its footer is read when it is first needed.

pub(crate) mod arrivals;
pub(crate) mod fetch;
pub(crate) mod read;
pub(crate) mod schema;
pub(crate) mod stats;
pub(crate) mod visitors;
pub(crate) mod write;

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;

use crate::{Error, Result, catalog::FileRow, storage::Storage};

/// How much of the end of a file is expected to be its footer, in bytes: 4 kB a row group.
const FOOTER: u64 = 64 << 10;

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
    /// CRC-32C of the file, where it is known.
    pub(crate) crc: Option<u32>,
    pub(crate) spans: Vec<SiteSpan>,
    storage: Arc<dyn Storage>,
    footer: OnceLock<ArrowReaderMetadata>,
}

impl DataFile {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: PathBuf, row: &FileRow) -> DataFile {
        let FileRow { id, rows, bytes, crc, ref spans, .. } = *row;
        let spans = spans.clone();
        DataFile { id, path, rows, bytes, crc, spans, storage, footer: OnceLock::new() }
    }

    /// Reads the whole file and compares it with its checksum.
    pub(crate) fn check_bytes(&self) -> Result<()> {
        let failed = |error| Error::io("cannot read", &self.path, error);
        let file = self.storage.open(&self.path).map_err(failed)?;
        let mut piece = vec![0; 1 << 20];
        let (mut at, mut crc) = (0, 0);
        loop {
            let read = file.read_at(at, &mut piece).map_err(failed)?;
            crc = crc32c::crc32c_append(crc, piece.get(..read).unwrap_or_default());
            at += read as u64;
            if read < piece.len() {
                break;
            }
        }
        if at != self.bytes {
            let what = format!("it has {at} bytes, the catalog says {}", self.bytes);
            return Err(Error::corrupt(&self.path, what));
        }
        if self.crc.is_some_and(|known| known != crc) {
            return Err(Error::corrupt(&self.path, "it does not match its checksum"));
        }
        Ok(())
    }

    /// A file beside this one that is not in the catalog's list.
    pub(crate) fn at(&self, path: PathBuf) -> DataFile {
        let storage = Arc::clone(&self.storage);
        let (rows, bytes, spans) = (0, 0, Vec::new());
        DataFile {
            id: self.id,
            path,
            rows,
            bytes,
            crc: None,
            spans,
            storage,
            footer: OnceLock::new(),
        }
    }

    /// The rows of a site, if there are any.
    pub(crate) fn span(&self, site: &str) -> Option<&SiteSpan> {
        self.spans.iter().find(|span| span.site == site)
    }

    /// Whether the footer was read.
    pub(crate) fn has_footer(&self) -> bool {
        self.footer.get().is_some()
    }

    /// Lets the disk begin to fetch the footer.
    pub(crate) fn expect_footer(&self) -> Result<()> {
        let failed = |error| Error::io("cannot open", &self.path, error);
        let file = self.storage.open(&self.path).map_err(failed)?;
        file.expect(self.bytes.saturating_sub(FOOTER), FOOTER);
        Ok(())
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
