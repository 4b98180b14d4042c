//! Retention: what is too old goes, of the sites that say so, and nothing else.

use std::collections::HashMap;

use wayfarer_event::{Event, Micros};
use wayfarer_lake::{Ids, Lake, Retained, Stored};

use crate::support::{all, event_with_id, open};

const START: i64 = 1_767_225_600_000_000;

/// One event an hour.
fn hourly(site: &str, hours: std::ops::Range<u64>) -> Vec<Event> {
    let at = |n: u64| Micros(START + n as i64 * Micros::HOUR);
    hours.map(|n| Event { ts: at(n), ..event_with_id(site, n) }).collect()
}

async fn lake_of_days(folder: &std::path::Path) -> Lake {
    let lake = open(folder).await;
    for site in ["a", "b"] {
        lake.append(hourly(site, 0..72), Ids::Window).await.unwrap();
    }
    lake.seal().await.unwrap();
    lake
}

fn limits(hours: i64) -> HashMap<String, Micros> {
    HashMap::from([("a".to_owned(), Micros(START + hours * Micros::HOUR))])
}

fn kept(rows: Vec<Stored>, hours: i64) -> Vec<Stored> {
    let old = |row: &Stored| row.event.site == "a" && row.event.ts.0 < START + hours * Micros::HOUR;
    rows.into_iter().filter(|row| !old(row)).collect()
}

#[tokio::test]
async fn rows_that_are_too_old_go_and_all_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_days(folder.path()).await;
    let before = all(&lake.view());
    let view = lake.view();
    let done = lake.retain(&limits(30)).await.unwrap();
    assert_eq!((done.rows, done.files, done.removed), (30, 1, 0));
    assert_eq!(all(&lake.view()), kept(before.clone(), 30));
    assert_eq!(all(&view), before, "a view keeps what it was taken on");
    drop(view);
    assert_eq!(
        lake.retain(&limits(30)).await.unwrap(),
        Retained { removed: 1, ..Retained::default() }
    );
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    drop(lake);
    let lake = open(folder.path()).await;
    assert_eq!(all(&lake.view()), kept(before, 30));
}

#[tokio::test]
async fn files_that_hold_nothing_else_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(hourly("a", 0..24), Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    lake.append(hourly("a", 24..48), Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let events = folder.path().join("lake/main/events");
    let oldest = std::fs::read_dir(&events).unwrap().map(|entry| entry.unwrap().path()).min();
    std::fs::write(oldest.unwrap(), "no longer Parquet").unwrap();
    let done = lake.retain(&limits(24)).await.unwrap();
    assert_eq!((done.rows, done.files, done.removed), (24, 1, 1));
    assert_eq!(all(&lake.view()).len(), 24);
}

/// A row that was dropped does not come back when its sender tries again: its id is known still.
#[tokio::test]
async fn hot_rows_wait_and_what_was_dropped_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(hourly("a", 0..10), Ids::Window).await.unwrap();
    assert_eq!(lake.retain(&limits(5)).await.unwrap(), Retained::default());
    assert_eq!(all(&lake.view()).len(), 10);
    lake.seal().await.unwrap();
    assert_eq!(lake.retain(&limits(5)).await.unwrap().rows, 5);
    let again = lake.append(hourly("a", 0..10), Ids::Window).await.unwrap();
    assert_eq!((again.stored, again.duplicates), (0, 10));
}
