//! A disk that is really full: a small tmpfs in a mount namespace of its own, where this test binary runs itself again.

use std::{fs::File, io::Write, path::Path};

use wayfarer_lake::{ErrorKind, Ids};

use crate::support::{all, event_with_id, open, own_disk, run_on_own_disk};

/// Fills the disk with a file until nothing fits any more.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut piece = 64 << 10;
    while piece > 0 {
        if file.write_all(&vec![1; piece]).is_err() {
            piece /= 2;
        }
    }
}

#[tokio::test]
async fn child() {
    let Some(disk) = own_disk() else { return };
    let lake = open(&disk.join("data")).await;
    let ballast = disk.join("ballast");
    let mut stored = 0;
    for round in 0..4 {
        lake.append(vec![event_with_id("a", stored)], Ids::Window).await.unwrap();
        stored += 1;
        fill(&ballast);
        // What still fits into the last page may be taken; then comes the refusal.
        let refused = loop {
            match lake.append(vec![event_with_id("a", stored)], Ids::Window).await {
                Ok(appended) => stored += appended.stored as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
        let unsealed = lake.seal().await;
        assert_eq!(unsealed.unwrap_err().kind(), ErrorKind::StorageFull, "round {round}");
        assert!(lake.status().trouble.is_some());
        assert_eq!(all(&lake.view()).len() as u64, stored, "nothing is lost, nothing half there");
        std::fs::remove_file(&ballast).unwrap();
        lake.append(vec![event_with_id("a", stored)], Ids::Window).await.unwrap();
        stored += 1;
        if round % 2 == 0 {
            lake.seal().await.unwrap();
            assert_eq!(lake.status().trouble, None);
        }
    }
    drop(lake);
    let lake = open(&disk.join("data")).await;
    assert_eq!(all(&lake.view()).len() as u64, stored);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
}

#[test]
fn a_full_disk_loses_nothing_and_heals_by_itself() {
    run_on_own_disk("full::child");
}
