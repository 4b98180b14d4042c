//! Imports: files of things that happened, through the collector's readers, into the lake under its ledger.
//!
//! A thread reads and parses while the lake writes the batch before; two batches at the most lie between them.

use std::{
    io::{self, Read},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use wayfarer_collect::{
    Collector, Site,
    logs::{Batch, Format, ImportCounts, ImportError, ImportOptions, Importer, Tally},
};
use wayfarer_event::{Event, Micros};
use wayfarer_lake::{Appended, Ids};

use crate::{Error, ErrorKind, SiteSpec, Wayfarer};

/// Batches that wait for the lake.
const WAITING: usize = 2;
/// How long an import waits when the lake has too much to do.
const PAUSE: Duration = Duration::from_millis(50);

/// The files of an import, opened one after the other.
pub type Inputs = Box<dyn Iterator<Item = io::Result<Box<dyn Read + Send>>> + Send>;

/// What to import, besides the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportRequest {
    /// Whose events. A site that is not there yet is made.
    pub site: String,
    /// Name of the format; detected from the first lines when not given, or `auto`.
    pub format: Option<String>,
    /// The zone of times that are written without one; the days of the site, if it is made now.
    pub timezone: Option<String>,
}

/// What an import tells while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportEvent {
    /// How far it is.
    Progress(ImportProgress),
    /// A line that was refused.
    Rejected(RejectedLine),
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportProgress {
    /// Which file, from 0.
    pub file: usize,
    /// Bytes of this file taken up to now, packed as they are.
    pub bytes: u64,
    /// Events that are new in the lake, of all files.
    pub imported: u64,
    /// Events that were there already, of all files.
    pub duplicates: u64,
    /// Lines that were refused, of all files.
    pub rejected: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Which file, from 0.
    pub file: usize,
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why, in one sentence.
    pub reason: String,
    /// The line, with addresses masked and cut to a bounded length.
    pub text: String,
}

/// What the reading thread hands over.
struct Parsed {
    file: usize,
    bytes: u64,
    batch: Batch,
}

impl Wayfarer {
    /// Imports files and answers with the counts over all of them. The same file again adds nothing. Progress and every refused
    /// line go to `events`; whoever holds its other end must take them, or drop it.
    ///
    /// # Errors
    /// When a file cannot be read or the lake cannot take more. What was imported before stays; the same import may be
    /// run again.
    pub async fn import(
        &self,
        request: &ImportRequest,
        inputs: Inputs,
        events: mpsc::Sender<ImportEvent>,
    ) -> Result<ImportCounts, Error> {
        let began = Instant::now();
        let (site, options) = self.prepare(request).await?;
        let (sender, mut parsed) = mpsc::channel(WAITING);
        let reader = Reading { collector: Arc::clone(self.collector()), site, options };
        let reading = tokio::task::spawn_blocking(move || reader.run(inputs, &sender));
        let mut progress = ImportProgress::default();
        while let Some(Parsed { file, bytes, batch }) = parsed.recv().await {
            let appended = self.append_imported(batch.events).await?;
            progress.file = file;
            progress.bytes = bytes;
            progress.imported += appended.stored as u64;
            progress.duplicates += appended.duplicates as u64;
            progress.rejected += batch.rejects.len() as u64;
            for reject in batch.rejects {
                let (line, reason, text) = (reject.line, reject.reason, reject.text);
                let rejected = RejectedLine { file, line, reason, text };
                // Whoever stopped listening does not want to know.
                let _ = events.send(ImportEvent::Rejected(rejected)).await;
            }
            let _ = events.send(ImportEvent::Progress(progress)).await;
        }
        let read = reading.await;
        let mut tally =
            read.map_err(|e| Error::new(ErrorKind::Internal, "reading the file failed").with(e))??;
        tally.appended(progress.imported, progress.duplicates);
        Ok(tally.counts(began.elapsed().as_secs_f64()))
    }

    async fn prepare(&self, request: &ImportRequest) -> Result<(Arc<Site>, ImportOptions), Error> {
        let now = Micros::from(self.now());
        let mut spec = SiteSpec::new(&request.site);
        let mut options = ImportOptions::new(now);
        if let Some(zone) = &request.timezone {
            options.timezone = Some(TimeZone::get(zone).map_err(|_| unknown_zone(zone))?);
            spec = spec.timezone(zone);
        }
        options.format = match request.format.as_deref() {
            None | Some("auto") => None,
            Some(name) => Some(Format::by_name(name).ok_or_else(|| unknown_format(name))?),
        };
        Ok((self.control().ensure_site(&spec, now).await?, options))
    }

    /// Appends, and waits where a sender would be told to come again: the lake is what an import must not outrun.
    async fn append_imported(&self, events: Vec<Event>) -> Result<Appended, Error> {
        if events.is_empty() {
            return Ok(Appended::default());
        }
        self.control().salts().save(self.now()).await?;
        loop {
            match self.lake().append(events.clone(), Ids::Ledger).await {
                Err(error) if error.kind() == wayfarer_lake::ErrorKind::Busy => {
                    tokio::time::sleep(PAUSE).await;
                }
                appended => return Ok(appended?),
            }
        }
    }
}

/// The thread that reads and parses.
struct Reading {
    collector: Arc<Collector>,
    site: Arc<Site>,
    options: ImportOptions,
}

impl Reading {
    fn run(self, inputs: Inputs, sender: &mpsc::Sender<Parsed>) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for (file, input) in inputs.enumerate() {
            let input = input.map_err(|e| {
                Error::new(ErrorKind::Input, format!("the file cannot be read: {e}")).with(e)
            })?;
            self.read(file, input, &mut tally, sender).map_err(import_error)?;
        }
        Ok(tally)
    }

    fn read(
        &self,
        file: usize,
        input: Box<dyn Read + Send>,
        tally: &mut Tally,
        sender: &mpsc::Sender<Parsed>,
    ) -> Result<(), ImportError> {
        let (collector, site) = (Arc::clone(&self.collector), Arc::clone(&self.site));
        let mut importer = Importer::open(input, collector, site, self.options.clone())?;
        while let Some(batch) = importer.next_batch(tally)? {
            let bytes = importer.bytes_read();
            if sender.blocking_send(Parsed { file, bytes, batch }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn import_error(error: ImportError) -> Error {
    Error::new(ErrorKind::Input, crate::error::chain(&error)).with(error)
}

fn unknown_zone(zone: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("`{zone}` is no time zone: use one such as Europe/Berlin"),
    )
}

fn unknown_format(name: &str) -> Error {
    let known: Vec<&str> =
        wayfarer_collect::logs::FORMATS.iter().map(|format| format.name).collect();
    Error::new(
        ErrorKind::Invalid,
        format!("there is no format `{name}`: use auto, {}", known.join(", ")),
    )
}
