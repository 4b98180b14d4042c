//! The table `events`: the rows of a view as they lie, file by file and in memory, with only the columns that a query reads.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType},
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchReceiverStreamBuilder,
        streaming::{PartitionStream, StreamingTableExec},
    },
    scalar::ScalarValue,
};
use wayfarer_event::{Column, Kind, Micros};
use wayfarer_lake::{Block, Scan, Values, View};

/// The type of instants.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The table.
pub(crate) struct Events {
    view: Arc<View>,
    threads: usize,
    schema: SchemaRef,
}

impl Events {
    pub(crate) fn new(view: Arc<View>, threads: usize) -> Events {
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
        Events { view, threads, schema: Arc::new(schema) }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What of a filter is understood narrows the scan; all of it is applied to what comes.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..Column::ALL.len()).collect();
        let places = projection.unwrap_or(&all);
        let columns: Vec<Column> = places.iter().map(|place| Column::ALL[*place]).collect();
        let schema = Arc::new(self.schema.project(places)?);
        let narrow = Narrow::of(filters);
        let sites = self.view.sites().into_iter().filter(|site| narrow.has(site));
        let sites: Vec<String> = sites.collect();
        let part = |visitors: RangeInclusive<u64>| -> Arc<dyn PartitionStream> {
            Arc::new(Part {
                view: Arc::clone(&self.view),
                schema: Arc::clone(&schema),
                columns: columns.clone(),
                scans: sites.iter().map(|site| narrow.scan(site, &columns, &visitors)).collect(),
            })
        };
        let parts = ranges(self.threads).into_iter().map(part).collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, parts, None, [], false, None)?))
    }
}

/// All visitors in so many ranges.
pub(crate) fn ranges(parts: usize) -> Vec<RangeInclusive<u64>> {
    let edge = |part: usize| (1_u128 << 64) * part as u128 / parts as u128;
    (0..parts).map(|part| edge(part) as u64..=(edge(part + 1) - 1) as u64).collect()
}

/// What of a query's filters decides where to look.
#[derive(Debug, Default)]
pub(crate) struct Narrow {
    site: Option<String>,
    from: Option<Micros>,
    until: Option<Micros>,
}

impl Narrow {
    pub(crate) fn of(filters: &[Expr]) -> Narrow {
        let mut narrow = Narrow::default();
        filters.iter().for_each(|filter| narrow.take(filter));
        narrow
    }

    fn take(&mut self, filter: &Expr) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return };
        if *op == Operator::And {
            self.take(left);
            return self.take(right);
        }
        match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => {
                self.compare(&column.name, *op, value);
            }
            (Expr::Literal(value, _), Expr::Column(column)) => {
                if let Some(op) = op.swap() {
                    self.compare(&column.name, op, value);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, column: &str, op: Operator, value: &ScalarValue) {
        if column == "site"
            && op == Operator::Eq
            && let Some(Some(site)) = value.try_as_str()
        {
            self.site = Some(site.to_owned());
        }
        let ScalarValue::TimestampMicrosecond(Some(ts), _) = value else { return };
        if column != "ts" {
            return;
        }
        let after = Micros(ts.saturating_add(1));
        let later = |known: Option<Micros>, ts| Some(known.map_or(ts, |known| known.max(ts)));
        let earlier = |known: Option<Micros>, ts| Some(known.map_or(ts, |known| known.min(ts)));
        match op {
            Operator::Gt => self.from = later(self.from, after),
            Operator::GtEq => self.from = later(self.from, Micros(*ts)),
            Operator::Lt => self.until = earlier(self.until, Micros(*ts)),
            Operator::LtEq => self.until = earlier(self.until, after),
            Operator::Eq => {
                self.from = later(self.from, Micros(*ts));
                self.until = earlier(self.until, after);
            }
            _ => {}
        }
    }

    /// Whether rows of a site may be wanted.
    pub(crate) fn has(&self, site: &str) -> bool {
        self.site.as_ref().is_none_or(|wanted| wanted == site)
    }

    fn scan(&self, site: &str, columns: &[Column], visitors: &RangeInclusive<u64>) -> Scan {
        let free = [Column::Site, Column::Visitor, Column::Ts];
        let columns: Vec<Column> =
            columns.iter().copied().filter(|column| !free.contains(column)).collect();
        let mut scan = Scan::new(site, &columns);
        (scan.from, scan.until, scan.visitors) = (self.from, self.until, visitors.clone());
        scan
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

/// A stream of what a blocking function sends. It learns from `send` that nobody listens any more.
pub(crate) fn blocking(
    schema: &SchemaRef,
    work: impl FnOnce(&dyn Fn(RecordBatch) -> bool) -> Result<()> + Send + 'static,
) -> SendableRecordBatchStream {
    let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(schema), 2);
    let to = builder.tx();
    builder.spawn_blocking(move || work(&|batch| to.blocking_send(Ok(batch)).is_ok()));
    builder.build()
}

pub(crate) fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
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
