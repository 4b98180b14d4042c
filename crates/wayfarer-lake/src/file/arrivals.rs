//! The order in which the rows of a file arrived: `seq` and writer, which most readers never ask for.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_buffer::ScalarBuffer;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use wayfarer_event::Column;

use super::{DataFile, read};
use crate::{Error, Result};

/// Rows of which the order of arrival is read at once, and how much of those columns, in bytes.
const ARRIVALS: usize = 4 << 10;
const ARRIVALS_WINDOW: usize = 16 << 10;
/// How many times so many rows further on a row may be, to be reached by reading on.
const NEAR: usize = 16;

/// The order of arrival in a row group, read where it is asked for, some thousand rows at a time: a walk over a hundred files
/// asks in each of them, and mostly from the front to the back.
#[derive(Debug)]
pub(crate) struct Arrivals {
    file: Arc<DataFile>,
    group: usize,
    part: Mutex<Option<Part>>,
}

/// Some rows of a row group, and the reader that has those after them.
#[derive(Debug)]
struct Part {
    reader: ParquetRecordBatchReader,
    /// The first of the rows.
    first: usize,
    seqs: ScalarBuffer<u64>,
    writers: Writers,
}

/// Who took the rows.
#[derive(Debug)]
enum Writers {
    One(u64),
    Each(ScalarBuffer<u64>),
}

impl Arrivals {
    pub(crate) fn new(file: Arc<DataFile>, group: usize) -> Arrivals {
        Arrivals { file, group, part: Mutex::new(None) }
    }

    /// `seq` and writer of a row of the group.
    pub(crate) fn of(&self, row: usize) -> Result<(u64, u64)> {
        let mut known = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let near = |part: &Part| (part.first..part.first + NEAR * ARRIVALS).contains(&row);
        let mut part = match known.take().filter(near) {
            Some(part) => part,
            None => self.open(row - row % ARRIVALS)?,
        };
        while row >= part.first + part.seqs.len() {
            part = self.next(part)?;
        }
        let at = row - part.first;
        let writer = match &part.writers {
            Writers::One(writer) => Some(*writer),
            Writers::Each(writers) => writers.get(at).copied(),
        };
        let both = part.seqs.get(at).copied().zip(writer);
        *known = Some(part);
        both.ok_or_else(|| self.too_short())
    }

    /// Stands before a row.
    fn open(&self, first: usize) -> Result<Part> {
        let footer = self.file.footer()?;
        let group = footer.metadata().row_group(self.group);
        let rows = group.num_rows().unsigned_abs() as usize;
        if first >= rows {
            return Err(self.too_short());
        }
        let one = read::bounds(group, Column::Writer).filter(|(least, greatest)| least == greatest);
        let columns = [Some(Column::Seq), one.is_none().then_some(Column::Writer)];
        let leaves = columns.into_iter().flatten().filter_map(|column| read::leaf(footer, column));
        let (leaves, rows) = (leaves.collect(), (first..rows, ARRIVALS));
        Ok(Part {
            reader: read::open(&self.file, self.group, leaves, rows, ARRIVALS_WINDOW)?,
            first,
            seqs: Vec::new().into(),
            writers: one.map_or_else(
                || Writers::Each(Vec::new().into()),
                |(writer, _)| Writers::One(writer as u64),
            ),
        })
    }

    /// The rows after these.
    fn next(&self, part: Part) -> Result<Part> {
        let Part { mut reader, first, seqs, writers } = part;
        let batch =
            reader.next().transpose().map_err(|error| read::damaged(&self.file, error.into()))?;
        let batch = batch.ok_or_else(|| self.too_short())?;
        let first = first + seqs.len();
        let numbers =
            |column| read::numbers(&batch, column).ok_or_else(|| read::foreign(&self.file, column));
        let seqs = numbers(Column::Seq)?;
        let writers = match writers {
            Writers::One(writer) => Writers::One(writer),
            Writers::Each(_) => Writers::Each(numbers(Column::Writer)?),
        };
        Ok(Part { reader, first, seqs, writers })
    }

    fn too_short(&self) -> Error {
        Error::corrupt(&self.file.path, "a row group is shorter than it says")
    }
}
