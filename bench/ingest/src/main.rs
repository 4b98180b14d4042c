//! Events per second into a Wayfarer lake: in process, over HTTP, and from an access log; then a recount, row by row.
//!
//! The client of the HTTP bench runs on the same machine and takes its share of the processors. Every figure is of events
//! that were acknowledged, thus durable; beside them stands what the disk itself needs for one `fdatasync`.
//!
//! Start with [`Bench`].

mod client;
mod event;
mod http;
mod import;
mod in_process;
mod recount;
mod server;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use wayfarer_bench_measure::{disk, machine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure, and where.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
    /// Where lakes are made: a folder on the disk that is meant, not in memory.
    #[arg(long, global = true, default_value = ".")]
    folder: PathBuf,
    /// Writes the figures to this file as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

/// The benches.
#[derive(Debug, Subcommand)]
enum Bench {
    /// Appends straight into the lake, in this process
    InProcess(InProcess),
    /// Posts to `wayfarer serve`: single events first, then batches
    Http(Http),
    /// Imports an access log, beside GoAccess where it is installed
    Import(Import),
}

#[derive(Args, Clone, Debug)]
struct InProcess {
    /// How long, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Events in one append.
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// How many append at once.
    #[arg(long, default_value_t = 4)]
    writers: usize,
}

#[derive(Args, Clone, Debug)]
struct Http {
    /// The release binary.
    #[arg(long)]
    wayfarer: PathBuf,
    /// How long each of the two loads, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections that post single events.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Connections that post batches.
    #[arg(long, default_value_t = 16)]
    batch_connections: usize,
    /// Events in one batch.
    #[arg(long, default_value_t = 100)]
    batch: usize,
}

#[derive(Args, Clone, Debug)]
struct Import {
    /// The release binary.
    #[arg(long)]
    wayfarer: PathBuf,
    /// An access log in the combined format.
    #[arg(long)]
    log: PathBuf,
    /// How many lines the log is repeated to.
    #[arg(long, default_value_t = 500_000)]
    lines: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::Builder::new().prefix("bench-ingest-").tempdir_in(&arguments.folder)?;
    let disk = disk(folder.path())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let figures = runtime.block_on(run(arguments.bench, folder.path()))?;
    let figures = json!({ "machine": machine(), "disk": disk, "figures": figures });
    let text = serde_json::to_string_pretty(&figures)?;
    println!("{text}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, text)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    Ok(())
}

async fn run(bench: Bench, folder: &Path) -> Result<Value> {
    match bench {
        Bench::InProcess(options) => in_process::run(&options, folder).await,
        Bench::Http(options) => http::run(&options, folder).await,
        Bench::Import(options) => import::run(&options, folder),
    }
}
