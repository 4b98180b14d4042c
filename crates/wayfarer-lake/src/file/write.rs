//! Writes sorted rows into a Parquet file, durably, and says what the catalog has to know of it.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array, types::Int32Type,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use parquet::{
    arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::{
        metadata::{KeyValue, ParquetMetaData, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use wayfarer_event::{Column, Kind};

use super::{SiteSpan, schema, stats::ColumnStats};
use crate::{
    Error, Result,
    gather::Sorted,
    hot::is_distinct,
    scan::Values,
    storage::{File, Storage},
};

/// Rows of a row group: what a reader has to decode for a single visitor, and the memory that a writer needs.
const GROUP_ROWS: usize = 256 << 10;
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
    /// One a column, as [`Column::ALL`].
    pub(crate) columns: Vec<ColumnStats>,
    pub(crate) spans: Vec<SiteSpan>,
}

/// Writes the rows into a new file. When it answers, the file and its name are durable.
pub(crate) fn write(storage: &dyn Storage, path: &Path, rows: &mut Sorted) -> Result<Written> {
    let file = storage.create(path).map_err(|e| Error::io("cannot make", path, e))?;
    let mut columns = vec![ColumnStats::default(); Column::ALL.len()];
    let metadata = write_columns(file.as_ref(), rows, &mut columns)
        .map_err(|error| Error::io("cannot write to", path, error))?;
    for group in metadata.row_groups() {
        for (stats, chunk) in columns.iter_mut().zip(group.columns()) {
            stats.bytes += chunk.compressed_size().unsigned_abs();
        }
    }
    let folder = path.parent().unwrap_or(path);
    file.sync()
        .and_then(|()| storage.sync_folder(folder))
        .map_err(|e| Error::io("cannot sync", path, e))?;
    let (bytes, footer_bytes) =
        lengths(file.as_ref()).map_err(|e| Error::io("cannot read", path, e))?;
    Ok(Written {
        path: path.to_owned(),
        rows: rows.rows() as u64,
        bytes,
        footer_bytes,
        columns,
        spans: spans(rows),
    })
}

fn write_columns(
    file: &dyn File,
    rows: &mut Sorted,
    stats: &mut [ColumnStats],
) -> io::Result<ParquetMetaData> {
    let out = BufWriter::with_capacity(1 << 20, Appending { file, at: 0 });
    let options =
        ArrowWriterOptions::new().with_properties(properties()?).with_skip_arrow_metadata(true);
    let schema = schema::written();
    let mut writer = ArrowWriter::try_new_with_options(out, Arc::clone(&schema), options)?;
    let total = rows.rows();
    for start in (0..total).step_by(GROUP_ROWS) {
        let end = total.min(start + GROUP_ROWS);
        let mut arrays = Vec::with_capacity(Column::ALL.len());
        for (&column, stats) in Column::ALL.iter().zip(&mut *stats) {
            let values = rows.column(column, start, end);
            stats.add(column, &values);
            arrays.push(array(column, values));
        }
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(io::Error::other)?;
        writer.write(&batch)?;
    }
    let metadata = writer.finish()?;
    writer.inner_mut().flush()?;
    Ok(metadata)
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
        let plain =
            is_distinct(column) || matches!(column, Column::Seq | Column::Ts | Column::ReceivedAt);
        if plain {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
        }
        if is_distinct(column) {
            builder = builder.set_column_statistics_enabled(path, EnabledStatistics::Chunk);
        }
    }
    Ok(builder.build())
}

fn array(column: Column, values: Values) -> ArrayRef {
    match values {
        Values::Text { codes, dictionary } if is_distinct(column) => {
            let text = |&code: &u32| {
                let code = code as usize;
                (code < arrow_array::Array::len(dictionary.as_ref()))
                    .then(|| dictionary.value(code))
            };
            Arc::new(codes.iter().map(text).collect::<StringArray>())
        }
        Values::Text { codes, dictionary } => {
            let valid: Vec<bool> = codes.iter().map(|&code| code != Values::NULL).collect();
            let key = |&code: &u32| i32::try_from(code).unwrap_or_default();
            let keys: Vec<i32> = codes.iter().map(key).collect();
            let keys = PrimitiveArray::<Int32Type>::new(keys.into(), Some(NullBuffer::from(valid)));
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

/// The spans of the sites in rows that are sorted by site.
fn spans(rows: &Sorted) -> Vec<SiteSpan> {
    let mut start = 0;
    let mut spans = Vec::new();
    for (site, count) in rows.sites() {
        let end = start + count;
        let visitors = bounds(&rows.visitor(start, end)).unwrap_or((0, 0));
        let times = bounds(&rows.ts(start, end)).unwrap_or((0, 0));
        spans.push(SiteSpan {
            site: site.clone(),
            first_row: start as u64,
            rows: *count as u64,
            visitors: visitors.0..=visitors.1,
            times: times.0..=times.1,
        });
        start = end;
    }
    spans
}

fn bounds<T: Ord + ArrowNativeType>(values: &ScalarBuffer<T>) -> Option<(T, T)> {
    Some((values.iter().copied().min()?, values.iter().copied().max()?))
}

/// The length of a Parquet file and of its footer.
fn lengths(file: &dyn File) -> io::Result<(u64, u64)> {
    let bytes = file.len()?;
    let mut tail = [0; 4];
    file.read_at(bytes.saturating_sub(8), &mut tail)?;
    Ok((bytes, u64::from(u32::from_le_bytes(tail))))
}

/// Writes one piece behind the other.
struct Appending<'a> {
    file: &'a dyn File,
    at: u64,
}

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
