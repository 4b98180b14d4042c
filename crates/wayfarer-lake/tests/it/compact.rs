//! Compaction: the same rows in fewer files, while views keep theirs.

use std::time::Duration;

use wayfarer_lake::{Compacted, Ids, Lake, Options};

use crate::support::{all, event, open, options};

async fn with_files(lake: &Lake, files: u64) {
    for file in 0..files {
        for site in ["a.example", "b.example"] {
            let batch = (file * 40..file * 40 + 40).map(|n| event(site, n)).collect();
            lake.append(batch, Ids::Window).await.unwrap();
        }
        lake.seal().await.unwrap();
    }
}

fn on_disk(lake_folder: &std::path::Path) -> usize {
    std::fs::read_dir(lake_folder.join("lake/main/events")).unwrap().count()
}

#[tokio::test]
async fn a_compacted_lake_has_the_same_rows_in_files_of_one_period() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    with_files(&lake, 20).await;
    let before = all(&lake.view());
    let position = lake.view().position();
    let done = lake.compact().await.unwrap();
    assert!(done.merged >= 20, "{done:?}");
    assert_ne!(lake.view().position(), position);
    assert_eq!(all(&lake.view()), before);
    // One file a day; then nothing is left to do.
    assert_eq!(lake.status().files, 7);
    assert_eq!(lake.compact().await.unwrap(), Compacted::default());
    assert_eq!(on_disk(folder.path()) as u64, lake.status().files);
    drop(lake);
    assert_eq!(all(&open(folder.path()).await.view()), before);
}

#[tokio::test]
async fn a_view_keeps_its_files_until_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    with_files(&lake, 3).await;
    let view = lake.view();
    let before = all(&lake.view());
    assert_eq!(lake.compact().await.unwrap().removed, 0);
    assert_eq!(all(&view), before);
    drop(view);
    assert!(lake.compact().await.unwrap().removed >= 3);
    assert_eq!(on_disk(folder.path()) as u64, lake.status().files);
}

/// Files of old snapshots are not taken for those of a crash.
#[tokio::test]
async fn a_restart_keeps_the_files_that_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = Options { keep_snapshots: Duration::from_hours(1), ..options() };
    let lake = Lake::open(folder.path(), keeping).await.unwrap();
    with_files(&lake, 3).await;
    assert_eq!(lake.compact().await.unwrap().removed, 0);
    assert_eq!(on_disk(folder.path()), 7 + 3);
    drop(lake);
    let lake = open(folder.path()).await;
    assert_eq!(on_disk(folder.path()), 7 + 3);
    assert_eq!(lake.compact().await.unwrap().removed, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_and_seals_go_on_while_files_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let other = lake.clone();
    let compacting = tokio::spawn(async move {
        for _ in 0..6 {
            other.compact().await.unwrap();
        }
    });
    with_files(&lake, 12).await;
    compacting.await.unwrap();
    let rows = all(&lake.view());
    assert_eq!(rows.len(), 12 * 80);
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| &row.event.id).collect();
    assert_eq!(ids.len(), rows.len());
}

/// What is merged when a lake closes is given up: its files are in no snapshot, and go when it is opened next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_no_merge() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for file in 0..4 {
        let batch = (file * 20_000..file * 20_000 + 20_000).map(|n| event("a", n)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let other = lake.clone();
    let compacting = tokio::spawn(async move { other.compact().await });
    // As soon as the merge has begun a file.
    while on_disk(folder.path()) < 5 {
        tokio::task::yield_now().await;
    }
    lake.close().await.unwrap();
    let error = compacting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), wayfarer_lake::ErrorKind::Closed);
    drop(lake);
    let lake = open(folder.path()).await;
    assert_eq!(lake.view().rows(None), 80_000);
    assert_eq!(on_disk(folder.path()), 4);
}
