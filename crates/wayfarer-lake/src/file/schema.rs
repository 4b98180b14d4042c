//! How the table of columns becomes a Parquet schema and DuckLake's column types.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use wayfarer_event::{Column, Kind};

use crate::hot::is_distinct;

/// DuckLake's `column_id` of a column, and the field id in Parquet.
pub(crate) fn column_id(column: Column) -> i64 {
    column.index() as i64 + 1
}

/// DuckLake's name for the type of a column.
pub(crate) fn ducklake_type(column: Column) -> &'static str {
    match column.kind() {
        Kind::Text => "varchar",
        Kind::Time => "timestamptz",
        Kind::I64 => "int64",
        Kind::U64 => "uint64",
        Kind::F64 => "float64",
    }
}

/// The type in memory. Texts keep their dictionary, save where they hardly repeat.
fn arrow_type(column: Column) -> DataType {
    match column.kind() {
        Kind::Text if is_distinct(column) => DataType::Utf8,
        Kind::Text => dictionary(),
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::I64 => DataType::Int64,
        Kind::U64 => DataType::UInt64,
        Kind::F64 => DataType::Float64,
    }
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Whether every event has a value: such a column is read without a look at which rows are null.
fn is_always_there(column: Column) -> bool {
    use Column::{Id, Name, ReceivedAt, Seq, Site, Ts, Visitor, VisitorKind, Writer};
    matches!(column, Site | Visitor | VisitorKind | Name | Ts | ReceivedAt | Writer | Seq | Id)
}

/// The schema of a file that we write.
pub(crate) fn written() -> SchemaRef {
    let field = |&column: &Column| {
        let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), column_id(column).to_string());
        let nullable = !is_always_there(column);
        Field::new(column.name(), arrow_type(column), nullable).with_metadata(HashMap::from([id]))
    };
    Arc::new(Schema::new(Column::ALL.iter().map(field).collect::<Vec<_>>()))
}

/// The schema to read a file with: its own, with the dictionaries of texts kept.
pub(crate) fn read(own: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.name().parse::<Column>() {
        Ok(column) if !is_distinct(column) && *field.data_type() == DataType::Utf8 => {
            Arc::new(field.as_ref().clone().with_data_type(dictionary()))
        }
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new_with_metadata(
        own.fields().iter().map(field).collect::<Vec<_>>(),
        own.metadata().clone(),
    ))
}
