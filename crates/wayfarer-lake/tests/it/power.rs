//! Power losses at any operation: what was acknowledged is there, once, and the rest is there at most once.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use wayfarer_event::Event;
use wayfarer_lake::{ErrorKind, Ids, Lake, Options};

use crate::{
    simulator::{Dice, Omit, Simulated},
    support::{all, event_with_id, options},
};

const SITE: &str = "a.example";

/// What the sender knows.
#[derive(Default)]
struct Sender {
    next: u64,
    acknowledged: HashSet<u64>,
    unknown: HashSet<u64>,
}

impl Sender {
    /// Events to send: new ones, and some whose fate is unknown or that were acknowledged long ago.
    fn batch(&mut self, dice: &mut Dice) -> Vec<u64> {
        let mut batch: Vec<u64> = (0..1 + dice.below(4)).map(|n| self.next + n).collect();
        self.next += batch.len() as u64;
        if dice.coin() {
            let again = self.unknown.iter().chain(&self.acknowledged).copied().min();
            batch.extend(again);
        }
        batch.extend((self.next > 0).then(|| dice.below(self.next)));
        batch
    }

    /// Sends a batch of events and learns what is known of them then.
    async fn send(&mut self, lake: &Lake, numbers: Vec<u64>) {
        let batch: Vec<Event> = numbers.iter().map(|&n| event_with_id(SITE, n)).collect();
        match lake.append(batch, Ids::Window).await {
            Ok(_) => {
                for n in numbers {
                    self.unknown.remove(&n);
                    self.acknowledged.insert(n);
                }
            }
            Err(_) => {
                let open = numbers.into_iter().filter(|n| !self.acknowledged.contains(n));
                self.unknown.extend(open);
            }
        }
    }

    fn check(&self, lake: &Lake) {
        let mut times: HashMap<String, usize> = HashMap::new();
        for row in all(&lake.view()) {
            *times.entry(row.event.id.unwrap().to_string()).or_default() += 1;
        }
        for n in &self.acknowledged {
            let found = times.remove(&format!("id-{n}"));
            assert_eq!(found, Some(1), "event {n} was acknowledged");
        }
        for n in &self.unknown {
            let found = times.remove(&format!("id-{n}")).unwrap_or_default();
            assert!(found <= 1, "event {n} is there {found} times");
        }
        assert!(times.is_empty(), "never sent: {times:?}");
    }
}

fn lake_options(disk: &Simulated) -> Options {
    Options { storage: Arc::new(disk.clone()), segment_bytes: 1500, ..options() }
}

/// Some rounds of appends and seals, each ended by a power loss.
async fn survive(folder: &Path, seed: u64, omit: Omit) {
    let mut dice = Dice(seed);
    let disk = Simulated::new(folder, omit);
    let mut sender = Sender::default();
    for _ in 0..4 {
        // Nothing is lost while the power stays, so opening must work after every loss.
        let lake = Lake::open(folder, lake_options(&disk)).await.unwrap();
        sender.check(&lake);
        disk.power_for(dice.below(200));
        for _ in 0..30 {
            if disk.is_off() {
                break;
            }
            match dice.below(8) {
                0 | 1 => drop(lake.seal().await),
                2 => drop(lake.compact().await),
                _ => {
                    let batch = sender.batch(&mut dice);
                    sender.send(&lake, batch).await;
                }
            }
        }
        disk.power_for(0);
        // The log's thread answers this when it has nothing else to do any more.
        let _ = lake.append(vec![event_with_id("b.example", 0)], Ids::Window).await;
        drop(lake);
        disk.lose_power(&mut dice);
    }
    let lake = Lake::open(folder, lake_options(&disk)).await.unwrap();
    sender.check(&lake);
}

fn runs(seed: u64, omit: Omit) -> bool {
    let folder = fast_folder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || runtime.block_on(survive(folder.path(), seed, omit));
    catch_unwind(AssertUnwindSafe(run)).is_ok()
}

/// In memory where there is such a place: the catalog's own syncs are real and would take most of the time.
fn fast_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How many seeds to try; `WAYFARER_SEEDS` asks for more.
fn seeds(default: u64) -> u64 {
    std::env::var("WAYFARER_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn a_power_loss_loses_and_doubles_nothing() {
    for seed in 0..seeds(25) {
        assert!(runs(seed, Omit::Nothing), "seed {seed}");
    }
}

/// Each sync that the lake makes is needed: without it, some power loss is noticed.
#[test]
fn without_any_one_sync_something_is_lost() {
    for omit in [
        Omit::File(".wal"),
        Omit::FirstOfFile(".wal"),
        Omit::Folder("wal"),
        Omit::FirstOfFile(".parquet"),
        Omit::Folder("events"),
        Omit::FirstOfFile(".window"),
        Omit::Folder("ids"),
        Omit::Folder("lake"),
        Omit::Folder("main"),
    ] {
        let found = (0..400).any(|seed| !runs(seed, omit));
        assert!(found, "nothing was noticed without {omit:?}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_takes_again_by_itself() {
    let folder = fast_folder();
    let disk = Simulated::new(folder.path(), Omit::Nothing);
    let lake = Lake::open(folder.path(), lake_options(&disk)).await.unwrap();
    let mut sender = Sender::default();
    for round in 0..6 {
        sender.send(&lake, vec![round * 10, round * 10 + 1]).await;
        disk.set_full(true);
        let refused = lake.append(vec![event_with_id(SITE, round * 10 + 2)], Ids::Window).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(lake.seal().await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(lake.status().trouble.is_some());
        sender.check(&lake);
        disk.set_full(false);
        if round % 2 == 0 {
            lake.seal().await.unwrap();
            assert_eq!(lake.status().trouble, None);
        }
        // What was refused may be sent again under its id.
        sender.send(&lake, vec![round * 10 + 2]).await;
        assert!(sender.unknown.is_empty());
        sender.check(&lake);
    }
    drop(lake);
    disk.lose_power(&mut Dice(1));
    let lake = Lake::open(folder.path(), lake_options(&disk)).await.unwrap();
    sender.check(&lake);
}
