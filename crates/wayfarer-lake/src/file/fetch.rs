//! The bytes of a Parquet file, as the decoder asks for them: the footer piece by piece, a row group's columns with one call
//! each.

use std::io;

use bytes::{Buf, Bytes};
use parquet::file::{
    metadata::RowGroupMetaData,
    reader::{ChunkReader, Length},
};

use super::{DataFile, read::damaged};
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

/// The bytes of a row group's columns, read with one call each.
pub(super) struct Fetched {
    len: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Fetched {
    pub(super) fn read(
        file: &DataFile,
        group: &RowGroupMetaData,
        leaves: &[usize],
    ) -> Result<Fetched> {
        let source = Whole::open(file)?;
        let mut pieces = Vec::with_capacity(leaves.len());
        for chunk in leaves.iter().filter_map(|&leaf| group.columns().get(leaf)) {
            let (start, length) = chunk.byte_range();
            let bytes =
                source.get_bytes(start, length as usize).map_err(|error| damaged(file, error))?;
            pieces.push((start, bytes));
        }
        Ok(Fetched { len: source.len, pieces })
    }

    fn from(&self, start: u64) -> io::Result<Bytes> {
        let inside = |(at, bytes): &(u64, Bytes)| {
            let from = start.checked_sub(*at)? as usize;
            (from <= bytes.len()).then(|| bytes.slice(from..))
        };
        let piece = self.pieces.iter().filter_map(inside).max_by_key(Bytes::len);
        piece.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Fetched {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut piece = self.from(start)?;
        if piece.len() < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(piece.split_to(length))
    }
}
