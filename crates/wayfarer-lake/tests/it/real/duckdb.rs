//! DuckDB reads the lake as it is, from another folder, and finds what `View::export` gives.

use std::{path::Path, process::Command};

use serde_json::Value;
use wayfarer_event::{Event, Micros, VisitorId};
use wayfarer_lake::{Ids, Lake, Options, Stored};

use crate::support::{all, event, event_with_id, open};

const INSTALL: &str = "duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 \
                       duckdb-extension-postgres-scanner==1.5.5 duckdb-extension-sqlite-scanner==1.5.5";

/// Runs queries in DuckDB and answers the rows of each, every value as text.
const READER: &str = r#"
import duckdb, glob, json, os, sys
folder, queries = sys.argv[1], json.loads(sys.argv[2])
con = duckdb.connect(config={"allow_unsigned_extensions": True})
con.execute("SET TimeZone = 'UTC'")
for package in ("duckdb_extension_sqlite_scanner", "duckdb_extension_postgres_scanner", "duckdb_extension_ducklake"):
    base = os.path.join(os.path.dirname(os.path.dirname(duckdb.__file__)), package)
    for path in glob.glob(os.path.join(base, "extensions", "*", "*.duckdb_extension")):
        con.execute(f"LOAD '{path}'")
con.execute(sys.argv[3].split("; ")[-1])
out = []
for query in queries:
    rows = con.execute(query).fetchall()
    out.append([[None if v is None else str(v) for v in row] for row in rows])
print(json.dumps(out))
"#;

/// The interpreter that has DuckDB.
pub(super) fn python() -> String {
    let python = std::env::var("WAYFARER_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = "import duckdb, duckdb_extension_ducklake, duckdb_extension_postgres_scanner, \
                  duckdb_extension_sqlite_scanner";
    let probe = Command::new(&python).args(["-c", import]).output();
    assert!(
        probe.is_ok_and(|probe| probe.status.success()),
        "{python} has no DuckDB with the extensions that this test needs. Install them:\n    \
         python3 -m venv venv && venv/bin/pip install {INSTALL}\nand set \
         WAYFARER_TEST_PYTHON=venv/bin/python"
    );
    python
}

pub(super) fn ask(folder: &Path, lake: &Lake, queries: &[&str]) -> Vec<Value> {
    tell(folder, &lake.status().duckdb, queries)
}

/// As [`ask`], but may also write.
fn write(folder: &Path, lake: &Lake, queries: &[&str]) {
    tell(folder, &lake.status().duckdb.replace("READ_ONLY, ", ""), queries);
}

fn tell(folder: &Path, attach: &str, queries: &[&str]) -> Vec<Value> {
    let elsewhere = tempfile::tempdir().unwrap();
    let output = Command::new(python())
        .current_dir(elsewhere.path())
        .args(["-c", READER])
        .arg(folder)
        .arg(serde_json::to_string(queries).unwrap())
        .arg(attach)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the rows add up to, as DuckDB answers it.
pub(super) const SUMS: &str = "SELECT count(*), count(DISTINCT id), min(epoch_us(ts)), max(epoch_us(ts)), \
                    count(*) FILTER (status = 404), sum(visitor::HUGEINT), sum(length(props)), \
                    count(title), sum(latency_ms), max(seq), min(received_at)::VARCHAR FROM lake.events";

pub(super) fn sums(rows: &[Stored]) -> Vec<Option<String>> {
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| &row.event.id).collect();
    let ts = || rows.iter().map(|row| row.event.ts.0);
    let visitors: u128 = rows.iter().map(|row| u128::from(row.event.visitor.0)).sum();
    let props =
        rows.iter().map(|row| row.event.props.as_ref().map_or(0, wayfarer_event::Text::len));
    let props: usize = props.sum();
    let latency: f64 = rows.iter().filter_map(|row| row.event.latency_ms).sum();
    let received = rows.iter().map(|row| row.event.received_at).min().unwrap();
    let received = received.timestamp().strftime("%Y-%m-%d %H:%M:%S+00");
    [
        rows.len().to_string(),
        ids.len().to_string(),
        ts().min().unwrap().to_string(),
        ts().max().unwrap().to_string(),
        rows.iter().filter(|row| row.event.status == Some(404)).count().to_string(),
        visitors.to_string(),
        props.to_string(),
        rows.iter().filter(|row| row.event.title.is_some()).count().to_string(),
        format!("{latency:?}"),
        rows.iter().map(|row| row.seq).max().unwrap().to_string(),
        received.to_string(),
    ]
    .map(Some)
    .to_vec()
}

#[tokio::test]
async fn duckdb_finds_what_an_export_gives() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for site in ["a.example", "b'\"例.example"] {
        let batch = (0..500).map(|n| event(site, n)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
    }
    lake.seal().await.unwrap();
    let rows = all(&lake.view());
    let answers = ask(folder.path(), &lake, &[SUMS]);
    assert_eq!(answers[0], serde_json::json!([sums(&rows)]));

    // A second file lies beyond every maximum of the first.
    let beyond = Event {
        site: "z.example".into(),
        visitor: VisitorId(u64::MAX),
        ts: Micros(1_900_000_000_000_001),
        status: Some(599),
        value: Some(1e9),
        path: Some("/~".into()),
        ..event_with_id("z.example", 7)
    };
    lake.append(vec![beyond], Ids::Ledger).await.unwrap();
    lake.seal().await.unwrap();
    let rows = all(&lake.view());
    let answers = ask(
        folder.path(),
        &lake,
        &[
            SUMS,
            "SELECT id FROM lake.events WHERE ts > '2029-01-01'",
            "SELECT id FROM lake.events WHERE visitor = 18446744073709551615",
            "SELECT id FROM lake.events WHERE status > 500 AND value > 1000 AND path > '/page/9'",
            "SELECT id FROM lake.events WHERE site = 'z.example'",
            "SELECT seq, epoch_us(ts), id, title, props FROM lake.events ORDER BY seq",
        ],
    );
    assert_eq!(answers[0], serde_json::json!([sums(&rows)]));
    // Compacted, the same rows lie in other files.
    let compacted = lake.compact().await.unwrap();
    assert_eq!((compacted.merged, compacted.made, compacted.removed), (1, 7, 1));
    assert_eq!(ask(folder.path(), &lake, &[SUMS])[0], answers[0]);
    assert_eq!(all(&lake.view()), rows);

    // Somebody is erased: neither the file's nor the table's statistics keep the greatest values.
    let last = wayfarer_lake::Person::Visitor(VisitorId(u64::MAX));
    assert_eq!(lake.erase(&["z.example".to_owned()], &last).await.unwrap().rows, 1);
    let rest = all(&lake.view());
    assert_eq!(rest.len() + 1, rows.len());
    let kept = ask(folder.path(), &lake, &[SUMS, "SELECT max(ts) > '2029-01-01' FROM lake.events"]);
    assert_eq!(kept[0], serde_json::json!([sums(&rest)]));
    assert_eq!(kept[1], serde_json::json!([["False"]]));

    for answer in &answers[1..5] {
        assert_eq!(*answer, serde_json::json!([["id-7"]]));
    }
    let mut rows = rows;
    rows.sort_by_key(|row| row.seq);
    let text = |text: &Option<wayfarer_event::Text>| text.as_ref().map(ToString::to_string);
    let row = |row: &Stored| {
        let event = &row.event;
        let (seq, ts) = (Some(row.seq.to_string()), Some(event.ts.0.to_string()));
        [seq, ts, text(&event.id), text(&event.title), text(&event.props)]
    };
    assert_eq!(answers[5], serde_json::json!(rows.iter().map(row).collect::<Vec<_>>()));
}

/// Inserts, deletes and merges of DuckDB: its rows are taken in exactly, what it deleted is gone, and the order is ours.
#[tokio::test]
async fn what_duckdb_does_to_the_table_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for part in 0..2 {
        let batch = (part * 100..part * 100 + 100).map(|n| event("a", n)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let ours = all(&lake.view());
    write(
        folder.path(),
        &lake,
        &[
            "INSERT INTO lake.events (site, visitor, name, ts, path, value, props) \
             SELECT 'b', 10 - range, 'note', '2026-01-01'::TIMESTAMPTZ - range * INTERVAL 1 HOUR, \
             '/d/' || range, range / 2, '{\"n\":1}' FROM range(10)",
            "INSERT INTO lake.events (site, visitor, visitor_kind, name, ts, received_at, writer, seq, id) \
             VALUES ('b', 18446744073709551615, 'subject', 'x', '2026-02-02 01:02:03.000004+00', \
             '2026-02-03 00:00:00+00', 7, 9, 'mine')",
            "DELETE FROM lake.events WHERE status = 404",
        ],
    );
    assert_eq!(all(&lake.view()), ours, "a view is of its moment");
    assert_eq!(lake.check().await.unwrap().problems.len(), 4);
    // A seal goes on beside it.
    lake.append(vec![event("c", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    assert_eq!(lake.compact().await.unwrap().adopted, 4);
    let rows = all(&lake.view());
    let kept: Vec<Stored> = ours.into_iter().filter(|row| row.event.status != Some(404)).collect();
    let of = |site: &str| -> Vec<Stored> {
        rows.iter().filter(|row| row.event.site == site).cloned().collect()
    };
    assert_eq!(of("a"), kept);
    assert_eq!((of("b").len(), of("c").len()), (11, 1));
    let first = &of("b")[0];
    assert_eq!((first.event.visitor, first.event.value), (VisitorId(1), Some(4.5)));
    assert_eq!(first.event.path.as_deref(), Some("/d/9"));
    assert_eq!(first.event.received_at, first.event.ts);
    let mine = &of("b")[10];
    assert_eq!((mine.writer, mine.seq, mine.event.id.as_deref()), (7, 9, Some("mine")));
    assert_eq!(mine.event.ts, Micros::parse("2026-02-02T01:02:03.000004Z").unwrap());
    assert_eq!(mine.event.received_at, Micros::parse("2026-02-03T00:00:00Z").unwrap());
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| &row.event.id).collect();
    assert_eq!(ids.len(), rows.len());
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    assert_eq!(ask(folder.path(), &lake, &[SUMS])[0], serde_json::json!([sums(&rows)]));

    // DuckDB merges our files its own way; the lake is opened again on that.
    write(folder.path(), &lake, &["CALL ducklake_merge_adjacent_files('lake')"]);
    drop(lake);
    let lake = open(folder.path()).await;
    assert_eq!(all(&lake.view()), rows);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    // Neither a data file nor a delete file of DuckDB is left, once its snapshots, which have its time, are let go.
    drop(lake);
    let clock = Options::default().clock;
    let later = Options { clock, ..crate::support::options() };
    let lake = Lake::open(folder.path(), later).await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!(all(&lake.view()), rows);
    let left = std::fs::read_dir(folder.path().join("lake/main/events")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| !name.starts_with("wayfarer-")).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn rows_that_are_no_events_stop_nothing_and_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let rows = all(&lake.view());
    write(folder.path(), &lake, &["INSERT INTO lake.events (name) VALUES ('nobody')"]);
    let error = lake.compact().await.unwrap_err();
    assert_eq!(error.kind(), wayfarer_lake::ErrorKind::Unsupported);
    assert!(error.to_string().contains("without `site`"), "{error}");
    drop(lake);
    let lake = open(folder.path()).await;
    assert_eq!(all(&lake.view()), rows);
    assert_eq!(lake.append(vec![event("a", 2)], Ids::Window).await.unwrap().stored, 1);
    lake.seal().await.unwrap();
    assert_eq!(lake.view().rows(None), 2);
}

/// What DuckDB deleted stays away, also where a file that comes before cannot be taken in.
#[tokio::test]
async fn what_duckdb_deleted_stays_away_though_another_file_is_no_events() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for part in 0..6 {
        if part == 3 {
            write(folder.path(), &lake, &["INSERT INTO lake.events (name) VALUES ('nobody')"]);
        }
        let batch = (part * 50..part * 50 + 50).map(|n| event("a", n)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let ours = all(&lake.view());
    write(folder.path(), &lake, &["DELETE FROM lake.events WHERE status = 404"]);
    let kept: Vec<Stored> = ours.into_iter().filter(|row| row.event.status != Some(404)).collect();
    for _ in 0..2 {
        assert_eq!(lake.compact().await.unwrap_err().kind(), wayfarer_lake::ErrorKind::Unsupported);
        assert_eq!(all(&lake.view()), kept);
    }
    // A retention writes files again, too.
    write(folder.path(), &lake, &["DELETE FROM lake.events WHERE name = 'click'"]);
    let from = kept.iter().map(|row| row.event.ts).min().unwrap();
    let from = Micros(from.0 + 1);
    let is_kept = |row: &&Stored| row.event.ts >= from && row.event.name != "click";
    let kept: Vec<Stored> = kept.iter().filter(is_kept).cloned().collect();
    let retained = lake.retain(&[("a".to_owned(), from)].into()).await;
    assert_eq!(retained.unwrap_err().kind(), wayfarer_lake::ErrorKind::Unsupported);
    assert_eq!(all(&lake.view()), kept);
}
