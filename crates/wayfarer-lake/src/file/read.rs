//! Reads runs from a Parquet file: the row groups that matter, the columns asked for, dictionaries kept.

use std::{ops::Range, sync::Arc};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array, types::Int32Type,
};
use arrow_buffer::ScalarBuffer;
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
        metadata::{ColumnChunkMetaData, RowGroupMetaData},
        statistics::Statistics,
    },
};
use wayfarer_event::Column;

use super::{
    DataFile, SiteSpan,
    arrivals::Arrivals,
    fetch::{Fetched, WINDOW, Whole},
    schema,
};
use crate::{
    Error, ErrorKind, Result,
    block::{Arrival, Block, Values, Visitors},
    gather::Wanted,
};

/// Rows decoded at once: small enough to stay in the processor's cache, large enough to pay for the calls.
pub(crate) const BLOCK_ROWS: usize = 32 << 10;
/// The columns that every block has.
pub(crate) const ALWAYS: [Column; 2] = [Column::Visitor, Column::Ts];

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

/// All rows of a file as they lie in it.
pub(crate) fn batches(file: &DataFile) -> Result<ParquetRecordBatchReader> {
    let footer = file.footer()?.clone();
    ParquetRecordBatchReaderBuilder::new_with_metadata(Whole::open(file)?, footer)
        .with_batch_size(BLOCK_ROWS)
        .build()
        .map_err(|error| damaged(file, error))
}

pub(super) fn damaged(file: &DataFile, error: ParquetError) -> Error {
    Error::because(ErrorKind::Corrupt, format!("cannot read {}", file.path.display()), error)
}

/// Hands over one column of a site's rows in a file, some thousand rows at a time. A row group of which the statistics know
/// all comes at once.
pub(crate) fn each_part(
    file: &DataFile,
    span: &SiteSpan,
    column: Column,
    take: &mut dyn FnMut(Values) -> Result<()>,
) -> Result<()> {
    let footer = file.footer()?;
    let mut known = None;
    for (index, group, rows) in groups(footer, span) {
        match constant(group, column) {
            Some(constant) => take(constant.values(rows.len()))?,
            None => decode(file, index, rows, column, &mut known, take)?,
        }
    }
    Ok(())
}

/// The row groups that have rows of a site, each with its place and which of its rows those are.
pub(super) fn groups<'a>(
    footer: &'a ArrowReaderMetadata,
    span: &SiteSpan,
) -> impl Iterator<Item = (usize, &'a RowGroupMetaData, Range<usize>)> {
    let (mut end, wanted) = (0_u64, span.first_row..span.first_row + span.rows);
    footer.metadata().row_groups().iter().enumerate().filter_map(move |(index, group)| {
        let start = end;
        end += group.num_rows().unsigned_abs();
        let (first, last) = (start.max(wanted.start), end.min(wanted.end));
        let rows = first.saturating_sub(start) as usize..last.saturating_sub(start) as usize;
        (first < last).then_some((index, group, rows))
    })
}

/// Hands over one column of some rows of a row group, some thousand rows at a time. `known` is the dictionary of the last.
pub(super) fn decode(
    file: &DataFile,
    index: usize,
    rows: Range<usize>,
    column: Column,
    known: &mut Option<Arc<StringArray>>,
    take: &mut dyn FnMut(Values) -> Result<()>,
) -> Result<()> {
    let leaves = leaf(file.footer()?, column).into_iter().collect();
    for batch in open(file, index, leaves, (rows, BLOCK_ROWS), WINDOW)? {
        let batch = batch.map_err(|error| damaged(file, error.into()))?;
        let part = batch.columns().first().and_then(|array| values(array, known));
        take(part.ok_or_else(|| foreign(file, column))?)?;
    }
    Ok(())
}

/// Lets the disk begin to fetch what [`each_part`] will read of a column.
pub(crate) fn expect(file: &DataFile, span: &SiteSpan, column: Column) -> Result<()> {
    let footer = file.footer()?;
    let Some(leaf) = leaf(footer, column) else { return Ok(()) };
    let decoded = groups(footer, span).filter(|(_, group, _)| constant(group, column).is_none());
    let chunks = decoded.filter_map(|(_, group, _)| group.columns().get(leaf));
    let wanted: Vec<(u64, u64)> = chunks.map(ColumnChunkMetaData::byte_range).collect();
    if !wanted.is_empty() {
        let source = Whole::open(file)?;
        wanted.iter().for_each(|(at, len)| source.expect(&(*at..at.saturating_add(*len))));
    }
    Ok(())
}

/// How many rows of a file have a value in a column, as far as its statistics tell: all where they do not.
pub(crate) fn known_rows(file: &DataFile, column: Column) -> Result<u64> {
    let known = |group: &RowGroupMetaData| {
        let rows = group.num_rows().unsigned_abs();
        let chunk = group.columns().iter().find(|c| c.column_path().string() == column.name());
        let nulls = chunk.map(|c| c.statistics().and_then(Statistics::null_count_opt));
        rows.saturating_sub(nulls.map_or(rows, Option::unwrap_or_default))
    };
    Ok(file.footer()?.metadata().row_groups().iter().map(known).sum())
}

/// The blocks of one site's rows in one file.
#[derive(Debug)]
pub(crate) struct FileRun {
    file: Arc<DataFile>,
    span: SiteSpan,
    wanted: Wanted<'static>,
    columns: Vec<Column>,
    batch_rows: usize,
    window: usize,
    /// Whether every column that has values is decoded, also where the statistics know them.
    in_full: bool,
    next_group: usize,
    /// How many rows lie before `next_group`.
    rows_before: u64,
    group: Option<Group>,
    dictionaries: Vec<Option<Arc<StringArray>>>,
}

/// A row group that is being read.
#[derive(Debug)]
struct Group {
    reader: ParquetRecordBatchReader,
    /// What the statistics know of each of the columns.
    constants: Vec<Option<Constant>>,
    arrivals: Arc<Arrivals>,
    /// The next row in the group.
    at: usize,
}

/// A column that has one value in all rows of a group: it need not be decoded.
#[derive(Clone, Debug)]
enum Constant {
    Null,
    Text(Arc<StringArray>),
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
            window: WINDOW,
            in_full: false,
            next_group: 0,
            rows_before: 0,
            group: None,
            dictionaries: vec![None; columns.len()],
        }
    }

    /// The same in batches of this many rows.
    pub(crate) fn with_batch_rows(self, batch_rows: usize) -> FileRun {
        FileRun { batch_rows, ..self }
    }

    /// The same, with so many bytes of each column read at once.
    pub(crate) fn with_window(self, window: usize) -> FileRun {
        FileRun { window, ..self }
    }

    /// The same with an array in each batch for every column that has values.
    pub(crate) fn in_full(self) -> FileRun {
        FileRun { in_full: true, ..self }
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
            let reader = self.group.as_mut().map(|group| &mut group.reader);
            if let Some(batch) = reader.and_then(Iterator::next) {
                return batch.map(Some).map_err(|error| damaged(&self.file, error.into()));
            }
            self.group = None;
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
                self.group = Some(self.read_group(footer, index, rows)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn read_group(
        &self,
        footer: &ArrowReaderMetadata,
        index: usize,
        rows: Range<usize>,
    ) -> Result<Group> {
        let group = footer.metadata().row_group(index);
        let constant = |column: &Column| {
            constant(group, *column).filter(|known| !self.in_full || known.is_null())
        };
        let constants: Vec<Option<Constant>> = self.columns.iter().map(constant).collect();
        let unknown = self.columns.iter().zip(&constants).filter(|(_, known)| known.is_none());
        let columns = ALWAYS.into_iter().chain(unknown.map(|(column, _)| *column));
        let leaves: Vec<usize> = columns.filter_map(|column| leaf(footer, column)).collect();
        let at = rows.start;
        Ok(Group {
            reader: open(&self.file, index, leaves, (rows, self.batch_rows), self.window)?,
            constants,
            arrivals: Arc::new(Arrivals::new(Arc::clone(&self.file), index)),
            at,
        })
    }

    /// The rows of the batch that came last as a block.
    pub(crate) fn block(&mut self, batch: &RecordBatch) -> Result<Block> {
        let rows = batch.num_rows();
        let (file, group) = (&self.file, self.group.as_mut());
        let group = group.ok_or_else(|| Error::corrupt(&file.path, "it has no such row group"))?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (nth, (&column, known)) in self.columns.iter().zip(&mut self.dictionaries).enumerate() {
            let values = match (group.constants.get(nth), batch.column_by_name(column.name())) {
                (Some(Some(constant)), _) => Some(constant.values(rows)),
                (_, Some(array)) => values(array, known),
                (_, None) => Some(Values::Null { rows }),
            };
            columns.push(values.ok_or_else(|| foreign(file, column))?);
        }
        let visitors = batch.column_by_name(Column::Visitor.name());
        let visitors = visitors.and_then(|a| a.as_any().downcast_ref::<UInt64Array>());
        let visitors = visitors.ok_or_else(|| foreign(file, Column::Visitor))?;
        let ts = batch.column_by_name(Column::Ts.name());
        let ts = ts.and_then(|a| a.as_any().downcast_ref::<TimestampMicrosecondArray>());
        let first = group.at;
        group.at += rows;
        Ok(Block {
            visitors: Visitors::of(visitors.values()),
            ts: ts.map(|a| a.values().clone()).ok_or_else(|| foreign(file, Column::Ts))?,
            arrival: match (numbers(batch, Column::Seq), numbers(batch, Column::Writer)) {
                (Some(seq), Some(writer)) => Arrival::known(seq, writer),
                _ => Arrival::later(Arc::clone(&group.arrivals), first),
            },
            columns,
        })
    }
}

impl Constant {
    fn is_null(&self) -> bool {
        matches!(self, Constant::Null)
    }

    fn values(&self, rows: usize) -> Values {
        match self {
            Constant::Null => Values::Null { rows },
            Constant::Text(text) => {
                Values::Text { codes: vec![0; rows].into(), dictionary: Arc::clone(text) }
            }
        }
    }
}

/// What the statistics of a row group say of a column, where they say all.
fn constant(group: &RowGroupMetaData, column: Column) -> Option<Constant> {
    let chunk = group.columns().iter().find(|c| c.column_path().string() == column.name());
    let Some(chunk) = chunk else { return Some(Constant::Null) };
    let statistics = chunk.statistics()?;
    match (statistics.null_count_opt()?, statistics) {
        (nulls, _) if nulls == group.num_rows().unsigned_abs() => Some(Constant::Null),
        (0, Statistics::ByteArray(texts)) if texts.min_is_exact() && texts.max_is_exact() => {
            let (least, greatest) = (texts.min_opt()?, texts.max_opt()?);
            let text = std::str::from_utf8(least.data()).ok().filter(|_| least == greatest)?;
            Some(Constant::Text(Arc::new(StringArray::from(vec![text]))))
        }
        _ => None,
    }
}

/// Opens some rows of a row group, in batches of so many.
pub(super) fn open(
    file: &DataFile,
    index: usize,
    leaves: Vec<usize>,
    (rows, batch_rows): (Range<usize>, usize),
    window: usize,
) -> Result<ParquetRecordBatchReader> {
    let footer = file.footer()?;
    let group = footer.metadata().row_group(index);
    let source = Fetched::open(file, group, &leaves, window)?;
    let mask = ProjectionMask::leaves(footer.parquet_schema(), leaves);
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, footer.clone())
        .with_row_groups(vec![index])
        .with_batch_size(batch_rows)
        .with_projection(mask);
    if rows.len() < group.num_rows().unsigned_abs() as usize {
        let selection = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        builder = builder.with_row_selection(RowSelection::from(selection));
    }
    builder.build().map_err(|error| damaged(file, error))
}

pub(super) fn numbers(batch: &RecordBatch, column: Column) -> Option<ScalarBuffer<u64>> {
    let array = batch.column_by_name(column.name())?.as_any().downcast_ref::<UInt64Array>()?;
    Some(array.values().clone())
}

pub(super) fn leaf(footer: &ArrowReaderMetadata, column: Column) -> Option<usize> {
    let columns = footer.parquet_schema().columns();
    columns.iter().position(|leaf| leaf.name() == column.name())
}

pub(crate) fn foreign(file: &DataFile, column: Column) -> Error {
    let text = format!("{}: `{column}` is not of its type", file.path.display());
    Error::new(ErrorKind::Unsupported, text)
}

/// Turns an array into values without copying what it can share; `None` when it is of another type.
pub(crate) fn values(array: &ArrayRef, known: &mut Option<Arc<StringArray>>) -> Option<Values> {
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
pub(super) fn bounds(group: &RowGroupMetaData, column: Column) -> Option<(i64, i64)> {
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
    let times =
        bounds(group, Column::Ts).is_none_or(|(least, greatest)| wanted.overlaps(least, greatest));
    visitors && times
}
