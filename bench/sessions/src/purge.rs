//! Readers beside a purge: how long they wait for a session while a great many that ran out are forgotten, and while none is.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::task::JoinSet;
use wayfarer::{
    session::StoreKey,
    store::{PoolOptions, PostgresStore, SessionStore, SqliteOptions, SqliteStore},
};
use wayfarer_bench_measure::{Quantiles, Table};
use wayfarer_testkit::Postgres;

use crate::axum_app::runtime;

/// Readers beside a purge, and before it.
#[derive(Debug, Serialize)]
pub(crate) struct Purge {
    store: &'static str,
    expired: u32,
    /// How long the whole purge took, in batches of [`BATCH`].
    seconds: f64,
    batches: u32,
    /// What a load took, in microseconds.
    without: Quantiles,
    beside: Quantiles,
    loads_without: usize,
    loads_beside: usize,
}

/// As the session manager purges.
const BATCH: u32 = 500;

const READERS: usize = 4;

/// Live sessions, among which readers draw.
const LIVE: u32 = 10_000;

/// Purges so many sessions in each store.
pub(crate) fn run(expired: u32, folder: &Path) -> Result<Vec<Purge>> {
    if expired == 0 {
        return Ok(Vec::new());
    }
    let runtime = runtime()?;
    let url = Postgres::shared()?.database()?;
    let postgres = runtime.block_on(postgres(&url, expired))?;
    let postgres = runtime.block_on(measure("postgresql", Arc::new(postgres), expired))?;
    let file = folder.join("purge.sqlite");
    let sqlite = runtime.block_on(sqlite(&file, expired))?;
    let sqlite = runtime.block_on(measure("sqlite, full", Arc::new(sqlite), expired))?;
    Ok(vec![postgres, sqlite])
}

/// Sessions named by their numbers: the first that ran out, after them those that live. `{series}` gives the numbers.
fn fill(expired: u32, name: &str, data: &str, series: &str) -> String {
    let now = Timestamp::now().as_microsecond();
    format!(
        "INSERT INTO wayfarer_session (key, version, data, expires_at)
         SELECT {name}, 1, {data},
                CASE WHEN n <= {expired} THEN {now} - 1000000 - n ELSE {now} + 3600000000 + n END
         FROM {series}"
    )
}

async fn postgres(url: &str, expired: u32) -> Result<PostgresStore> {
    let store = PostgresStore::open(url, PoolOptions::default()).await?;
    let series = format!("generate_series(1, {}) AS n", expired + LIVE);
    let data = "decode(repeat('ab', 298), 'hex')";
    let fill = fill(expired, "'session-' || n", data, &series);
    let mut raw = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut raw).await?;
    sqlx::raw_sql("VACUUM ANALYZE wayfarer_session").execute(&mut raw).await?;
    Ok(store)
}

async fn sqlite(file: &Path, expired: u32) -> Result<SqliteStore> {
    let store = SqliteStore::open(file, SqliteOptions::default()).await?;
    let last = expired + LIVE;
    let series = format!(
        "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {last})
          SELECT n FROM s)"
    );
    let fill = fill(expired, "'session-' || n", "zeroblob(298)", &series);
    let mut raw = SqliteConnection::connect(file.to_str().context("the folder's name")?).await?;
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut raw).await?;
    Ok(store)
}

async fn measure(name: &'static str, store: Arc<dyn SessionStore>, expired: u32) -> Result<Purge> {
    let without = Arc::new(AtomicBool::new(false));
    let reading = readers(&store, expired, &without);
    tokio::time::sleep(Duration::from_secs(5)).await;
    without.store(true, Ordering::Relaxed);
    let without = ended(reading).await?;

    let over = Arc::new(AtomicBool::new(false));
    let reading = readers(&store, expired, &over);
    let started = Instant::now();
    let (mut batches, mut purged) = (0, 0);
    loop {
        let gone = store.purge(BATCH, Timestamp::now()).await?;
        purged += gone;
        batches += 1;
        if gone < BATCH {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    let beside = ended(reading).await?;
    anyhow::ensure!(purged == expired, "{purged} of {expired} were purged");
    Ok(Purge {
        store: name,
        expired,
        seconds,
        batches,
        loads_without: without.len(),
        loads_beside: beside.len(),
        without: Quantiles::of(without),
        beside: Quantiles::of(beside),
    })
}

/// Each loads live sessions until it is over, and gives what each load took, in microseconds.
fn readers(
    store: &Arc<dyn SessionStore>,
    expired: u32,
    over: &Arc<AtomicBool>,
) -> JoinSet<Result<Vec<f64>>> {
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (store, over) = (store.clone(), over.clone());
        readers.spawn(async move {
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let number = fastrand::u32(expired + 1..=expired + LIVE);
                let key = StoreKey::new(format!("session-{number}"));
                let started = Instant::now();
                let loaded = store.load(&key, Timestamp::now()).await?;
                took.push(started.elapsed().as_secs_f64() * 1e6);
                loaded.context("a live session is gone")?;
            }
            Ok(took)
        });
    }
    readers
}

async fn ended(mut readers: JoinSet<Result<Vec<f64>>>) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    while let Some(took) = readers.join_next().await {
        all.extend(took??);
    }
    Ok(all)
}

/// The figures as a table.
pub(crate) fn table(purges: &[Purge]) -> String {
    let head = [
        "purge of",
        "store",
        "seconds",
        "readers",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "loads",
    ];
    let mut table = Table::new(&head);
    for purge in purges {
        let rows = [
            ("without", &purge.without, purge.loads_without),
            ("beside", &purge.beside, purge.loads_beside),
        ];
        for (readers, quantiles, loads) in rows {
            let micros = |value: f64| format!("{value:.0}");
            table.row(vec![
                purge.expired.to_string(),
                purge.store.to_owned(),
                format!("{:.1}", purge.seconds),
                readers.to_owned(),
                micros(quantiles.p50),
                micros(quantiles.p99),
                micros(quantiles.p999),
                micros(quantiles.max),
                loads.to_string(),
            ]);
        }
    }
    table.to_string()
}
