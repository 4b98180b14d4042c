//! What more events and more steps cost, with nothing kept in memory between two questions.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wayfarer_bench_measure::{Sample, Stopwatch, Table, median, memory};

use crate::{
    Arguments, Place, beside,
    question::{self, Days},
};

/// How often each is asked: the median counts.
const ROUNDS: u32 = 3;

/// The seven questions over lakes of several sizes. Each has a process of its own, so that its peak of memory is its own.
pub(crate) fn sizes(arguments: &Arguments) -> Result<Value> {
    let mut sizes = Vec::new();
    for &rows in &arguments.sizes {
        let json = arguments.folder.join(format!("size-{rows}.json"));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--parts", "alone", "--rows", &rows.to_string(), "--peers"]);
        command.arg("--threads").arg(arguments.threads.to_string());
        command.arg("--scripts").arg(&arguments.scripts).arg("--python").arg(&arguments.python);
        command.arg("--folder").arg(&arguments.folder).arg("--json").arg(&json);
        if let Some(lake) = &arguments.lake {
            let name = lake.file_name().and_then(|name| name.to_str()).unwrap_or("lake");
            let own = if rows == arguments.rows {
                lake.clone()
            } else {
                lake.with_file_name(format!("{name}-{rows}"))
            };
            command.arg("--lake").arg(own);
        }
        let status = command.status()?;
        ensure!(status.success(), "{rows} events ended with {status}");
        let told: Value = serde_json::from_str(&std::fs::read_to_string(&json)?)?;
        sizes.push(json!({ "rows": rows, "figures": told["alone"] }));
    }
    Ok(json!(sizes))
}

/// The seven questions of one size.
pub(crate) fn alone(arguments: &Arguments, runtime: &Runtime) -> Result<Value> {
    let place = Place::of(arguments)?;
    drop(place.open(arguments, runtime, 0)?);
    let lake = place.open(arguments, runtime, 0)?;
    let mut table = Table::new(&["question", "s", "cpu s", "ns of cpu an event"]);
    let mut rows = Vec::new();
    for question in question::present(arguments) {
        let samples = (0..ROUNDS)
            .map(|round| Ok(beside::ask(&lake, question, arguments, &Days::of_round(round))?.0))
            .collect::<Result<Vec<Sample>>>()?;
        let wall = median(samples.iter().map(|sample| sample.wall_ns)) / 1e9;
        let cpu = median(samples.iter().map(|sample| sample.cpu_ns)) / 1e9;
        let each = cpu * 1e9 / arguments.rows as f64;
        let cells = [format!("{wall:.3}"), format!("{cpu:.3}"), format!("{each:.1}")];
        table.row([question.name.to_owned()].into_iter().chain(cells).collect());
        rows.push(json!({ "question": question.name, "wall_s": wall, "cpu_s": cpu }));
    }
    let memory = memory(std::process::id())?;
    println!("{} events, at most {} MB\n{table}", arguments.rows, memory.peak >> 20);
    Ok(json!({ "memory": memory, "questions": rows }))
}

/// Funnels of more and more steps.
pub(crate) fn steps(arguments: &Arguments, runtime: &Runtime) -> Result<Value> {
    let place = Place::of(arguments)?;
    let lake = place.open(arguments, runtime, 0)?;
    let mut table = Table::new(&["steps", "s", "cpu s"]);
    let mut rows = Vec::new();
    for steps in [2, 4, 8, 16, 32] {
        let mut samples = Vec::new();
        for round in 0..ROUNDS {
            let watch = Stopwatch::start();
            question::funnel(&lake, arguments.threads, steps, &Days::of_round(round))?;
            samples.push(watch.stop(1, 0));
        }
        let wall = median(samples.iter().map(|sample| sample.wall_ns)) / 1e9;
        let cpu = median(samples.iter().map(|sample| sample.cpu_ns)) / 1e9;
        table.row(vec![steps.to_string(), format!("{wall:.3}"), format!("{cpu:.3}")]);
        rows.push(json!({ "steps": steps, "wall_s": wall, "cpu_s": cpu }));
    }
    println!("{table}");
    rows.first().context("there are steps")?;
    Ok(json!(rows))
}
