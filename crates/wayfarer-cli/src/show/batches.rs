//! The rows of an answer in SQL, as a table, JSON, CSV or Parquet. Values are printed as they are: unlike in reports, a name
//! of a column says nothing of how it is to be shown.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_json::{WriterBuilder, writer::JsonArray};
use arrow_schema::{ArrowError, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use wayfarer_server::local::SqlAnswer;

use super::{number, output, table};
use crate::cmd::query::Format;

/// Prints an answer on standard output.
///
/// # Errors
/// When standard output does not take it, or the format has no such value.
pub(crate) fn write(answer: &SqlAnswer, format: Format) -> io::Result<()> {
    output::stdout(|out| match format {
        Format::Table => as_table(out, answer),
        Format::Json => as_json(out, answer),
        Format::Csv => as_csv(out, answer),
        Format::Parquet => as_parquet(out, answer),
    })
}

fn as_table(out: &mut dyn Write, answer: &SqlAnswer) -> io::Result<()> {
    let mut lines = vec![names(&answer.schema)];
    rows(answer, number::UNKNOWN, |cells| {
        lines.push(cells.map(table::cell).collect());
        Ok(())
    })?;
    let fields = answer.schema.fields().iter();
    let right: Vec<bool> = fields.map(|field| field.data_type().is_numeric()).collect();
    table::write_lines(out, &lines, &right)
}

fn as_csv(out: &mut dyn Write, answer: &SqlAnswer) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(names(&answer.schema))?;
    rows(answer, "", |cells| Ok(csv.write_record(cells)?))?;
    csv.flush()
}

fn as_json(out: &mut dyn Write, answer: &SqlAnswer) -> io::Result<()> {
    let mut json = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut *out);
    for batch in &answer.batches {
        json.write(batch).map_err(arrow)?;
    }
    json.finish().map_err(arrow)?;
    out.write_all(b"\n")
}

fn as_parquet(out: &mut dyn Write, answer: &SqlAnswer) -> io::Result<()> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    // A row group is held until it is whole, so nothing is lost by holding the file.
    let mut file = Vec::new();
    let schema = answer.schema.clone();
    let mut parquet = ArrowWriter::try_new(&mut file, schema, Some(properties))?;
    for batch in &answer.batches {
        parquet.write(batch)?;
    }
    parquet.close()?;
    out.write_all(&file)
}

fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// Hands every row to `each` as texts, one a column.
fn rows(
    answer: &SqlAnswer,
    null: &str,
    mut each: impl FnMut(&mut dyn Iterator<Item = String>) -> io::Result<()>,
) -> io::Result<()> {
    let options = FormatOptions::new().with_display_error(false).with_null(null);
    for batch in &answer.batches {
        let columns = formatters(batch, &options).map_err(arrow)?;
        for row in 0..batch.num_rows() {
            let cells: Result<Vec<String>, ArrowError> =
                columns.iter().map(|column| column.value(row).try_to_string()).collect();
            each(&mut cells.map_err(arrow)?.into_iter())?;
        }
    }
    Ok(())
}

fn formatters<'a>(
    batch: &'a RecordBatch,
    options: &FormatOptions<'a>,
) -> Result<Vec<ArrayFormatter<'a>>, ArrowError> {
    batch.columns().iter().map(|column| ArrayFormatter::try_new(column, options)).collect()
}

fn arrow(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        error => io::Error::other(error),
    }
}
