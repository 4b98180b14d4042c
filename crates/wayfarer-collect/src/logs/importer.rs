//! Drives one file through the collector: bytes in, batches of events and rejects out.

use std::{
    fmt,
    io::{self, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashMap;
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use wayfarer_event::{Event, Micros};

use super::{
    FORMATS, Format, Tally, csv,
    fields::LineError,
    format::{Parsed, Parser},
    ids::LineIds,
    lines::{Counted, LONGEST_LINE, Line, Lines, unpack},
    mask::mask,
};
use crate::{Collector, Door, DoorKind, Outcome, SaltError, Salts, Site};

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
        source: io::Error,
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
    parser: Box<dyn Parser>,
    lines: Lines,
    ids: LineIds,
    taken: Arc<AtomicU64>,
    failed: Option<io::Error>,
    collector: Arc<Collector>,
    site: Arc<Site>,
    options: ImportOptions,
}

impl Importer {
    /// Opens a file or stream: unpacks gzip and zstd, detects the format where none is given. An empty file is in any format.
    ///
    /// # Errors
    /// When the first bytes cannot be read, or no format fits.
    pub fn open(
        reader: impl Read + Send + 'static,
        collector: Arc<Collector>,
        site: Arc<Site>,
        options: ImportOptions,
    ) -> Result<Importer, ImportError> {
        let taken = Arc::new(AtomicU64::new(0));
        let failed = |source| ImportError::Read { bytes: 0, source };
        let reader = unpack(Counted { reader, count: Arc::clone(&taken) }).map_err(failed)?;
        let mut lines = Lines::new(reader.map_err(ImportError::Packed)?);
        let format = match options.format {
            Some(format) => format,
            None => detect(lines.peek().map_err(failed)?).ok_or(ImportError::UnknownFormat)?,
        };
        let ids = LineIds::new(&collector.salts().identity(), &site.name);
        let parser = format.parser();
        Ok(Importer { format, parser, lines, ids, taken, failed: None, collector, site, options })
    }

    /// The format in use.
    #[must_use]
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// Bytes taken from the reader up to now, packed as they are: for a progress bar.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The next lines; `None` at the end. Blocks while reading and computing.
    ///
    /// # Errors
    /// When the file cannot be read on. What was handed out before stays good.
    pub fn next_batch(&mut self, tally: &mut Tally) -> Result<Option<Batch>, ImportError> {
        let mut batch = Batch::default();
        // Salts are asked for once a batch and day: a salt that was thrown away is not used for long.
        let salts = Memo::new(self.collector.salts());
        let mut at_end = self.failed.is_some();
        for _ in 0..self.options.batch.max(1) {
            if at_end {
                break;
            }
            match self.lines.next() {
                Ok(Some(line)) if line.bytes.trim_ascii().is_empty() && !line.too_long => {}
                Ok(Some(line)) => {
                    let one = One {
                        parser: &mut *self.parser,
                        ids: &mut self.ids,
                        collector: &self.collector,
                        site: &self.site,
                        options: &self.options,
                        salts: &salts,
                    };
                    one.read(&line, &mut batch, tally);
                }
                Ok(None) => at_end = true,
                Err(error) => (self.failed, at_end) = (Some(error), true),
            }
        }
        let is_empty = batch.events.is_empty() && batch.rejects.is_empty();
        match (at_end && is_empty, self.failed.take()) {
            (true, None) => Ok(None),
            (true, Some(source)) => Err(ImportError::Read { bytes: self.lines.unpacked(), source }),
            (false, failed) => {
                self.failed = failed;
                Ok(Some(batch))
            }
        }
    }
}

/// The format of the first lines; that of an empty file is the first of all.
fn detect(text: &[u8]) -> Option<&'static Format> {
    if text.trim_ascii().is_empty() { FORMATS.first() } else { Format::detect(text) }
}

/// What reading one line needs.
struct One<'a> {
    parser: &'a mut dyn Parser,
    ids: &'a mut LineIds,
    collector: &'a Collector,
    site: &'a Site,
    options: &'a ImportOptions,
    salts: &'a Memo<'a>,
}

impl One<'_> {
    /// Reads a line into the batch and the counts.
    fn read(mut self, line: &Line<'_>, batch: &mut Batch, tally: &mut Tally) {
        let outcome = match line.too_long {
            true => Err(LineError(format!("the line is longer than {LONGEST_LINE} bytes").into())),
            false => self.outcome(line.bytes),
        };
        match outcome {
            Ok(None) => return,
            Ok(Some(Outcome::Take(event))) => {
                tally.event(&event);
                batch.events.push(*event);
            }
            Ok(Some(Outcome::Decline)) => tally.declined += 1,
            Ok(Some(Outcome::Reject(reject))) => {
                tally.rejected += 1;
                batch.rejects.push(rejected(line, &reject.to_string()));
            }
            Err(LineError(reason)) => {
                tally.rejected += 1;
                batch.rejects.push(rejected(line, &reason));
            }
        }
        tally.read += 1;
    }

    /// What becomes of a line; `None` if it tells nothing.
    fn outcome(&mut self, line: &[u8]) -> Result<Option<Outcome>, LineError> {
        let zone = self.options.timezone.as_ref().unwrap_or(&self.site.timezone);
        let received_at = self.options.received_at;
        let door = Door { site: self.site, kind: DoorKind::Server, client: None, received_at };
        Ok(match self.parser.parse(line, zone)? {
            Parsed::Request(request) => {
                let claim = request.claim(self.ids.next(line));
                let taken = self.collector.take(claim, &door, request.peer(), self.salts);
                Some(taken.map_or_else(Outcome::Reject, Outcome::Take))
            }
            Parsed::Event(mut raw, given) => {
                raw.id.get_or_insert_with(|| self.ids.next(line));
                let mut outcome = self.collector.collect_under(*raw, &door, self.salts);
                if let Outcome::Take(event) = &mut outcome {
                    csv::put(event, given);
                }
                Some(outcome)
            }
            Parsed::Nothing => None,
        })
    }
}

fn rejected(line: &Line<'_>, reason: &str) -> RejectedLine {
    RejectedLine {
        line: line.number,
        reason: mask(reason.as_bytes(), false),
        text: mask(line.bytes, true),
    }
}

/// Remembers the salts that were asked for.
struct Memo<'a> {
    salts: &'a dyn Salts,
    identity: [u8; 32],
    days: Mutex<HashMap<Date, [u8; 32]>>,
}

impl<'a> Memo<'a> {
    fn new(salts: &'a dyn Salts) -> Memo<'a> {
        Memo { salts, identity: salts.identity(), days: Mutex::default() }
    }
}

impl Salts for Memo<'_> {
    fn identity(&self) -> [u8; 32] {
        self.identity
    }

    fn daily(&self, day: Date) -> Result<[u8; 32], SaltError> {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(salt) = days.get(&day) {
            return Ok(*salt);
        }
        let salt = self.salts.daily(day)?;
        days.insert(day, salt);
        Ok(salt)
    }
}
