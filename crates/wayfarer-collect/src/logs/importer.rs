//! Drives one file through the collector: bytes in, batches of events and rejects out.

use std::{fmt, io::Read, sync::Arc};

use jiff::tz::TimeZone;
use serde::Serialize;
use wayfarer_event::{Event, Micros};

use super::{Format, Tally};
use crate::{Collector, Site};

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The format; `None` detects it from the first lines.
    pub format: Option<&'static Format>,
    /// The zone of times that are written without one; `None` is the site's.
    pub timezone: Option<TimeZone>,
    /// Lines in a batch, at the most; default 4096.
    pub batch: usize,
    /// When the import began: `received_at` of its events.
    pub received_at: Micros,
}

impl ImportOptions {
    /// Detects the format, reads times without a zone in the site's.
    #[must_use]
    pub fn new(received_at: Micros) -> ImportOptions {
        ImportOptions { format: None, timezone: None, batch: 4096, received_at }
    }
}

/// Some lines of a file, read.
#[derive(Debug, Default)]
pub struct Batch {
    /// Events, each with an id that is the same at every import of this file. For the lake's ledger.
    pub events: Vec<Event>,
    /// Lines that were refused.
    pub rejects: Vec<RejectedLine>,
}

/// A line that was refused. `Display` and serde give the line for the file of `--rejects`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why, in one sentence.
    pub reason: String,
    /// The line, with addresses masked and cut to a bounded length.
    pub text: String,
}

impl fmt::Display for RejectedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.line, self.reason, self.text)
    }
}

/// Why a file could not be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes could not be read, or a compressed file is damaged.
    #[error("the file could not be read after {bytes} bytes")]
    Read {
        /// Bytes read before, unpacked.
        bytes: u64,
        /// What the reader said.
        source: std::io::Error,
    },
    /// None of the first lines is in a format that is known.
    #[error("the format could not be detected, name it with --format")]
    UnknownFormat,
    /// The file is packed in a way that is not read.
    #[error("the file is packed with {0}, which is not read here, unpack it first")]
    Packed(&'static str),
}

/// Reads one file. Bounded memory, whatever the file holds.
pub struct Importer {
    format: &'static Format,
}

impl Importer {
    /// Opens a file or stream: unpacks gzip, detects the format where none is given.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or no format fits.
    pub fn open(
        reader: impl Read + Send + 'static,
        collector: Arc<Collector>,
        site: Arc<Site>,
        options: ImportOptions,
    ) -> Result<Importer, ImportError> {
        let _ = (reader, collector, site);
        options.format.map(|format| Importer { format }).ok_or(ImportError::UnknownFormat)
    }

    /// The format in use.
    #[must_use]
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Bytes taken from the reader up to now, packed as they are: for a progress bar.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        0
    }

    /// The next lines; `None` at the end. Blocks while reading and computing.
    ///
    /// # Errors
    /// When the file cannot be read on. What was handed out before stays good.
    pub fn next_batch(&mut self, tally: &mut Tally) -> Result<Option<Batch>, ImportError> {
        let _ = tally;
        Ok(None)
    }
}
