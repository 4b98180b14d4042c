//! Posts to a running server: single events over many connections, then batches over a few.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};
use wayfarer_bench_measure::{Quantiles, Stopwatch};

use crate::{
    Http,
    client::{self, Posted},
    event::Source,
    recount,
    server::{self, Server},
};

/// How long a server is left alone before its idle memory is read.
const SETTLING: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &Http, folder: &Path) -> Result<Value> {
    let data = server::data(folder, "http");
    let server = Server::start(&options.wayfarer, &data)?;
    tokio::time::sleep(SETTLING).await;
    let idle = server.memory()?;
    let length = Duration::from_secs(options.seconds);
    let (singles, singles_told) = load(&server, options.connections, 1, length).await?;
    let after_singles = server.memory()?;
    let (batches, batches_told) =
        load(&server, options.batch_connections, options.batch, length).await?;
    let after_batches = server.memory()?;
    server.end()?;
    let recount = recount::check(&data, singles + batches).await?;
    Ok(json!({
        "bench": "http",
        "singles": singles_told,
        "batches": batches_told,
        "memory": { "idle": idle, "after_singles": after_singles, "after_batches": after_batches },
        "recount": recount,
        "settings": {
            "seconds": options.seconds,
            "connections": options.connections,
            "batch_connections": options.batch_connections,
            "batch": options.batch,
            "server": server::SETTINGS,
        },
    }))
}

/// Posts over so many connections at once; gives the number of acknowledged events, and the figures.
async fn load(
    server: &Server,
    connections: usize,
    batch: usize,
    length: Duration,
) -> Result<(u64, Value)> {
    let server_cpu = server.cpu_ns()?;
    let watch = Stopwatch::start();
    let until = Instant::now() + length;
    let tasks: Vec<_> = (0..connections)
        .map(|one| tokio::spawn(client::post(server.target(), Source::new(one), batch, until)))
        .collect();
    let mut all = Posted::default();
    for task in tasks {
        let posted = task.await??;
        all.acknowledged += posted.acknowledged;
        all.refused += posted.refused;
        all.waits_ms.extend(posted.waits_ms);
    }
    let each = watch.stop(all.acknowledged, 0);
    let server_cpu = (server.cpu_ns()? - server_cpu) / all.acknowledged.max(1) as f64;
    let told = json!({
        "events_per_second": 1e9 / each.wall_ns,
        "client_cpu_ns_per_event": each.cpu_ns,
        "server_cpu_ns_per_event": server_cpu,
        "acknowledged": all.acknowledged,
        "refused": all.refused,
        "acknowledged_after_ms": Quantiles::of(all.waits_ms),
    });
    Ok((all.acknowledged, told))
}
