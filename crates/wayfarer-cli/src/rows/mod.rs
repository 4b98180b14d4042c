//! Files of events: one file a format here, one row of [`FORMATS`]. Rows come one by one and leave at once, so memory is
//! bounded; the file gets its name when it is whole, so a reader never finds half of one.

mod csv;
mod ndjson;
mod parquet;

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use wayfarer_event::{Column, Event};
use wayfarer_lake::Stored;

/// A format of files of events.
pub(crate) struct Format {
    /// How the name of such a file ends, without the dot.
    pub(crate) extension: &'static str,
    /// What it is good for, in a sentence without its full stop.
    pub(crate) doc: &'static str,
    start: fn(File) -> io::Result<Box<dyn Rows>>,
}

/// Every format.
pub(crate) static FORMATS: [Format; 3] = [
    Format {
        extension: "parquet",
        doc: "the lake's own columns and types, for DuckDB, pandas and other engines",
        start: |file| Ok(Box::new(parquet::Parquet::start(file)?)),
    },
    Format {
        extension: "csv",
        doc: "one line an event under a heading of column names; null is empty, times are RFC 3339",
        start: |file| Ok(Box::new(csv::Csv::start(buffered(file))?)),
    },
    Format {
        extension: "ndjson",
        doc: "one JSON object an event, every column named; times are RFC 3339, props is an object",
        start: |file| Ok(Box::new(ndjson::Ndjson::start(buffered(file)))),
    },
];

impl Format {
    /// The format that the name of a file asks for.
    pub(crate) fn of(path: &Path) -> Option<&'static Format> {
        let extension = path.extension()?.to_str()?;
        FORMATS.iter().find(|format| format.extension.eq_ignore_ascii_case(extension))
    }
}

/// Takes rows and writes them in one format.
trait Rows: Send {
    /// Writes one row.
    fn row(&mut self, row: &Stored) -> io::Result<()>;

    /// Writes what is still held back, and gives back the file.
    fn end(self: Box<Self>) -> io::Result<File>;
}

/// A file of events in the making.
pub(crate) struct EventFile {
    rows: Box<dyn Rows>,
    path: PathBuf,
    part: Part,
}

/// The unfinished file; removed unless it was given its name.
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.0 {
            // Nothing more can be done for a file that cannot be removed.
            let _ = fs::remove_file(part);
        }
    }
}

impl EventFile {
    /// Starts a file of events. What lies at `path` stays until [`finish`](Self::finish).
    ///
    /// # Errors
    /// When no file can be made beside `path`.
    pub(crate) fn create(path: &Path, format: &Format) -> io::Result<EventFile> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let file = File::create(&part)?;
        let part = Part(Some(part));
        Ok(EventFile { rows: (format.start)(file)?, path: path.to_owned(), part })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(crate) fn row(&mut self, row: &Stored) -> io::Result<()> {
        self.rows.row(row)
    }

    /// Makes the file whole and durable, and gives it its name.
    ///
    /// # Errors
    /// When the disk does not take it; nothing is left behind then.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let file = self.rows.end()?;
        file.sync_all()?;
        if let Some(part) = &self.part.0 {
            fs::rename(part, &self.path)?;
        }
        self.part.0 = None;
        Ok(())
    }
}

fn buffered(file: File) -> BufWriter<File> {
    BufWriter::with_capacity(1 << 16, file)
}

/// The whole numbers that are never negative; only the lake knows some of them.
fn unsigned(column: Column, row: &Stored) -> Option<u64> {
    match column {
        Column::Visitor => Some(row.event.visitor.0),
        Column::Writer => Some(row.writer),
        Column::Seq => Some(row.seq),
        _ => None,
    }
}

/// A time as text: RFC 3339 in UTC.
fn time(column: Column, event: &Event) -> Option<String> {
    column.int(event).map(|micros| wayfarer_event::Micros(micros).to_string())
}

fn end_of(buffer: BufWriter<File>) -> io::Result<File> {
    buffer.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests;
