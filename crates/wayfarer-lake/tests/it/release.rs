//! The data folder of every release stays readable: the rows that it was written with come back to the last value, and
//! it takes new ones.
//!
//! `tests/fixtures/folder-v1` is such a folder, with compacted, sealed and unsealed rows, ids of both kinds and a rule of an erasure;
//! `rows.ndjson` says what is in it. It is never changed. A later version of the layout gets a folder of its own, written by
//! this test with `WAYFARER_WRITE_FIXTURE=<folder>`.

use std::{fs, path::Path};

use serde_json::{Value, json};
use wayfarer_event::{Event, VisitorId};
use wayfarer_lake::{Appended, Ids, Lake, Person};

use crate::support::{all, event, event_with_id, open};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/fixtures").join(name)
}

fn rows(lake: &Lake) -> Vec<Value> {
    let row = |row: wayfarer_lake::Stored| json!({ "writer": row.writer, "seq": row.seq, "event": row.event });
    all(&lake.view()).into_iter().map(row).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn erased(n: u64) -> Event {
    Event { visitor: VisitorId(4711), user: Some("erased".into()), ..event_with_id("a.example", n) }
}

/// Writes a folder of this version.
#[tokio::test]
async fn write() {
    let Some(folder) = std::env::var_os("WAYFARER_WRITE_FIXTURE") else { return };
    let folder = Path::new(&folder);
    let lake = open(folder).await;
    for part in 0..4 {
        let numbers = part * 10..part * 10 + 10;
        let ids = if part % 2 == 0 { Ids::Window } else { Ids::Ledger };
        let with_ids = numbers.clone().map(|n| event_with_id("a.example", n));
        lake.append(with_ids.chain([erased(900 + part)]).collect(), ids).await.unwrap();
        lake.append(numbers.map(|n| event("b.例", n)).collect(), ids).await.unwrap();
        match part {
            0 => lake.seal().await.unwrap(),
            1 => drop(lake.compact().await.unwrap()),
            2 => {
                let person = Person::User("erased".into());
                lake.erase(&["a.example".to_owned()], &person).await.unwrap();
            }
            _ => {}
        }
    }
    let lines = rows(&lake).iter().map(|row| format!("{row}\n")).collect::<String>();
    fs::write(folder.join("rows.ndjson"), lines).unwrap();
    drop(lake);
}

#[tokio::test]
async fn a_folder_of_version_1_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("folder-v1"), folder.path());
    let text = fs::read_to_string(folder.path().join("rows.ndjson")).unwrap();
    let expected: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(expected.len(), 80);
    let lake = open(folder.path()).await;
    assert_eq!(rows(&lake), expected);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    // Ids of the window, of the ledger and of the log are known, and so is who was erased.
    let again = [1, 11, 31].map(|n| event_with_id("a.example", n));
    let again = again.into_iter().chain([erased(1000), event("b.例", 77)]);
    let appended = lake.append(again.collect(), Ids::Window).await.unwrap();
    assert_eq!(appended, Appended { stored: 1, duplicates: 3, declined: 1 });
    lake.seal().await.unwrap();
    lake.compact().await.unwrap();
    let now = rows(&lake);
    assert_eq!(now.len(), 81);
    assert!(expected.iter().all(|row| now.contains(row)));
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
}
