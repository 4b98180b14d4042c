//! The peers: their script is loaded as a module and run as it is; only what it prints is taken as JSON.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Value};

use crate::Arguments;

/// An engine that people would reach for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// ClickHouse in process.
    Chdb,
    /// DuckDB.
    Duckdb,
}

impl Peer {
    /// How the script and the tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Chdb => "chdb",
            Peer::Duckdb => "duckdb",
        }
    }
}

/// What a peer answered to one question, and how fast.
#[derive(Debug)]
pub(crate) struct PeerAnswer {
    pub(crate) question: String,
    pub(crate) best_s: f64,
    /// Rows of cells.
    pub(crate) rows: Value,
}

#[derive(Deserialize)]
struct Line {
    question: String,
    seconds: Vec<f64>,
    /// chDB prints rows one after the other.
    text: Option<String>,
    rows: Option<Value>,
}

/// Loads the script as a module and lets it tell in JSON what it would print.
const DRIVER: &str = r#"
import json, os, sys
folder, peer, clicks = sys.argv[1:]
sys.path.insert(0, folder)
import peers

def show(name, question, seconds, rows):
    told = {"text": rows} if isinstance(rows, str) else {"rows": [list(row) for row in rows]}
    print(json.dumps({"question": question, "seconds": seconds, **told}, default=str), file=out, flush=True)

# The engines draw on file 1 themselves: what they draw goes to stderr.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
peers.show = show
{"chdb": peers.chdb_run, "duckdb": peers.duck_run}[peer](clicks)
"#;

/// Lets a peer answer all its questions.
pub(crate) fn run(peer: Peer, arguments: &Arguments, clicks: &Path) -> Result<Vec<PeerAnswer>> {
    let output = Command::new(&arguments.python)
        .args(["-c", DRIVER])
        .arg(&arguments.scripts)
        .args([peer.name()])
        .arg(clicks.canonicalize()?)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {}", peer.name()))?;
    ensure!(output.status.success(), "{} ended with {}", peer.name(), output.status);
    String::from_utf8(output.stdout)?.lines().map(read).collect()
}

fn read(line: &str) -> Result<PeerAnswer> {
    let line: Line =
        serde_json::from_str(line).with_context(|| format!("the peer printed {line}"))?;
    let rows = match line.text {
        Some(text) => Value::Array(
            Deserializer::from_str(&text).into_iter::<Value>().collect::<Result<_, _>>()?,
        ),
        None => line.rows.unwrap_or_default(),
    };
    let best_s = line.seconds.into_iter().fold(f64::INFINITY, f64::min);
    Ok(PeerAnswer { question: line.question, best_s, rows })
}
