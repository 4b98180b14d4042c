//! An event that is sent again is stored once: while it is hot, once it is sealed, after a crash, and from two sides.

use wayfarer_event::Event;
use wayfarer_lake::{Appended, Ids, Lake};

use crate::support::{all, event_with_id, open};

async fn send(lake: &Lake, numbers: &[u64], ids: Ids) -> (usize, usize) {
    let batch = numbers.iter().map(|&n| event_with_id("a.example", n)).collect();
    let Appended { stored, duplicates, .. } = lake.append(batch, ids).await.unwrap();
    (stored, duplicates)
}

#[tokio::test]
async fn an_id_counts_once_hot_sealed_and_after_a_restart() {
    for ids in [Ids::Window, Ids::Ledger] {
        let folder = tempfile::tempdir().unwrap();
        let lake = open(folder.path()).await;
        assert_eq!(send(&lake, &[1, 2, 1], ids).await, (2, 1), "within a batch");
        assert_eq!(send(&lake, &[2, 3], ids).await, (1, 1), "hot");
        drop(lake);
        let lake = open(folder.path()).await;
        assert_eq!(send(&lake, &[1, 2, 3, 4], ids).await, (1, 3), "from the log");
        lake.seal().await.unwrap();
        assert_eq!(send(&lake, &[1, 4, 5], ids).await, (1, 2), "sealed");
        drop(lake);
        let lake = open(folder.path()).await;
        assert_eq!(send(&lake, &[1, 2, 3, 4, 5], ids).await, (0, 5), "sealed and from the log");
        assert_eq!(all(&lake.view()).len(), 5);
    }
}

#[tokio::test]
async fn an_id_is_one_for_window_and_ledger_and_another_at_another_site() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    assert_eq!(send(&lake, &[1], Ids::Window).await, (1, 0));
    assert_eq!(send(&lake, &[1], Ids::Ledger).await, (0, 1));
    let other = Event { site: "b.example".into(), ..event_with_id("a.example", 1) };
    lake.append(vec![other], Ids::Window).await.unwrap();
    assert_eq!(all(&lake.view()).len(), 2);
}

/// Many senders send the same events while seals run: each event is stored by exactly one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_that_race_with_each_other_and_with_seals_store_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let senders = (0..4).map(|_| {
        let lake = lake.clone();
        tokio::spawn(async move {
            let mut stored = 0;
            for first in 0..60 {
                let numbers: Vec<u64> = (first * 5..first * 5 + 20).collect();
                stored += send(&lake, &numbers, Ids::Window).await.0;
            }
            stored
        })
    });
    let senders: Vec<_> = senders.collect();
    for _ in 0..8 {
        lake.seal().await.unwrap();
    }
    let mut stored = 0;
    for sender in senders {
        stored += sender.await.unwrap();
    }
    assert_eq!(stored, 60 * 5 + 15);
    assert_eq!(all(&lake.view()).len(), stored);
}
