//! Bytes at rest: the clickstream after compaction, the columns alone that the generator makes, beside the peers' tables.

use std::{collections::BTreeMap, fs::File, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Column;
use wayfarer_lake::Lake;

use crate::{Arguments, load, peers::Peer};

/// The columns of the clickstream. `site` is there so that a peer could not say that we left it out.
const COLUMNS: &[Column] = &[
    Column::Site,
    Column::Visitor,
    Column::User,
    Column::Name,
    Column::Ts,
    Column::Path,
    Column::Referrer,
    Column::Country,
    Column::Device,
    Column::Value,
];

/// Makes a peer's table as its script does for the questions, and says how many bytes it has.
const PEERS: &str = r#"
import json, os, re, sys, tempfile
sys.path.insert(0, sys.argv[1])
import inspect, peers
peer, clicks = sys.argv[2], sys.argv[3]
folder = tempfile.mkdtemp(prefix=peer, dir=sys.argv[4])
if peer == "chdb":
    from chdb import session
    told = session.Session(folder)
    create = re.search(r'"(CREATE TABLE b\.ev .*)"\)', inspect.getsource(peers.chdb_run)).group(1)
    told.query("CREATE DATABASE IF NOT EXISTS b ENGINE=Atomic")
    told.query(create)
    told.query(f"INSERT INTO b.ev SELECT * FROM file('{clicks}', Parquet) SETTINGS max_insert_threads=2")
    told.query("OPTIMIZE TABLE b.ev FINAL")
    size = "SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database='b'"
    size = json.loads(str(told.query(size, "JSONEachRow")))["n"]
else:
    import duckdb
    file = os.path.join(folder, "x.db")
    told = duckdb.connect(file)
    told.execute("SET threads=2")
    told.execute(f"CREATE TABLE ev AS SELECT * FROM '{clicks}' ORDER BY visitor, ts")
    told.execute("CHECKPOINT")
    size = os.path.getsize(file)
print(json.dumps({"bytes": int(size)}))
"#;

/// The bytes of one column.
#[derive(Debug, Default, Serialize)]
struct Stored {
    bytes: i64,
    bytes_an_event: f64,
    encodings: Vec<String>,
}

#[derive(Deserialize)]
struct Told {
    bytes: u64,
}

/// Loads the clickstream into a lake of its own, merges everything, and measures.
pub(crate) async fn run(arguments: &Arguments) -> Result<Value> {
    ensure!(
        arguments.rows <= load::LARGEST,
        "the peers take a stream once: at most {} events",
        load::LARGEST
    );
    let temporary = arguments.temporary()?;
    let folder = temporary.path();
    let lake = Lake::open(folder, load::options_at_rest()).await?;
    load::load_at_rest(&lake, arguments).await?;
    let rows = lake.view().rows(Some(load::SITE));
    lake.close().await?;
    let (files, file_bytes, columns) = measure(&folder.join("lake/main/events"), rows)?;
    let bytes: i64 = columns.values().map(|column| column.bytes).sum();
    let clicks = load::clickstream(arguments)?.canonicalize()?;
    let mut beside = BTreeMap::new();
    for peer in &arguments.peers {
        beside.insert(peer.name(), peer_bytes(*peer, arguments, &clicks, folder)?);
    }
    let figures = json!({
        "rows": rows,
        "files": files,
        "file_bytes_with_every_column": file_bytes,
        "bytes": bytes,
        "bytes_an_event": bytes as f64 / rows as f64,
        "columns": columns,
        "peers": beside,
    });
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(figures)
}

/// Adds up what the footers of the files say. Also says how many files there are, and how long.
fn measure(folder: &Path, rows: u64) -> Result<(usize, u64, BTreeMap<&'static str, Stored>)> {
    let mut columns: BTreeMap<&str, Stored> = BTreeMap::new();
    let (mut files, mut file_bytes, mut seen) = (0, 0, 0);
    for entry in std::fs::read_dir(folder)? {
        let file = File::open(entry?.path())?;
        files += 1;
        file_bytes += file.metadata()?.len();
        let reader = SerializedFileReader::new(file)?;
        for group in reader.metadata().row_groups() {
            seen += group.num_rows();
            for column in COLUMNS {
                let chunk = group.columns().get(column.index()).context("a file lacks columns")?;
                let stored = columns.entry(column.name()).or_default();
                stored.bytes += chunk.compressed_size();
                for encoding in chunk.encodings().map(|encoding| encoding.to_string()) {
                    if !stored.encodings.contains(&encoding) {
                        stored.encodings.push(encoding);
                    }
                }
            }
        }
    }
    ensure!(u64::try_from(seen)? == rows, "the files have {seen} rows, the lake {rows}");
    for stored in columns.values_mut() {
        stored.bytes_an_event = stored.bytes as f64 / rows as f64;
    }
    Ok((files, file_bytes, columns))
}

fn peer_bytes(peer: Peer, arguments: &Arguments, clicks: &Path, folder: &Path) -> Result<u64> {
    let output = Command::new(&arguments.python)
        .args(["-c", PEERS])
        .arg(&arguments.scripts)
        .arg(peer.name())
        .args([clicks, folder])
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {}", peer.name()))?;
    ensure!(output.status.success(), "{} ended with {}", peer.name(), output.status);
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    let told: Told =
        serde_json::from_str(last).with_context(|| format!("{} printed {text}", peer.name()))?;
    Ok(told.bytes)
}
