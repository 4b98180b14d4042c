//! Appends straight into the lake: what the log, the hot rows and the seal take, without HTTP and without the collector.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};
use wayfarer_bench_measure::{Quantiles, Stopwatch, memory};
use wayfarer_lake::{ErrorKind, Ids, Lake, Options};

use crate::{InProcess, event::Source, recount};

/// What one writer did.
#[derive(Default)]
struct Written {
    acknowledged: u64,
    busy: u64,
    waits_ms: Vec<f64>,
}

pub(crate) async fn run(options: &InProcess, folder: &Path) -> Result<Value> {
    let lake = Lake::open(folder, Options::default()).await?;
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let watch = Stopwatch::start();
    let tasks: Vec<_> = (0..options.writers)
        .map(|writer| tokio::spawn(write(lake.clone(), Source::new(writer), options.batch, until)))
        .collect();
    let mut all = Written::default();
    for task in tasks {
        let written = task.await??;
        all.acknowledged += written.acknowledged;
        all.busy += written.busy;
        all.waits_ms.extend(written.waits_ms);
    }
    let each = watch.stop(all.acknowledged, 0);
    let memory = memory(std::process::id())?;
    let status = lake.status();
    let closing = Instant::now();
    lake.close().await?;
    let closing_s = closing.elapsed().as_secs_f64();
    drop(lake);
    let recount = recount::check(folder, all.acknowledged).await?;
    Ok(json!({
        "bench": "in process",
        "events_per_second": 1e9 / each.wall_ns,
        "cpu_ns_per_event": each.cpu_ns,
        "append_ms": Quantiles::of(all.waits_ms),
        "busy": all.busy,
        "memory": memory,
        "status": status,
        "closing_s": closing_s,
        "recount": recount,
        "settings": { "seconds": options.seconds, "batch": options.batch, "writers": options.writers },
    }))
}

async fn write(lake: Lake, mut source: Source, batch: usize, until: Instant) -> Result<Written> {
    let mut written = Written::default();
    while Instant::now() < until {
        let events = (0..batch).map(|_| source.event()).collect();
        let asked = Instant::now();
        match lake.append(events, Ids::Window).await {
            Ok(appended) => {
                written.acknowledged += appended.stored as u64;
                written.waits_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            Err(error) if error.kind() == ErrorKind::Busy => {
                written.busy += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
}
