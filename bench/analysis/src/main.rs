//! Wayfarer's reports beside chDB and DuckDB: the same clickstream, the same questions, in one run; and how they grow.
//!
//! The generator of the clickstream and the peers' queries are two scripts outside of this project (`clickstream.py` and
//! `peers.py`, in the folder that `--scripts` names). The rows go into a lake through its public door, and the questions are
//! asked through `wayfarer_analysis::answer`: no answer is kept between two of them.
//!
//! Start with [`run`]; `beside` has the peers, `growth` what more events and more steps
//! cost, `bytes` what they need on the disk.

mod beside;
mod bytes;
mod compare;
mod growth;
mod load;
mod peers;
mod question;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use wayfarer_bench_measure::machine;
use wayfarer_lake::{Lake, Options};

use crate::peers::Peer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure, and on how many rows.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    /// How many events the clickstream has.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// What to measure.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_value = "beside")]
    parts: Vec<Part>,
    /// Which of the seven questions to ask, by the peers' names; by default all. One alone is what a profile is made of.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    questions: Vec<String>,
    /// How often each question is asked while the lake is warm: the median counts.
    #[arg(long, default_value_t = 4)]
    rounds: u32,
    /// How much memory decoded columns may take, in MB; those of `beside` only.
    #[arg(long, default_value_t = 512)]
    resident: usize,
    /// The sizes of `size`, in events. Beyond `--rows`, its stream is taken several times, with other visitors each time.
    #[arg(long, num_args = 1.., value_delimiter = ',', default_values_t = [200_000, 2_000_000])]
    sizes: Vec<u64>,
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

impl Arguments {
    /// A folder that goes away again.
    fn temporary(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("bench-analysis-").tempdir_in(&self.folder)?)
    }
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

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The seven questions beside the peers, cold and warm.
    Beside,
    /// The same without anything kept in memory, over lakes of several sizes, each in a process of its own.
    Size,
    /// Funnels of 2 to 32 steps, without anything kept in memory.
    Steps,
    /// Bytes at rest, after everything was merged, beside the peers' tables. The lake is always a new one.
    Bytes,
    /// The seven questions of one size: what `size` starts.
    Alone,
}

fn run(arguments: &Arguments, runtime: &tokio::runtime::Runtime) -> Result<Value> {
    let mut figures = json!({
        "machine": machine(),
        "rows": arguments.rows,
        "threads": arguments.threads,
        "not_there_yet": question::absent(),
    });
    for part in &arguments.parts {
        let (name, told) = match part {
            Part::Beside => ("beside", beside::run(arguments, runtime)?),
            Part::Size => ("size", growth::sizes(arguments)?),
            Part::Steps => ("steps", growth::steps(arguments, runtime)?),
            Part::Bytes => ("bytes", runtime.block_on(bytes::run(arguments))?),
            Part::Alone => ("alone", growth::alone(arguments, runtime)?),
        };
        figures[name] = told;
    }
    Ok(figures)
}

/// A folder with the lake of so many events, which is made if it is not there.
struct Place {
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// Where the arguments want the lake.
    fn of(arguments: &Arguments) -> Result<Place> {
        if let Some(folder) = &arguments.lake {
            return Ok(Place { folder: folder.clone(), _temporary: None });
        }
        let temporary = arguments.temporary()?;
        Ok(Place { folder: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// Opens the lake, and fills it if it is empty. It must be dropped, not closed: its hot rows come back from the log.
    fn open(
        &self,
        arguments: &Arguments,
        runtime: &tokio::runtime::Runtime,
        resident_bytes: usize,
    ) -> Result<Lake> {
        let options = Options { resident_bytes, ..load::options() };
        let lake = runtime.block_on(Lake::open(&self.folder, options))?;
        if lake.view().rows(None) == 0 {
            let loaded = runtime.block_on(load::load(&lake, arguments))?;
            eprintln!("{}", serde_json::to_string(&(&loaded, lake.status()))?);
        }
        Ok(lake)
    }
}

/// Lets the system forget what it read of the files in a folder, so that they come from the disk again.
fn forget(folder: &Path) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = std::fs::File::open(&path)?;
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

/// The file of a clickstream of so many events.
fn clicks_file(folder: &Path, rows: u64) -> PathBuf {
    folder.join(format!("clickstream-{rows}.parquet"))
}
