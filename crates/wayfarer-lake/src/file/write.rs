//! Writes rows that come in order into a Parquet file, durably, and says what the catalog has to know of it.

use std::{
    io::{self, BufWriter, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt64Array, new_null_array, types::Int32Type,
};
use arrow_buffer::NullBuffer;
use arrow_schema::SchemaRef;
use parquet::{
    arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use wayfarer_event::{Column, Kind};

use super::{SiteSpan, read, schema, stats::ColumnStats, visitors::Index};
use crate::{
    Error, Result,
    block::Values,
    gather::Sorted,
    hot::is_distinct,
    storage::{File, Storage},
};

/// Rows of a row group: what a reader has to decode for a single visitor, and the memory that a writer needs.
pub(crate) const GROUP_ROWS: usize = 256 << 10;
/// Rows of a seal that are made into columns at once, which takes some hundred bytes a row.
const BATCH_ROWS: usize = 8 << 10;
/// The version of what a file's columns mean, in its metadata.
const FILE_VERSION: &str = "1";
/// A dictionary may grow to this before a column falls back to plain texts, which are slower to read.
const DICTIONARY_BYTES: usize = 8 << 20;
/// The order of rows in a file.
const ORDER: [Column; 4] = [Column::Site, Column::Visitor, Column::Ts, Column::Seq];

/// A file that was written, as the catalog has to know it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) footer_bytes: u64,
    /// CRC-32C of the whole file.
    pub(crate) crc: u32,
    /// One a column, as [`Column::ALL`].
    pub(crate) columns: Vec<ColumnStats>,
    pub(crate) spans: Vec<SiteSpan>,
}

/// Writes the rows into a new file. When it answers, the file and its name are durable.
pub(crate) fn write(storage: &dyn Storage, path: &Path, rows: &mut Sorted) -> Result<Written> {
    let mut writer = FileWriter::create(storage, path)?;
    let total = rows.rows();
    for start in (0..total).step_by(BATCH_ROWS) {
        let end = total.min(start + BATCH_ROWS);
        let column = |&column: &Column| (column, rows.column(column, start, end));
        let columns: Vec<_> = Column::ALL.iter().map(column).collect();
        let arrays = columns.into_iter().map(|(column, values)| array(column, values));
        writer.push(arrays.collect())?;
    }
    writer.finish()
}

/// A file that is being written, a batch of rows at a time, in order.
pub(crate) struct FileWriter<'a> {
    storage: &'a dyn Storage,
    path: PathBuf,
    file: Arc<dyn File>,
    writer: ArrowWriter<BufWriter<Appending>>,
    schema: SchemaRef,
    columns: Vec<ColumnStats>,
    spans: Vec<SiteSpan>,
    visitors: Index,
    rows: u64,
}

impl<'a> FileWriter<'a> {
    pub(crate) fn create(storage: &'a dyn Storage, path: &Path) -> Result<FileWriter<'a>> {
        let failed = |error| Error::io("cannot make", path, error);
        let file: Arc<dyn File> = storage.create(path).map_err(failed)?.into();
        let out = Appending { file: Arc::clone(&file), at: 0, crc: 0 };
        let out = BufWriter::with_capacity(256 << 10, out);
        let options = ArrowWriterOptions::new()
            .with_properties(properties().map_err(failed)?)
            .with_skip_arrow_metadata(true);
        let schema = schema::written();
        let writer = ArrowWriter::try_new_with_options(out, Arc::clone(&schema), options)
            .map_err(|error| failed(io_error(error)))?;
        let columns = vec![ColumnStats::default(); Column::ALL.len()];
        let path = path.to_owned();
        Ok(FileWriter {
            storage,
            path,
            file,
            writer,
            schema,
            columns,
            spans: Vec::new(),
            visitors: Index::new(),
            rows: 0,
        })
    }

    /// How many rows were pushed.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds rows: one array a column, as [`Column::ALL`], that come after those before.
    pub(crate) fn push(&mut self, arrays: Vec<ArrayRef>) -> Result<()> {
        let mut known = None;
        let mut lead = Vec::with_capacity(3);
        for ((&column, array), stats) in Column::ALL.iter().zip(&arrays).zip(&mut self.columns) {
            let Some(values) = read::values(array, &mut known) else { continue };
            stats.add(column, &values);
            if matches!(column, Column::Site | Column::Visitor | Column::Ts) {
                lead.push(values);
            }
        }
        if let [
            Values::Text { codes, dictionary },
            Values::Unsigned { values: visitors },
            Values::Int { values: times, .. },
        ] = lead.as_slice()
        {
            self.add_spans((codes, dictionary), visitors, times);
        }
        let failed = |error| Error::io("cannot write to", &self.path, error);
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| failed(io::Error::other(error)))?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch).map_err(|error| failed(io_error(error)))
    }

    /// Notes whose rows these are, and of which site.
    fn add_spans(
        &mut self,
        (codes, dictionary): (&[u32], &StringArray),
        visitors: &[u64],
        times: &[i64],
    ) {
        let mut first = 0;
        for run in codes.chunk_by(|a, b| a == b) {
            let end = first + run.len();
            let code = run.first().map_or(usize::MAX, |&code| code as usize);
            let site = if code < dictionary.len() { dictionary.value(code) } else { "" };
            let visitors = visitors.get(first..end).unwrap_or_default();
            let times = bounds(times.get(first..end).unwrap_or_default());
            let known = self.spans.last_mut().filter(|span| span.site == site);
            self.visitors.add(visitors, known.is_none());
            match known {
                Some(span) => {
                    span.rows += run.len() as u64;
                    span.visitors = join(&span.visitors, &bounds(visitors));
                    span.times = join(&span.times, &times);
                }
                None => self.spans.push(SiteSpan {
                    site: site.to_owned(),
                    first_row: self.rows + first as u64,
                    rows: run.len() as u64,
                    visitors: bounds(visitors),
                    times,
                }),
            }
            first = end;
        }
    }

    /// Ends the file. When it answers, the file and its name are durable.
    pub(crate) fn finish(mut self) -> Result<Written> {
        let failed = |error| Error::io("cannot write to", &self.path, error);
        let failed_parquet = |error| failed(io_error(error));
        let (mut writer, _) = self.writer.into_serialized_writer().map_err(failed_parquet)?;
        self.visitors.write(&mut writer).map_err(failed)?;
        let metadata = writer.finish().map_err(failed_parquet)?;
        writer.inner_mut().flush().map_err(failed)?;
        for group in metadata.row_groups() {
            for (stats, chunk) in self.columns.iter_mut().zip(group.columns()) {
                stats.bytes += chunk.compressed_size().unsigned_abs();
            }
        }
        let folder = self.path.parent().unwrap_or(&self.path);
        self.file
            .sync()
            .and_then(|()| self.storage.sync_folder(folder))
            .map_err(|error| Error::io("cannot sync", &self.path, error))?;
        let (bytes, footer_bytes) = lengths(self.file.as_ref()).map_err(failed)?;
        let crc = writer.inner().get_ref().crc;
        let FileWriter { path, rows, columns, spans, .. } = self;
        Ok(Written { path, rows, bytes, footer_bytes, crc, columns, spans })
    }
}

fn properties() -> io::Result<WriterProperties> {
    let order = ORDER.map(|column| SortingColumn {
        column_idx: column.index() as i32,
        descending: false,
        nulls_first: false,
    });
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("wayfarer ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(order.to_vec()))
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "wayfarer.version".to_owned(),
            FILE_VERSION.to_owned(),
        )]));
    for &column in Column::ALL {
        let path = ColumnPath::from(column.name());
        if is_packed_tight(column) {
            builder = builder.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
        }
        if is_distinct(column) {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::Chunk);
        } else if matches!(column, Column::Seq | Column::Ts | Column::ReceivedAt) {
            // Neighbours are near each other: half the bytes of plain values, and faster to read than those unpacked.
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        } else if column == Column::Visitor {
            // Each comes in one run of a file, so a dictionary says nothing twice that zstd would not find.
            builder = builder.set_column_dictionary_enabled(path, false);
        }
    }
    Ok(builder.build())
}

/// Columns that every report reads, and that their encoding makes so small that zstd would take hardly a byte away: what that
/// costs to read stands in docs/design/lake-layout.md.
fn is_packed_tight(column: Column) -> bool {
    use Column::{ReceivedAt, Seq, Site, Ts, VisitorKind, Writer};
    matches!(column, Site | VisitorKind | Ts | ReceivedAt | Writer | Seq)
}

fn array(column: Column, values: Values) -> ArrayRef {
    match values {
        Values::Null { rows } => {
            new_null_array(schema::written().field(column.index()).data_type(), rows)
        }
        Values::Text { codes, dictionary } if is_distinct(column) => {
            let text = |&code: &u32| {
                let code = code as usize;
                (code < dictionary.len()).then(|| dictionary.value(code))
            };
            Arc::new(codes.iter().map(text).collect::<StringArray>())
        }
        Values::Text { codes, dictionary } => {
            let valid = |codes: &[u32]| codes.iter().map(|&code| code != Values::NULL).collect();
            let nulls: Option<Vec<bool>> = codes.contains(&Values::NULL).then(|| valid(&codes));
            let key = |&code: &u32| i32::try_from(code).unwrap_or_default();
            let keys: Vec<i32> = codes.iter().map(key).collect();
            let nulls = nulls.map(NullBuffer::from);
            let keys = PrimitiveArray::<Int32Type>::new(keys.into(), nulls);
            Arc::new(DictionaryArray::new(keys, dictionary))
        }
        Values::Int { values, nulls } if column.kind() == Kind::Time => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone("UTC"))
        }
        Values::Int { values, nulls } => Arc::new(Int64Array::new(values, nulls)),
        Values::Unsigned { values } => Arc::new(UInt64Array::new(values, None)),
        Values::Float { values, nulls } => Arc::new(Float64Array::new(values, nulls)),
    }
}

fn join<T: Ord + Copy>(a: &RangeInclusive<T>, b: &RangeInclusive<T>) -> RangeInclusive<T> {
    *a.start().min(b.start())..=*a.end().max(b.end())
}

fn bounds<T: Ord + Copy + Default>(values: &[T]) -> RangeInclusive<T> {
    let least = values.iter().copied().min().unwrap_or_default();
    least..=values.iter().copied().max().unwrap_or_default()
}

/// What went wrong beneath Parquet, so that a full disk is still told from other errors.
fn io_error(error: ParquetError) -> io::Error {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(link) = cause {
        if let Some(io) = link.downcast_ref::<io::Error>() {
            return io::Error::new(io.kind(), error);
        }
        cause = link.source();
    }
    io::Error::other(error)
}

/// The length of a Parquet file and of its footer.
fn lengths(file: &dyn File) -> io::Result<(u64, u64)> {
    let bytes = file.len()?;
    let mut tail = [0; 4];
    file.read_at(bytes.saturating_sub(8), &mut tail)?;
    Ok((bytes, u64::from(u32::from_le_bytes(tail))))
}

/// Writes one piece behind the other.
struct Appending {
    file: Arc<dyn File>,
    at: u64,
    crc: u32,
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
