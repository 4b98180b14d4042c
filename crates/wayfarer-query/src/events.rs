//! The table `events`: the rows of a view as they lie, file by file and in memory, with only the columns that a query reads.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::TableType,
    physical_plan::streaming::PartitionStream,
};
use wayfarer_event::{Column, Kind};
use wayfarer_lake::{Block, Scan, Values, View};

use crate::table::{Asked, Rows, Table, blocking, external, instant, ranges};

/// The rows.
pub(crate) struct Events;

/// The table.
pub(crate) fn events(view: Arc<View>, threads: usize) -> Table<Events> {
    let field = |column: &Column| {
        let kind = match column.kind() {
            Kind::Text => DataType::Utf8,
            Kind::Time => instant(),
            Kind::I64 => DataType::Int64,
            Kind::U64 => DataType::UInt64,
            Kind::F64 => DataType::Float64,
        };
        Field::new(column.name(), kind, true)
    };
    let schema = Schema::new(Column::ALL.iter().map(field).collect::<Vec<Field>>());
    Table { view, threads, schema: Arc::new(schema), rows: Events }
}

impl Rows for Events {
    const KIND: TableType = TableType::Base;

    fn parts(&self, asked: &Asked) -> Vec<Arc<dyn PartitionStream>> {
        let columns: Vec<Column> = asked.places.iter().map(|place| Column::ALL[*place]).collect();
        let part = |visitors: RangeInclusive<u64>| -> Arc<dyn PartitionStream> {
            let scan = |site: &String| asked.narrow.scan(site, &columns, &visitors);
            Arc::new(Part {
                view: Arc::clone(&asked.view),
                schema: Arc::clone(&asked.schema),
                columns: columns.clone(),
                scans: asked.sites.iter().map(scan).collect(),
            })
        };
        ranges(asked.threads).into_iter().map(part).collect()
    }
}

/// The rows of some visitors.
struct Part {
    view: Arc<View>,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// One for each site.
    scans: Vec<Scan>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("scans", &self.scans).finish_non_exhaustive()
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (view, schema) = (Arc::clone(&self.view), Arc::clone(&self.schema));
        let (columns, scans) = (self.columns.clone(), self.scans.clone());
        blocking(&self.schema, move |send| {
            for scan in &scans {
                for mut run in view.runs(scan).map_err(external)? {
                    while let Some(block) = run.next_block().map_err(external)? {
                        if !send(batch(&block, &columns, scan, &schema)?) {
                            return Ok(());
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

/// A block as the columns of the query.
fn batch(
    block: &Block,
    columns: &[Column],
    scan: &Scan,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut scanned = block.columns.iter();
    let array = |column: &Column| -> ArrayRef {
        match column {
            Column::Site => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                &scan.site,
                block.len(),
            ))),
            Column::Visitor => Arc::new(UInt64Array::from_iter_values(block.visitors.each())),
            Column::Ts => Arc::new(
                TimestampMicrosecondArray::new(block.ts.clone(), None).with_timezone("UTC"),
            ),
            column => match scanned.next() {
                Some(values) => array(values, *column),
                None => nulls(*column, block.len()),
            },
        }
    };
    let arrays = columns.iter().map(array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(block.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}

fn array(values: &Values, column: Column) -> ArrayRef {
    match values {
        Values::Null { rows } => nulls(column, *rows),
        Values::Text { codes, dictionary } => {
            let text =
                |code: &u32| (*code != Values::NULL).then(|| dictionary.value(*code as usize));
            Arc::new(codes.iter().map(text).collect::<StringArray>())
        }
        Values::Int { values, nulls } if column.kind() == Kind::Time => Arc::new(
            TimestampMicrosecondArray::new(values.clone(), nulls.clone()).with_timezone("UTC"),
        ),
        Values::Int { values, nulls } => Arc::new(Int64Array::new(values.clone(), nulls.clone())),
        Values::Unsigned { values } => Arc::new(UInt64Array::new(values.clone(), None)),
        Values::Float { values, nulls } => {
            Arc::new(Float64Array::new(values.clone(), nulls.clone()))
        }
    }
}

fn nulls(column: Column, rows: usize) -> ArrayRef {
    match column.kind() {
        Kind::Text => Arc::new(StringArray::new_null(rows)),
        Kind::Time => Arc::new(TimestampMicrosecondArray::new_null(rows).with_timezone("UTC")),
        Kind::I64 => Arc::new(Int64Array::new_null(rows)),
        Kind::U64 => Arc::new(UInt64Array::new_null(rows)),
        Kind::F64 => Arc::new(Float64Array::new_null(rows)),
    }
}
