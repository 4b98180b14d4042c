//! The peers: their script is loaded as a module and loads its tables as it does; the questions are then handed to it one by
//! one, each with a range of days, so that peers and we take turns.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Value, json};
use wayfarer_event::Micros;

use crate::{
    Arguments, forget,
    question::{Days, FIRST_MONDAY},
};

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
    /// How long the first of three times took.
    pub(crate) first_s: f64,
    /// The least of the three.
    pub(crate) best_s: f64,
    /// Rows of cells.
    pub(crate) rows: Value,
}

#[derive(Deserialize)]
struct Line {
    seconds: Vec<f64>,
    /// chDB prints rows one after the other.
    text: Option<String>,
    rows: Option<Value>,
    /// Where the peer cannot answer.
    absent: Option<bool>,
}

/// Loads the script as a module, and gives it questions as they are asked in place of its list. What it would print is told
/// in JSON.
const DRIVER: &str = r#"
import json, os, sys
folder, peer, clicks = sys.argv[1:]
sys.path.insert(0, folder)
import peers

def tell(answer):
    print(json.dumps(answer, default=str), file=out, flush=True)

def show(name, question, seconds, rows):
    told = {"text": rows} if isinstance(rows, str) else {"rows": [list(row) for row in rows]}
    tell({"seconds": seconds, **told})

class Asked(dict):
    def items(self):
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["question"] not in self:
                tell({"seconds": [], "absent": True})
                continue
            table = f"(SELECT * FROM ev WHERE ts >= '{asked['from']}' AND ts < '{asked['until']}') AS ev"
            question = self[asked["question"]].replace("FROM ev", "FROM " + table)
            # The peers' weeks begin with the stream, a Thursday. Told to begin on Monday, they are the same as ours.
            yield asked["question"], question.replace("1767225600", str(asked["monday"]))

# The engines draw on file 1 themselves: what they draw goes to stderr.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
peers.show = show
peers.CH, peers.DK = Asked(peers.CH), Asked(peers.DK)
{"chdb": peers.chdb_run, "duckdb": peers.duck_run}[peer](clicks)
"#;

/// A peer that has loaded its table and waits for questions.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    child: Child,
    /// Where it keeps its table.
    folder: tempfile::TempDir,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a peer. It loads its table before it answers.
    pub(crate) fn start(peer: Peer, arguments: &Arguments, clicks: &Path) -> Result<Running> {
        let folder = arguments.temporary()?;
        let mut child = Command::new(&arguments.python)
            .args(["-c", DRIVER])
            .arg(&arguments.scripts)
            .args([peer.name()])
            .arg(clicks.canonicalize()?)
            .env("TMPDIR", folder.path().canonicalize()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not run {}", peer.name()))?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("it has no output")?);
        Ok(Running { peer, child, folder, questions, answers })
    }

    /// Lets the system forget what it read of the peer's files, so that they come from the disk again. What the peer itself
    /// keeps in memory stays there.
    pub(crate) fn forget(&self) -> Result<()> {
        forget(self.folder.path())
    }

    /// Asks a question three times in a row; `None` where the peer has no such question.
    pub(crate) fn ask(&mut self, question: &str, days: &Days) -> Result<Option<PeerAnswer>> {
        let asked = json!({
            "question": question,
            "from": days.from(),
            "until": days.until(),
            "monday": FIRST_MONDAY / Micros::SECOND,
        });
        let questions = self.questions.as_mut().context("it was told to end")?;
        writeln!(questions, "{asked}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        read(&line).with_context(|| format!("{} printed {line:?}", self.peer.name()))
    }

    /// Lets it end, and waits for that.
    pub(crate) fn end(mut self) -> Result<()> {
        self.questions = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.peer.name());
        Ok(())
    }
}

fn read(line: &str) -> Result<Option<PeerAnswer>> {
    let line: Line = serde_json::from_str(line)?;
    if line.absent.is_some() {
        return Ok(None);
    }
    let rows = match line.text {
        Some(text) => Value::Array(
            Deserializer::from_str(&text).into_iter::<Value>().collect::<Result<_, _>>()?,
        ),
        None => line.rows.unwrap_or_default(),
    };
    let first_s = line.seconds.first().copied().unwrap_or(f64::INFINITY);
    let best_s = line.seconds.into_iter().fold(f64::INFINITY, f64::min);
    Ok(Some(PeerAnswer { first_s, best_s, rows }))
}
