//! One query, within its limits.

use std::{sync::Arc, time::Duration};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::{
    error::DataFusionError,
    execution::{
        context::{SQLOptions, SessionConfig, SessionContext},
        memory_pool::FairSpillPool,
        runtime_env::RuntimeEnvBuilder,
    },
};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};
use wayfarer_analysis::VisitRule;
use wayfarer_lake::View;

use crate::{Error, events::events, functions, visits::visits};

/// How much a sort sets aside at the most, in bytes.
const MERGE_MEMORY: usize = 10 << 20;

/// What one query may take. Two things are not measured: what a single expression makes (`repeat('x', 1000000)`), and the
/// bytes of the answer, of which only the rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How long, from planning to the last row. The caller has its answer then, however busy the query is; the work itself ends
    /// at the next batch.
    pub time: Duration,
    /// Bytes of memory for what is sorted, grouped and joined. Beyond it, sorts and groups use the folder for temporary files.
    pub memory: usize,
    /// How many rows the answer may have.
    pub rows: usize,
    /// How many threads may work; at least one does.
    pub threads: usize,
}

/// A minute, 512 MB, a million rows, and as many threads as the machine has.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            time: Duration::from_secs(60),
            memory: 512 << 20,
            rows: 1_000_000,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The answer: rows in batches, all of one schema.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

/// Answers one query over a view of a lake.
///
/// ```no_run
/// # async fn example(lake: &wayfarer_lake::Lake) -> Result<(), wayfarer_query::Error> {
/// use std::sync::Arc;
/// use wayfarer_analysis::VisitRule;
/// use wayfarer_query::{Limits, query};
///
/// let view = Arc::new(lake.view());
/// let sql = "select path, count(*) from events where site = 'shop' group by path";
/// let answer = query(view, VisitRule::default(), sql, &Limits::default()).await?;
/// for batch in &answer.batches {
///     println!("{} rows", batch.num_rows());
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When it is no query, would change something, outgrows a limit, or the events cannot be read.
pub async fn query(
    view: Arc<View>,
    rule: VisitRule,
    sql: &str,
    limits: &Limits,
) -> Result<Answer, Error> {
    let context = context(view, rule, limits).map_err(Error::Query)?;
    let (sql, limits) = (sql.to_owned(), *limits);
    let (_threads, work) =
        Threads::run(&limits, async move { run(&context, &sql, &limits).await })?;
    match tokio::time::timeout(limits.time, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(ended)) => Err(Error::Query(DataFusionError::ExecutionJoin(Box::new(ended)))),
        Err(_) => Err(Error::Time { limit: limits.time }),
    }
}

/// The threads of one query. A query may compute for long without waiting, and would keep everybody else of the caller's
/// threads from their work. When nobody waits for the answer any more, they end at their next batch, and nobody waits for that.
struct Threads(Option<Runtime>);

impl Threads {
    /// Runs work on threads of its own.
    fn run<T: Send + 'static>(
        limits: &Limits,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<(Threads, JoinHandle<T>), Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("wayfarer-query")
            .build();
        let runtime = runtime.map_err(|source| Error::Read(DataFusionError::IoError(source)))?;
        let work = runtime.spawn(work);
        Ok((Threads(Some(runtime)), work))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn context(
    view: Arc<View>,
    rule: VisitRule,
    limits: &Limits,
) -> Result<SessionContext, DataFusionError> {
    let pool = Arc::new(FairSpillPool::new(limits.memory));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc()?;
    let threads = limits.threads.max(1);
    // What a sort sets aside to merge what it spilled must fit into a small limit, too.
    let aside = (limits.memory / 8).min(MERGE_MEMORY);
    let config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(true)
        .with_sort_spill_reservation_bytes(aside);
    let context = SessionContext::new_with_config_rt(config, runtime);
    context.register_table("events", Arc::new(events(Arc::clone(&view), threads)))?;
    context.register_table("visits", Arc::new(visits(view, rule, threads)))?;
    context.register_udaf(functions::window_funnel());
    context.register_udaf(functions::retention());
    context.register_udwf(functions::sessionize());
    Ok(context)
}

async fn run(context: &SessionContext, sql: &str, limits: &Limits) -> Result<Answer, Error> {
    let only_read =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, only_read).await.map_err(Error::Query)?;
    let mut stream = frame.execute_stream().await.map_err(|source| refused(source, limits))?;
    let schema = stream.schema();
    let (mut batches, mut rows) = (Vec::new(), 0);
    while let Some(batch) = stream.try_next().await.map_err(|source| refused(source, limits))? {
        rows += batch.num_rows();
        if rows > limits.rows {
            return Err(Error::Rows { limit: limits.rows });
        }
        batches.push(batch);
    }
    Ok(Answer { schema, batches })
}

/// What an error at work is: the limit of memory, the lake, or the query.
fn refused(source: DataFusionError, limits: &Limits) -> Error {
    match source.find_root() {
        DataFusionError::ResourcesExhausted(_) => Error::Memory { limit: limits.memory, source },
        DataFusionError::External(_) => Error::Read(source),
        _ => Error::Query(source),
    }
}
