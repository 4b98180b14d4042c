//! Listening, bounds, status, and the end of a lake.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use sqlx::Connection;
use wayfarer_lake::{
    ErrorKind, Ids, Lake, Options,
    storage::{Disk, File, Storage},
};

use crate::support::{event, event_with_id, open, options};

#[tokio::test]
async fn a_listener_gets_what_is_stored_and_hears_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 0)], Ids::Window).await.unwrap();
    let mut listener = lake.subscribe();
    lake.append(vec![event("a", 1), event("a", 2)], Ids::Window).await.unwrap();
    let live = listener.next().await.unwrap();
    assert_eq!((live.events.len(), live.missed), (2, 0));
    assert_eq!(live.events[0].seq, 2);
    assert_eq!(live.events[0].event.name, event("a", 1).name);
    assert!(live.events[0].event.id.is_some());
    lake.append(vec![event("a", 3)], Ids::Window).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(listener.next().await.unwrap().events[0].seq, 4);
    assert!(listener.next().await.is_none());
    assert!(lake.subscribe().next().await.is_none());
}

#[tokio::test]
async fn a_slow_listener_is_told_how_much_it_missed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { live_events: 10, ..options() };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    let mut listener = lake.subscribe();
    for n in 0..9 {
        let batch = (0..3).map(|m| event("a", n * 3 + m)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
    }
    let (mut got, mut missed) = (0, 0);
    lake.close().await.unwrap();
    while let Some(live) = listener.next().await {
        missed += live.missed;
        assert_eq!(live.events[0].seq, got + missed + 1, "nothing is dropped in silence");
        got += live.events.len() as u64;
    }
    assert_eq!(got + missed, 27);
    assert!(got <= 10 && got > 0, "{got}");
}

#[tokio::test]
async fn more_than_memory_may_hold_is_refused_until_a_seal() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { hot_bytes: 20_000, seal_bytes: usize::MAX, ..options() };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    let mut stored = 0;
    let refused = loop {
        let batch = (stored..stored + 10).map(|n| event("a", n)).collect();
        match lake.append(batch, Ids::Window).await {
            Ok(appended) => stored += appended.stored as u64,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "memory is bounded");
    };
    assert_eq!(refused.kind(), ErrorKind::Busy);
    lake.seal().await.unwrap();
    lake.append(vec![event("a", 0)], Ids::Window).await.unwrap();
    assert_eq!(lake.view().rows(None), stored + 1);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { batch_bytes: 1000, ..options() };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    let batch = (0..100).map(|n| event("a", n)).collect();
    let error = lake.append(batch, Ids::Window).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(lake.view().rows(None), 0);
}

#[tokio::test]
async fn status_counts_rows_files_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 5), event("a", 6)], Ids::Window).await.unwrap();
    let hot = lake.status();
    assert_eq!((hot.rows, hot.hot_rows, hot.files, hot.wal_segments), (2, 2, 0, 1));
    assert_eq!(hot.oldest_wal, Some(event("a", 5).received_at.0));
    assert!(hot.wal_bytes > 0 && hot.hot_bytes > 0);
    lake.seal().await.unwrap();
    let sealed = lake.status();
    assert_eq!((sealed.rows, sealed.hot_rows, sealed.files, sealed.wal_segments), (2, 0, 1, 0));
    assert_eq!((sealed.oldest_wal, sealed.trouble), (None, None));
    assert_eq!(sealed.snapshot, hot.snapshot + 1);
    assert!(sealed.bytes > 0);
    let line = format!("DATA_PATH '{}/lake/'", folder.path().display());
    assert!(sealed.duckdb.contains(&line), "{}", sealed.duckdb);
}

#[tokio::test]
async fn a_closed_lake_refuses_and_has_nothing_left_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.close().await.unwrap();
    lake.close().await.unwrap();
    let error = lake.append(vec![event("a", 2)], Ids::Window).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(lake.seal().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(lake.view().rows(None), 1, "what is there can still be read");
    let other = open(folder.path()).await;
    assert_eq!((other.status().rows, other.status().hot_rows), (1, 0));
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await.unwrap();
    let path = folder.path().join("lake.sqlite");
    let sql = "UPDATE wayfarer_meta SET value = '2' WHERE key = 'version'";
    let mut db = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query(sql).execute(&mut db).await.unwrap();
    drop(db);
    let error = Lake::open(folder.path(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NewerVersion);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[tokio::test]
async fn a_clock_is_asked_for_the_time_of_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { clock: Arc::new(|| wayfarer_event::Micros(1_000_000)), ..options() };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.close().await.unwrap();
    let path = folder.path().join("lake.sqlite");
    let mut db = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let times: Vec<String> = sqlx::query_scalar("SELECT snapshot_time FROM ducklake_snapshot")
        .fetch_all(&mut db)
        .await
        .unwrap();
    assert_eq!(times, ["1970-01-01 00:00:01+00"; 3]);
}

/// A lake with sealed, compacted and hot rows, and the folder that it lies in.
async fn varied() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for part in 0..4 {
        for site in ["a", "b"] {
            let batch = (part * 50..part * 50 + 50).map(|n| event_with_id(site, n)).collect();
            lake.append(batch, Ids::Ledger).await.unwrap();
        }
        match part {
            0 | 2 => lake.seal().await.unwrap(),
            1 => drop(lake.compact().await.unwrap()),
            _ => {}
        }
    }
    (folder, lake)
}

/// The largest file of a folder whose name ends so.
fn some_file(folder: &std::path::Path, end: &str) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.to_str().unwrap().ends_with(end));
    files.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap()
}

#[tokio::test]
async fn a_sound_lake_has_no_problems() {
    let (_folder, lake) = varied().await;
    let check = lake.check().await.unwrap();
    assert_eq!(check.problems, [""; 0]);
    assert_eq!((check.rows, check.wal_segments), (300, 1));
    assert!(check.files > 5 && check.id_files > 0, "{check:?}");
}

#[tokio::test]
async fn a_check_finds_a_changed_byte_in_every_kind_of_file_and_a_missing_or_strange_file() {
    for (place, end) in [("lake/main/events", ".parquet"), ("wal", ".wal"), ("wal/ids", ".ledger")]
    {
        let (folder, lake) = varied().await;
        let path = some_file(&folder.path().join(place), end);
        let mut bytes = std::fs::read(&path).unwrap();
        // Within the data: behind the header, before guide or footer.
        bytes[200] ^= 0x55;
        std::fs::write(&path, bytes).unwrap();
        let problems = lake.check().await.unwrap().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(path.to_str().unwrap()), "{problems:?}");
    }
    let (folder, lake) = varied().await;
    let events = folder.path().join("lake/main/events");
    let path = some_file(&events, ".parquet");
    std::fs::copy(&path, events.join("wayfarer-strange.parquet")).unwrap();
    std::fs::remove_file(&path).unwrap();
    let problems = lake.check().await.unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[tokio::test]
async fn a_check_finds_a_catalog_that_miscounts() {
    let (folder, lake) = varied().await;
    let path = folder.path().join("lake.sqlite");
    let mut db = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query("UPDATE ducklake_table_stats SET record_count = record_count + 1")
        .execute(&mut db)
        .await
        .unwrap();
    let problems = lake.check().await.unwrap().problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("301 rows"), "{problems:?}");
}

/// A disk on which reads of the files that were there when it was shut wait until it is opened.
#[derive(Clone, Debug, Default)]
struct Gated(Arc<(Mutex<Gate>, Condvar)>);

#[derive(Debug, Default)]
struct Gate {
    shut: BTreeSet<PathBuf>,
    waiting: bool,
}

impl Gated {
    fn shut(&self, files: BTreeSet<PathBuf>) {
        self.0.0.lock().unwrap().shut = files;
    }

    fn open_up(&self) {
        self.0.0.lock().unwrap().shut.clear();
        self.0.1.notify_all();
    }

    /// Until somebody waits at the gate.
    fn reached(&self) {
        let gate = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(gate, |gate| !gate.waiting).unwrap());
    }

    fn pass(&self, path: &Path) {
        let mut gate = self.0.0.lock().unwrap();
        if gate.shut.contains(path) {
            gate.waiting = true;
            self.0.1.notify_all();
            drop(self.0.1.wait_while(gate, |gate| gate.shut.contains(path)).unwrap());
        }
    }
}

impl Storage for Gated {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.pass(path);
        Disk.open(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        Disk.list(folder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        Disk.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Disk.sync_folder(path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_lets_seals_go_on_while_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Gated::default();
    let options = Options { storage: Arc::new(disk.clone()), ..options() };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let files = std::fs::read_dir(folder.path().join("lake/main/events")).unwrap();
    disk.shut(files.map(|file| file.unwrap().path()).collect());
    let (checked, reads) = (lake.clone(), disk.clone());
    let check = tokio::spawn(async move { checked.check().await });
    tokio::task::spawn_blocking(move || reads.reached()).await.unwrap();
    lake.append(vec![event("a", 2)], Ids::Window).await.unwrap();
    let sealed = tokio::time::timeout(Duration::from_secs(10), lake.seal()).await;
    disk.open_up();
    sealed.expect("a seal waits for the check").unwrap();
    assert_eq!(check.await.unwrap().unwrap().problems, [""; 0]);
}
