//! A lake is read from outside while it is written, compacted and erased: by DuckDB and by two processes of ours, which must
//! all find the same sums at one snapshot. `WAYFARER_READ_ROUNDS` says how long.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use tempfile::TempDir;
use wayfarer_event::{Event, VisitorId};
use wayfarer_lake::{Ids, Lake, Options, Person, Stored, sealed};
use wayfarer_testkit::Postgres;

use super::duckdb::{SUMS, ask, python, sums};
use crate::support::{event, event_with_id, options, shared_catalog};

const FOLDER: &str = "WAYFARER_TEST_READER_FOLDER";
const SITE: &str = "a.example";
/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Prints a snapshot's number and its sums as JSON, again and again; `gone` where an erasure took the snapshot away.
const DUCKDB: &str = r#"
import duckdb, glob, json, os, sys
con = duckdb.connect(config={"allow_unsigned_extensions": True})
con.execute("SET TimeZone = 'UTC'")
for package in ("duckdb_extension_sqlite_scanner", "duckdb_extension_ducklake"):
    base = os.path.join(os.path.dirname(os.path.dirname(duckdb.__file__)), package)
    for path in glob.glob(os.path.join(base, "extensions", "*", "*.duckdb_extension")):
        con.execute(f"LOAD '{path}'")
con.execute(sys.argv[1].split("; ")[-1])
while True:
    try:
        version = con.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchone()[0]
        at = f"lake.events AT (VERSION => {version})"
        row = con.execute(sys.argv[2].replace("lake.events", at)).fetchone()
        # DuckDB looks for the snapshot and for its files one after the other: an erasure may come between the two.
        there = f"SELECT count(*) FROM ducklake_snapshots('lake') WHERE snapshot_id = {version}"
        if con.execute(there).fetchone()[0] == 0:
            print("gone while it was read", flush=True)
            continue
        print(version, json.dumps([None if v is None else str(v) for v in row]), flush=True)
    except duckdb.Error as error:
        print("gone", str(error).replace("\n", " "), flush=True)
"#;

/// A process of ours that reads; it does nothing when it was not started by a test.
#[tokio::test]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    loop {
        match read(Path::new(&folder)).await {
            Ok((snapshot, sums)) => println!("\n{snapshot} {}", serde_json::json!(sums)),
            Err(error) => println!("\ngone {error}"),
        }
    }
}

async fn read(folder: &Path) -> wayfarer_lake::Result<(u64, Vec<Option<String>>)> {
    let view = sealed(folder, &Options::default()).await?;
    let rows: wayfarer_lake::Result<Vec<Stored>> = view.export(None)?.collect();
    Ok((view.position().snapshot, sums(&rows?)))
}

/// Somebody who reads, and is ended when the test is.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a reader found: who it is, and the snapshot with its sums, or why there were none.
type Found = (usize, Result<(u64, String), String>);

impl Reader {
    fn start(number: usize, mut command: Command, found: Sender<Found>) -> Reader {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let Some((word, rest)) = line.split_once(' ') else { continue };
                let said = match word.parse() {
                    Ok(snapshot) => {
                        let Ok(sums) = serde_json::from_str::<serde_json::Value>(rest) else {
                            continue;
                        };
                        Ok((snapshot, sums.to_string()))
                    }
                    Err(_) if word == "gone" => Err(rest.to_owned()),
                    Err(_) => continue,
                };
                if found.send((number, said)).is_err() {
                    return;
                }
            }
        });
        Reader(child)
    }
}

/// Three readers of a folder, DuckDB first.
fn readers(folder: &Path, lake: &Lake) -> ([Reader; 3], Receiver<Found>) {
    let (sender, found) = channel();
    let mut duckdb = Command::new(python());
    duckdb.args(["-c", DUCKDB, &lake.status().duckdb, SUMS]);
    let ours = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "real::readers::child", "--nocapture"]).env(FOLDER, folder);
        command
    };
    let readers = [
        Reader::start(0, duckdb, sender.clone()),
        Reader::start(1, ours(), sender.clone()),
        Reader::start(2, ours(), sender),
    ];
    (readers, found)
}

/// What all readers found so far, by snapshot and reader.
#[derive(Default)]
struct Tally {
    sums: BTreeMap<u64, BTreeMap<usize, String>>,
    reads: usize,
    gone: usize,
}

impl Tally {
    fn add(&mut self, (reader, said): Found) {
        let Ok((snapshot, sums)) = said else {
            self.gone += 1;
            return;
        };
        self.reads += 1;
        let known = self.sums.entry(snapshot).or_default();
        for (other, theirs) in known.iter() {
            assert_eq!(*theirs, sums, "readers {other} and {reader} at snapshot {snapshot}");
        }
        known.insert(reader, sums);
    }

    /// Takes what is found until every reader has been at this snapshot, and compares that with what the writer has.
    fn wait_for(&mut self, found: &Receiver<Found>, lake: &Lake) {
        let view = lake.view();
        let snapshot = view.position().snapshot;
        let own = serde_json::json!(sums(&crate::support::all(&view))).to_string();
        while self.sums.get(&snapshot).is_none_or(|known| known.len() < 3) {
            self.add(found.recv_timeout(PATIENCE).unwrap());
        }
        assert!(self.sums[&snapshot].values().all(|sums| *sums == own), "snapshot {snapshot}");
    }
}

/// One round of changes, while the readers read.
async fn change(lake: &Lake, round: u64) {
    let person = |n: u64| VisitorId(1_000_000 + n);
    for part in 0..3 {
        let first = 1000 * round + 100 * part;
        let mut batch: Vec<Event> = (first..first + 100).map(|n| event_with_id(SITE, n)).collect();
        batch.push(Event { visitor: person(round), ..event(SITE, first) });
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    lake.compact().await.unwrap();
    if round.is_multiple_of(2) {
        let whom = Person::Visitor(person(round));
        assert_eq!(lake.erase(&[SITE.to_owned()], &whom).await.unwrap().rows, 3);
    }
}

#[tokio::test]
async fn duckdb_and_two_processes_find_the_same_at_every_snapshot() {
    let rounds: u64 =
        std::env::var("WAYFARER_READ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let folder = tempfile::tempdir().unwrap();
    let keeping = Options { keep_snapshots: Duration::from_hours(24), ..options() };
    let lake = Lake::open(folder.path(), keeping).await.unwrap();
    lake.append((0..50).map(|n| event("b.example", n)).collect(), Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let (readers, found) = readers(folder.path(), &lake);
    let mut tally = Tally::default();
    tally.wait_for(&found, &lake);
    for round in 0..rounds {
        change(&lake, round).await;
        tally.wait_for(&found, &lake);
    }
    drop(readers);
    found.try_iter().for_each(|found| tally.add(found));
    let several = tally.sums.values().filter(|known| known.len() > 1).count();
    println!(
        "{rounds} rounds: {} snapshots read, {several} of them by several readers, {} reads, {} met an \
         erasure; 0 differ",
        tally.sums.len(),
        tally.reads,
        tally.gone
    );
    assert!(several as u64 > rounds);
}

/// A database of PostgreSQL as the catalog, two nodes, and DuckDB as the judge; the same by a process of ours beside them.
#[tokio::test]
async fn duckdb_reads_what_two_nodes_sealed() {
    let folders: [TempDir; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let url = Postgres::shared().unwrap().database().unwrap();
    let catalog = shared_catalog(&url, folders[2].path());
    let at = Options { catalog, look_after: Duration::from_hours(24), ..options() };
    for (node, folder) in folders[..2].iter().enumerate() {
        let lake = Lake::open(folder.path(), at.clone()).await.unwrap();
        for part in 0..2 {
            let first = 10_000 * node as u64 + 300 * part;
            let mut batch: Vec<Event> = (first..first + 300).map(|n| event(SITE, n)).collect();
            batch.push(Event { path: Some("/\0".into()), ..event_with_id(SITE, 7) });
            lake.append(batch, Ids::Window).await.unwrap();
            lake.seal().await.unwrap();
        }
        lake.close().await.unwrap();
    }
    let lake = Lake::open(folders[0].path(), at.clone()).await.unwrap();
    for compacted in [false, true] {
        if compacted {
            assert!(lake.compact().await.unwrap().merged > 0);
        }
        let rows = crate::support::all(&lake.view());
        assert_eq!(rows.len(), 1201);
        let found = ask(
            folders[0].path(),
            &lake,
            &[SUMS, "SELECT count(id) FROM lake.events WHERE path < '/0'"],
        );
        assert_eq!(found[0], serde_json::json!([sums(&rows)]));
        assert_eq!(found[1], serde_json::json!([["1"]]));
        let beside = sealed(folders[1].path(), &at).await.unwrap();
        assert_eq!(crate::support::all(&beside), rows);
    }
}
