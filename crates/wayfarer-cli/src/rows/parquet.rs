//! Parquet with the columns and types of `main.events`.

use std::{fs::File, io, sync::Arc};

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder,
    },
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use wayfarer_event::{Column, Kind};
use wayfarer_lake::Stored;

use super::{Rows, unsigned};

/// Rows that are turned into columns at a time.
const BATCH: usize = 4096;
/// Rows of a row group: what the writer holds in memory, packed.
const GROUP: usize = 1 << 16;

pub(super) struct Parquet {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    held: usize,
}

impl Parquet {
    pub(super) fn start(file: File) -> io::Result<Parquet> {
        let fields: Vec<Field> = Column::ALL.iter().map(|&column| field(column)).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(io)?;
        let builders = Column::ALL.iter().map(|&column| Builder::new(column)).collect();
        Ok(Parquet { writer, schema, builders, held: 0 })
    }

    fn flush(&mut self) -> io::Result<()> {
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(arrow)?;
        self.held = 0;
        self.writer.write(&batch).map_err(io)
    }
}

impl Rows for Parquet {
    fn row(&mut self, row: &Stored) -> io::Result<()> {
        for (builder, &column) in self.builders.iter_mut().zip(Column::ALL) {
            builder.push(column, row);
        }
        self.held += 1;
        if self.held < BATCH { Ok(()) } else { self.flush() }
    }

    fn end(mut self: Box<Self>) -> io::Result<File> {
        if self.held > 0 {
            self.flush()?;
        }
        self.writer.into_inner().map_err(io)
    }
}

fn field(column: Column) -> Field {
    let kind = match column.kind() {
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::I64 => DataType::Int64,
        Kind::U64 => DataType::UInt64,
        Kind::F64 => DataType::Float64,
    };
    Field::new(column.name(), kind, true)
}

/// Collects the values of one column.
enum Builder {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Int(Int64Builder),
    Unsigned(UInt64Builder),
    Float(Float64Builder),
}

impl Builder {
    fn new(column: Column) -> Builder {
        match column.kind() {
            Kind::Text => Builder::Text(StringBuilder::new()),
            Kind::Time => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::I64 => Builder::Int(Int64Builder::new()),
            Kind::U64 => Builder::Unsigned(UInt64Builder::new()),
            Kind::F64 => Builder::Float(Float64Builder::new()),
        }
    }

    fn push(&mut self, column: Column, row: &Stored) {
        match self {
            Builder::Text(builder) => builder.append_option(column.text(&row.event)),
            Builder::Time(builder) => builder.append_option(column.int(&row.event)),
            Builder::Int(builder) => builder.append_option(column.int(&row.event)),
            Builder::Unsigned(builder) => builder.append_option(unsigned(column, row)),
            Builder::Float(builder) => builder.append_option(column.float(&row.event)),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Text(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Int(builder) => Arc::new(builder.finish()),
            Builder::Unsigned(builder) => Arc::new(builder.finish()),
            Builder::Float(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The cause beneath, so that a full disk is still known as one.
fn io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}

fn arrow(error: ArrowError) -> io::Error {
    io::Error::other(error)
}
