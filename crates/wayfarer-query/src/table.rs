//! What both tables are: rows of a view in parts, each of some visitors, narrowed by what is understood of a query's filters.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    error::{DataFusionError, Result},
    execution::SendableRecordBatchStream,
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType},
    physical_plan::{
        ExecutionPlan,
        stream::RecordBatchReceiverStreamBuilder,
        streaming::{PartitionStream, StreamingTableExec},
    },
    scalar::ScalarValue,
};
use wayfarer_event::{Column, Micros};
use wayfarer_lake::{Scan, View};

/// Rows that a table shows.
pub(crate) trait Rows: Send + Sync + 'static {
    /// Whether they are kept, or made of what is.
    const KIND: TableType;

    /// The rows that were asked for, in parts that can be read at once.
    fn parts(&self, asked: &Asked) -> Vec<Arc<dyn PartitionStream>>;
}

/// What a query asks of a table.
pub(crate) struct Asked {
    /// The view.
    pub(crate) view: Arc<View>,
    /// How many parts there may be.
    pub(crate) threads: usize,
    /// The sites of which rows may be wanted.
    pub(crate) sites: Vec<String>,
    /// The columns that are wanted, by their places, and as they are given.
    pub(crate) places: Vec<usize>,
    /// See `places`.
    pub(crate) schema: SchemaRef,
    /// What decides where to look.
    pub(crate) narrow: Narrow,
}

/// A table of rows.
pub(crate) struct Table<R> {
    pub(crate) view: Arc<View>,
    pub(crate) threads: usize,
    pub(crate) schema: SchemaRef,
    pub(crate) rows: R,
}

impl<R> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl<R: Rows> TableProvider for Table<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        R::KIND
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
        let all = || (0..self.schema.fields().len()).collect();
        let places = projection.cloned().unwrap_or_else(all);
        let schema = Arc::new(self.schema.project(&places)?);
        let narrow = Narrow::of(filters);
        let sites = self.view.sites().into_iter().filter(|site| narrow.has(site)).collect();
        let (view, threads) = (Arc::clone(&self.view), self.threads);
        let asked = Asked { view, threads, sites, places, schema: Arc::clone(&schema), narrow };
        let parts = self.rows.parts(&asked);
        Ok(Arc::new(StreamingTableExec::try_new(schema, parts, None, [], false, None)?))
    }
}

/// The type of instants.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
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
    fn of(filters: &[Expr]) -> Narrow {
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
    fn has(&self, site: &str) -> bool {
        self.site.as_ref().is_none_or(|wanted| wanted == site)
    }

    pub(crate) fn scan(
        &self,
        site: &str,
        columns: &[Column],
        visitors: &RangeInclusive<u64>,
    ) -> Scan {
        let free = [Column::Site, Column::Visitor, Column::Ts];
        let columns: Vec<Column> =
            columns.iter().copied().filter(|column| !free.contains(column)).collect();
        let mut scan = Scan::new(site, &columns);
        (scan.from, scan.until, scan.visitors) = (self.from, self.until, visitors.clone());
        scan
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
