//! The bytes of a Parquet file, as the decoder asks for them: the footer piece by piece, a row group's columns in windows.

use std::{
    io::{self, Read},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};
use parquet::file::{
    metadata::RowGroupMetaData,
    reader::{ChunkReader, Length},
};

use super::DataFile;
use crate::{
    Error, Result,
    storage::{File, read_exact},
};

/// A file that is read where the footer lies.
pub(super) struct Whole {
    file: Box<dyn File>,
    len: u64,
}

impl Whole {
    pub(super) fn open(file: &DataFile) -> Result<Whole> {
        let failed = |error| Error::io("cannot open", &file.path, error);
        let open = file.storage.open(&file.path).map_err(failed)?;
        let len = open.len().map_err(failed)?;
        Ok(Whole { file: open, len })
    }

    /// The bytes at a place.
    pub(super) fn read(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        if range.end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let len = range.end.saturating_sub(range.start) as usize;
        read_exact(self.file.as_ref(), range.start, len)
    }

    /// Lets the disk begin to fetch what will be read soon.
    pub(super) fn expect(&self, range: &Range<u64>) {
        self.file.expect(range.start, range.end.saturating_sub(range.start));
    }
}

impl Length for Whole {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Whole {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let rest = self.len.saturating_sub(start) as usize;
        Ok(self.get_bytes(start, rest)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(read_exact(self.file.as_ref(), start, length)?.into())
    }
}

/// How much of a column is read at once, in bytes, where few are read side by side.
pub(crate) const WINDOW: usize = 128 << 10;

/// The bytes of a row group's columns, each read in windows: a walk over a hundred files holds a window of each column, and
/// not all of a hundred row groups.
#[derive(Clone)]
pub(super) struct Fetched(Arc<Columns>);

struct Columns {
    source: Whole,
    /// How much of a column is read at once.
    window: usize,
    columns: Vec<ColumnBytes>,
}

/// Where a column lies, and what of it was read last.
struct ColumnBytes {
    range: Range<u64>,
    window: Mutex<(u64, Bytes)>,
}

impl Fetched {
    pub(super) fn open(
        file: &DataFile,
        group: &RowGroupMetaData,
        leaves: &[usize],
        window: usize,
    ) -> Result<Fetched> {
        let chunks = leaves.iter().filter_map(|&leaf| group.columns().get(leaf));
        let columns = chunks.map(|chunk| {
            let (start, length) = chunk.byte_range();
            ColumnBytes { range: start..start.saturating_add(length), window: Mutex::default() }
        });
        let columns: Vec<ColumnBytes> = columns.collect();
        let source = Whole::open(file)?;
        columns.iter().for_each(|column| source.expect(&column.range));
        Ok(Fetched(Arc::new(Columns { source, window, columns })))
    }

    /// The bytes from `start` on that one window holds: `least` of them, unless the column ends before.
    fn from(&self, start: u64, least: usize) -> io::Result<Bytes> {
        let Columns { source, columns, window: most } = &*self.0;
        let Some(column) = columns.iter().find(|column| column.range.contains(&start)) else {
            return Ok(Bytes::new());
        };
        let mut window = column.window.lock().unwrap_or_else(PoisonError::into_inner);
        let known = start.checked_sub(window.0).map(|from| from as usize);
        if known.is_none_or(|from| from + least > window.1.len()) {
            let rest = (column.range.end - start) as usize;
            let length = least.max(*most).min(rest);
            *window = (start, read_exact(source.file.as_ref(), start, length)?.into());
        }
        let from = (start - window.0) as usize;
        Ok(window.1.slice(from.min(window.1.len())..))
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.0.source.len
    }
}

impl ChunkReader for Fetched {
    type T = FetchedReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<FetchedReader> {
        Ok(FetchedReader { of: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = self.from(start, length)?;
        if bytes.len() < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(bytes.split_to(length))
    }
}

/// Reads a column from some place on, window by window.
pub(super) struct FetchedReader {
    of: Fetched,
    at: u64,
}

impl Read for FetchedReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.of.from(self.at, 1)?.as_ref().read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}
