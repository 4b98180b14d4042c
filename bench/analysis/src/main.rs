//! Wayfarer's reports beside chDB and DuckDB: the same clickstream, the same questions, in one run.
//!
//! The generator of the clickstream and the peers' queries are two scripts outside of this project (`clickstream.py` and
//! `peers.py`, in the folder that `--scripts` names); they are run as they are. The rows go into a lake through its public
//! door, and the questions are asked through `wayfarer_analysis::answer`, as the server asks them: nothing is cached
//! between two of them.
//!
//! Start with [`run`].

mod compare;
mod load;
mod peers;
mod question;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use serde::Serialize;
use serde_json::{Value, json};
use wayfarer_bench_measure::{Sample, Stopwatch, Table, machine, median, memory};
use wayfarer_lake::Lake;

use crate::{
    compare::Verdict,
    peers::{Peer, PeerAnswer},
    question::Question,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure, and on how many rows.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    /// How many events the clickstream has.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How often each question is asked; the first time is told apart, the others' median counts.
    #[arg(long, default_value_t = 4)]
    rounds: u32,
    /// How many threads a report may use. The peers take two.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The folder with `clickstream.py` and `peers.py`.
    #[arg(long)]
    scripts: PathBuf,
    /// A Python with chdb, duckdb, numpy and pyarrow.
    #[arg(long)]
    python: PathBuf,
    /// Which peers take part; none where no name follows.
    #[arg(long, num_args = 0.., value_delimiter = ',', default_value = "chdb,duckdb")]
    peers: Vec<Peer>,
    /// Where the clickstream is kept, and lakes are made.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// A folder where the lake is kept for the next time; by default it is made, and removed at the end.
    #[arg(long)]
    lake: Option<PathBuf>,
    /// Writes the figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let figures = run(&arguments, &runtime)?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(())
}

/// One question: what it took us and the peers, and whether the answers are the same.
#[derive(Debug, Serialize)]
struct Row {
    question: &'static str,
    report: &'static str,
    differs: Option<&'static str>,
    cold_s: f64,
    warm_s: f64,
    cpu_s: f64,
    peers: Vec<PeerRow>,
}

#[derive(Debug, Serialize)]
struct PeerRow {
    peer: Peer,
    best_s: f64,
    /// Their time over ours, warm.
    times: f64,
    verdict: Verdict,
}

fn run(arguments: &Arguments, runtime: &tokio::runtime::Runtime) -> Result<Value> {
    let clicks = load::clickstream(arguments)?;
    let temporary;
    let folder = match &arguments.lake {
        Some(folder) => folder.as_path(),
        None => {
            let builder = tempfile::Builder::new().prefix("bench-analysis-").to_owned();
            temporary = builder.tempdir_in(&arguments.folder)?;
            temporary.path()
        }
    };
    let lake = runtime.block_on(Lake::open(folder, load::options()))?;
    let loaded = match lake.view().rows(None) {
        0 => Some(runtime.block_on(load::load(&lake, &clicks, arguments.rows))?),
        _ => None,
    };
    eprintln!("{}", serde_json::to_string(&(&loaded, lake.status()))?);
    let mut rows = Vec::new();
    let mut answers = Vec::new();
    for question in question::present() {
        let (row, answer) = ask(&lake, question, arguments)?;
        rows.push(row);
        answers.push(answer);
    }
    let peak = memory(std::process::id())?;
    runtime.block_on(lake.close())?;
    for peer in &arguments.peers {
        let theirs = peers::run(*peer, arguments, &clicks)?;
        for (row, ours) in rows.iter_mut().zip(&answers) {
            row.peers.extend(beside(*peer, row.question, row.warm_s, &theirs, ours));
        }
    }
    println!("{}", table(&rows));
    Ok(json!({
        "machine": machine(),
        "rows": arguments.rows,
        "threads": arguments.threads,
        "loaded": loaded,
        "memory": peak,
        "questions": rows,
        "not_there_yet": question::absent(),
    }))
}

fn ask(lake: &Lake, question: &'static Question, arguments: &Arguments) -> Result<(Row, Value)> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut told = Value::Null;
    for _ in 0..arguments.rounds.max(2) {
        let watch = Stopwatch::start();
        let answer = question.ask(lake, arguments.threads)?;
        samples.push(watch.stop(1, 0));
        told = answer;
    }
    let (cold, warm) = samples.split_first().context("no round was run")?;
    let row = Row {
        question: question.name,
        report: question.report,
        differs: question.differs,
        cold_s: cold.wall_ns / 1e9,
        warm_s: median(warm.iter().map(|sample| sample.wall_ns)) / 1e9,
        cpu_s: median(warm.iter().map(|sample| sample.cpu_ns)) / 1e9,
        peers: Vec::new(),
    };
    Ok((row, told))
}

fn beside(
    peer: Peer,
    question: &str,
    warm_s: f64,
    theirs: &[PeerAnswer],
    ours: &Value,
) -> Option<PeerRow> {
    let theirs = theirs.iter().find(|theirs| theirs.question == question)?;
    Some(PeerRow {
        peer,
        best_s: theirs.best_s,
        times: theirs.best_s / warm_s,
        verdict: compare::verdict(ours, &theirs.rows),
    })
}

fn table(rows: &[Row]) -> String {
    let head =
        ["question", "report", "cold s", "warm s", "cpu s", "peer", "best s", "times", "answers"];
    let mut table = Table::new(&head);
    for row in rows {
        let ours = [
            row.question.to_owned(),
            row.report.to_owned(),
            format!("{:.3}", row.cold_s),
            format!("{:.3}", row.warm_s),
            format!("{:.3}", row.cpu_s),
        ];
        if row.peers.is_empty() {
            table.row(ours.to_vec());
        }
        for peer in &row.peers {
            let theirs = [
                peer.peer.name().to_owned(),
                format!("{:.3}", peer.best_s),
                format!("{:.1}", peer.times),
                peer.verdict.to_string(),
            ];
            table.row(ours.iter().cloned().chain(theirs).collect());
        }
    }
    table.to_string()
}

/// The file of a clickstream of so many events.
fn clicks_file(folder: &Path, rows: u64) -> PathBuf {
    folder.join(format!("clickstream-{rows}.parquet"))
}
