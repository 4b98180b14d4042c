//! `wayfarer export`: every event with its id, hot rows too, into a file.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wayfarer_embedded::ExportRequest;
use wayfarer_lake::Stored;
use wayfarer_server::{
    local::{ExportStream, Folder},
    messages::grouped,
};

use crate::{
    args::Whom,
    desk::{Desk, with_folder},
    failure::{Failure, cannot_write},
    rows::{EventFile, FORMATS, Format},
    show::{output, progress},
};

/// Write events into a file
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The file; its name says the format
    #[arg(value_name = "FILE.parquet|csv|ndjson")]
    file: PathBuf,
    /// Only events of this site
    #[arg(long, value_name = "S")]
    site: Option<String>,
    /// First day, month or year, or the last so many days (7d); everything there is by default
    #[arg(long, value_name = "D")]
    from: Option<String>,
    /// Last day, month or year, included; up to now by default
    #[arg(long, value_name = "D")]
    to: Option<String>,
    #[command(flatten)]
    whom: Whom,
}

/// What an export says with `--json`.
#[derive(Serialize)]
struct Done {
    file: PathBuf,
    format: &'static str,
    events: u64,
}

impl Export {
    /// Writes the file.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        let Some(format) = Format::of(&self.file) else {
            let known: Vec<&str> = FORMATS.iter().map(|format| format.extension).collect();
            let failure = Failure::new("cli-export-format").path(&self.file);
            return Err(failure.with("known", known.join(", ")).usage());
        };
        let folder = desk.existing().await?;
        let events = with_folder(folder, async |folder| self.write(folder, format).await).await?;
        if desk.json {
            let done = Done { file: self.file, format: format.extension, events };
            return Ok(output::json(&done)?);
        }
        let events = grouped(i64::try_from(events).unwrap_or(i64::MAX));
        let variables =
            [("events", events.into()), ("path", self.file.display().to_string().into())];
        Ok(output::line(&desk.words.with("cli-exported", &variables))?)
    }

    async fn write(&self, folder: &Folder, format: &Format) -> Result<u64, Failure> {
        let (site, from, to) = (self.site.clone(), self.from.clone(), self.to.clone());
        let person = self.whom.clone().person();
        let stream = folder.export(&ExportRequest { site, from, to, person }).await?;
        let file = EventFile::create(&self.file, format);
        let file = file.map_err(|error| cannot_write(&self.file, &error))?;
        self.copy(stream, file).await
    }

    /// Packing and writing one batch of a thousand events takes a millisecond or two: short enough to stay on this thread,
    /// which has nothing else to do.
    async fn copy(&self, mut stream: ExportStream, mut file: EventFile) -> Result<u64, Failure> {
        let failed = |error: &std::io::Error| cannot_write(&self.file, error);
        let bar = progress::count(None);
        while let Some(batch) = stream.next_batch().await? {
            bar.inc(batch.len() as u64);
            for exported in batch {
                let (writer, seq, event) = (exported.writer, exported.seq, exported.event);
                file.row(&Stored { event, writer, seq }).map_err(|error| failed(&error))?;
            }
        }
        file.finish().map_err(|error| failed(&error))?;
        bar.finish_and_clear();
        Ok(bar.position())
    }
}
