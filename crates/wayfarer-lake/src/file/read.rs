//! Reads runs from a Parquet file: the row groups that matter, the columns asked for, dictionaries kept.

use std::{io, ops::Range, sync::Arc};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array, types::Int32Type,
};
use arrow_buffer::ScalarBuffer;
use bytes::{Buf, Bytes};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
        },
    },
    errors::ParquetError,
    file::{
        metadata::RowGroupMetaData,
        reader::{ChunkReader, Length},
        statistics::Statistics,
    },
};
use wayfarer_event::{Column, Kind};

use super::{DataFile, SiteSpan, schema};
use crate::{
    Error, ErrorKind, Result,
    gather::Wanted,
    scan::{Block, Values},
    storage::{File, read_exact},
};

/// Rows decoded at once: small enough to stay in the processor's cache, large enough to pay for the calls.
const BLOCK_ROWS: usize = 32 << 10;
/// The columns that every block has.
const ALWAYS: [Column; 4] = [Column::Visitor, Column::Ts, Column::Seq, Column::Writer];

/// Reads the footer of a file.
pub(crate) fn footer(file: &DataFile) -> Result<ArrowReaderMetadata> {
    let source = Whole::open(file)?;
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let load = || {
        let own = ArrowReaderMetadata::load(&source, plain.clone())?;
        let options = plain.clone().with_schema(schema::read(own.schema()));
        ArrowReaderMetadata::try_new(Arc::clone(own.metadata()), options)
    };
    load().map_err(|error| damaged(file, error))
}

fn damaged(file: &DataFile, error: ParquetError) -> Error {
    Error::because(ErrorKind::Corrupt, format!("cannot read {}", file.path.display()), error)
}

/// The blocks of one site's rows in one file.
#[derive(Debug)]
pub(crate) struct FileRun {
    file: Arc<DataFile>,
    span: SiteSpan,
    wanted: Wanted<'static>,
    columns: Vec<Column>,
    batch_rows: usize,
    next_group: usize,
    /// How many rows lie before `next_group`.
    rows_before: u64,
    reader: Option<ParquetRecordBatchReader>,
    /// The writer of all rows of the group, where it is one, so that the column need not be read.
    writer: Option<u64>,
    dictionaries: Vec<Option<Arc<StringArray>>>,
}

impl FileRun {
    pub(crate) fn new(
        file: Arc<DataFile>,
        span: SiteSpan,
        wanted: Wanted<'static>,
        columns: &[Column],
    ) -> FileRun {
        FileRun {
            file,
            span,
            wanted,
            columns: columns.to_vec(),
            batch_rows: BLOCK_ROWS,
            next_group: 0,
            rows_before: 0,
            reader: None,
            writer: None,
            dictionaries: vec![None; columns.len()],
        }
    }

    /// The same in batches of this many rows.
    pub(crate) fn with_batch_rows(self, batch_rows: usize) -> FileRun {
        FileRun { batch_rows, ..self }
    }

    pub(crate) fn name(&self) -> &std::path::Path {
        &self.file.path
    }

    /// The next block as it lies in the file, not yet narrowed to the wanted rows.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        match self.next_batch()? {
            Some(batch) => self.block(&batch).map(Some),
            None => Ok(None),
        }
    }

    /// The next rows as Arrow's arrays.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(|error| damaged(&self.file, error.into()));
            }
            self.reader = None;
            if !self.open_group()? {
                return Ok(None);
            }
        }
    }

    /// Opens the next row group that may hold wanted rows; false when there is none.
    fn open_group(&mut self) -> Result<bool> {
        let file = Arc::clone(&self.file);
        let footer = file.footer()?;
        while let Some(group) = footer.metadata().row_groups().get(self.next_group) {
            let index = self.next_group;
            let start = self.rows_before;
            let end = start + group.num_rows().unsigned_abs();
            self.next_group += 1;
            self.rows_before = end;
            let first = start.max(self.span.first_row);
            let last = end.min(self.span.first_row + self.span.rows);
            if first < last && may_hold(group, &self.wanted) {
                let rows = (first - start) as usize..(last - start) as usize;
                self.reader = Some(self.read_group(footer, index, rows)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_group(
        &mut self,
        footer: &ArrowReaderMetadata,
        index: usize,
        rows: Range<usize>,
    ) -> Result<ParquetRecordBatchReader> {
        let group = footer.metadata().row_group(index);
        self.writer = match bounds(group, Column::Writer) {
            Some((least, greatest)) if least == greatest => Some(least as u64),
            _ => None,
        };
        let always = ALWAYS.iter().filter(|&&c| c != Column::Writer || self.writer.is_none());
        let leaves = always.chain(&self.columns).filter_map(|column| leaf(footer, *column));
        let leaves: Vec<usize> = leaves.collect();
        let source = Fetched::read(&self.file, group, &leaves)?;
        let mask = ProjectionMask::leaves(footer.parquet_schema(), leaves);
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(source, footer.clone())
                .with_row_groups(vec![index])
                .with_batch_size(self.batch_rows)
                .with_projection(mask);
        if rows.len() < group.num_rows().unsigned_abs() as usize {
            let selection = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
            builder = builder.with_row_selection(RowSelection::from(selection));
        }
        builder.build().map_err(|error| damaged(&self.file, error))
    }

    /// The rows of a batch as a block.
    pub(crate) fn block(&mut self, batch: &RecordBatch) -> Result<Block> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (&column, known) in self.columns.iter().zip(&mut self.dictionaries) {
            let array = batch.column_by_name(column.name());
            let values = match array {
                Some(array) => values(array, known),
                None => Some(Values::nulls(column, rows)),
            };
            columns.push(values.ok_or_else(|| foreign(&self.file, column))?);
        }
        let unsigned = |column| {
            let array = batch.column_by_name(Column::name(column));
            let array = array.and_then(|array| array.as_any().downcast_ref::<UInt64Array>());
            array.map(|a| a.values().clone()).ok_or_else(|| foreign(&self.file, column))
        };
        let ts = batch.column_by_name(Column::Ts.name());
        let ts = ts.and_then(|a| a.as_any().downcast_ref::<TimestampMicrosecondArray>());
        Ok(Block {
            visitor: unsigned(Column::Visitor)?,
            ts: ts.map(|a| a.values().clone()).ok_or_else(|| foreign(&self.file, Column::Ts))?,
            seq: unsigned(Column::Seq)?,
            writer: match self.writer {
                Some(writer) => vec![writer; rows].into(),
                None => unsigned(Column::Writer)?,
            },
            columns,
        })
    }
}

fn leaf(footer: &ArrowReaderMetadata, column: Column) -> Option<usize> {
    let columns = footer.parquet_schema().columns();
    columns.iter().position(|leaf| leaf.name() == column.name())
}

fn foreign(file: &DataFile, column: Column) -> Error {
    let text = format!("{}: `{column}` is not of its type", file.path.display());
    Error::new(ErrorKind::Unsupported, text)
}

/// Turns an array into values without copying what it can share; `None` when it is of another type.
pub(super) fn values(array: &ArrayRef, known: &mut Option<Arc<StringArray>>) -> Option<Values> {
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
        let texts = array.values().as_any().downcast_ref::<StringArray>()?;
        let same = known.as_ref().is_some_and(|known| same_texts(known, texts));
        if !same {
            *known = Some(Arc::new(texts.clone()));
        }
        return Some(Values::Text { codes: codes(array), dictionary: Arc::clone(known.as_ref()?) });
    }
    if let Some(array) = any.downcast_ref::<StringArray>() {
        let code = |row| if array.is_null(row) { Values::NULL } else { row as u32 };
        let codes: Vec<u32> = (0..array.len()).map(code).collect();
        return Some(Values::Text { codes: codes.into(), dictionary: Arc::new(array.clone()) });
    }
    if let Some(array) = any.downcast_ref::<TimestampMicrosecondArray>() {
        return Some(Values::Int { values: array.values().clone(), nulls: array.nulls().cloned() });
    }
    if let Some(array) = any.downcast_ref::<Int64Array>() {
        return Some(Values::Int { values: array.values().clone(), nulls: array.nulls().cloned() });
    }
    if let Some(array) = any.downcast_ref::<Float64Array>() {
        let (values, nulls) = (array.values().clone(), array.nulls().cloned());
        return Some(Values::Float { values, nulls });
    }
    let array = any.downcast_ref::<UInt64Array>()?;
    Some(Values::Unsigned { values: array.values().clone() })
}

/// Whether two dictionaries are one and the same in memory.
fn same_texts(a: &StringArray, b: &StringArray) -> bool {
    a.len() == b.len() && a.values().as_ptr() == b.values().as_ptr()
}

fn codes(array: &DictionaryArray<Int32Type>) -> ScalarBuffer<u32> {
    let keys = array.keys();
    match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
        // Codes are not negative, so their bytes are the same.
        None => ScalarBuffer::new(keys.values().inner().clone(), 0, keys.len()),
        Some(nulls) => {
            let code = |(&key, valid): (&i32, bool)| if valid { key as u32 } else { Values::NULL };
            keys.values().iter().zip(nulls.iter()).map(code).collect::<Vec<u32>>().into()
        }
    }
}

/// The least and greatest value of a column of 64 bits in a row group, where its statistics say.
fn bounds(group: &RowGroupMetaData, column: Column) -> Option<(i64, i64)> {
    let chunk = group.columns().iter().find(|c| c.column_path().string() == column.name())?;
    match chunk.statistics()? {
        Statistics::Int64(stats) => Some((*stats.min_opt()?, *stats.max_opt()?)),
        _ => None,
    }
}

/// Whether a row group may hold wanted rows, by its statistics.
fn may_hold(group: &RowGroupMetaData, wanted: &Wanted<'_>) -> bool {
    let visitors = bounds(group, Column::Visitor).is_none_or(|(least, greatest)| {
        least as u64 <= *wanted.visitors.end() && greatest as u64 >= *wanted.visitors.start()
    });
    let times = bounds(group, Column::Ts)
        .is_none_or(|(least, greatest)| least < wanted.time.1 && greatest >= wanted.time.0);
    visitors && times
}

impl Values {
    /// A column of nulls.
    pub(crate) fn nulls(column: Column, rows: usize) -> Values {
        let nulls = Some(arrow_buffer::NullBuffer::new_null(rows));
        match column.kind() {
            Kind::Text => Values::Text {
                codes: vec![Values::NULL; rows].into(),
                dictionary: Arc::new(StringArray::from(Vec::<&str>::new())),
            },
            Kind::F64 => Values::Float { values: vec![0.0; rows].into(), nulls },
            Kind::U64 => Values::Unsigned { values: vec![0; rows].into() },
            Kind::Time | Kind::I64 => Values::Int { values: vec![0; rows].into(), nulls },
        }
    }
}

/// A file that is read where the footer lies.
struct Whole {
    file: Box<dyn File>,
    len: u64,
}

impl Whole {
    fn open(file: &DataFile) -> Result<Whole> {
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
struct Fetched {
    len: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Fetched {
    fn read(file: &DataFile, group: &RowGroupMetaData, leaves: &[usize]) -> Result<Fetched> {
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
