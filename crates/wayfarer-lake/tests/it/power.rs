//! Power losses at any operation, seals, compactions and erasures included: what was acknowledged is there, once, the rest is
//! there at most once, and who was erased is gone from every file.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use wayfarer_event::{Event, VisitorId};
use wayfarer_lake::{ErrorKind, Ids, Lake, Options, Person};

use crate::{
    simulator::{Dice, Simulated, Sync, Syncs},
    support::{all, event_with_id, options},
};

const SITE: &str = "a.example";
/// How many people there are, besides those whom nobody knows.
const PEOPLE: u64 = 3;

/// Whose event this is, if somebody's.
fn person_of(n: u64) -> Option<u64> {
    n.is_multiple_of(4).then_some(n / 4 % PEOPLE)
}

fn name_of(person: u64) -> String {
    format!("zz-person-{person}-zz")
}

fn event(n: u64) -> Event {
    let event = event_with_id(SITE, n);
    match person_of(n) {
        None => event,
        Some(person) => {
            Event { visitor: VisitorId(1000 + person), user: Some(name_of(person).into()), ..event }
        }
    }
}

/// What the lake keeps of an event's id, see `docs/design/wal-format.md`.
fn fingerprint(n: u64) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update((SITE.len() as u64).to_le_bytes());
    hash.update(SITE);
    hash.update(format!("id-{n}"));
    *hash.finalize().first_chunk().unwrap()
}

/// What is known of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erasure {
    /// It answered with an error: it may have been done in part.
    Tried,
    Done,
}

/// What the sender knows.
#[derive(Default)]
struct Sender {
    next: u64,
    acknowledged: HashSet<u64>,
    unknown: HashSet<u64>,
    erased: HashMap<u64, Erasure>,
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
    async fn send(&mut self, lake: &Lake, numbers: Vec<u64>, ids: Ids) {
        let batch: Vec<Event> = numbers.iter().map(|&n| event(n)).collect();
        match lake.append(batch, ids).await {
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

    async fn erase(&mut self, lake: &Lake, disk: &Simulated, person: u64) {
        let whom = Person::User(name_of(person));
        let erased = lake.erase(&[SITE.to_owned()], &whom).await.is_ok();
        // Of whom no event names the user, nobody can know which visitor that was.
        let named = |n: &u64| n.is_multiple_of(8) && person_of(*n) == Some(person);
        let erased = erased && self.acknowledged.iter().any(named);
        self.erased.insert(person, if erased { Erasure::Done } else { Erasure::Tried });
        if erased {
            assert_eq!(disk.holding(name_of(person).as_bytes()), Vec::<PathBuf>::new());
        }
    }

    fn erasure(&self, n: u64) -> Option<Erasure> {
        self.erased.get(&person_of(n)?).copied()
    }

    /// Compares what the lake and the disk hold with what is known.
    fn check(&self, lake: &Lake, disk: &Simulated) {
        let mut times: HashMap<String, usize> = HashMap::new();
        for row in all(&lake.view()) {
            *times.entry(row.event.id.unwrap().to_string()).or_default() += 1;
        }
        for n in self.acknowledged.union(&self.unknown) {
            let found = times.remove(&format!("id-{n}")).unwrap_or_default();
            match self.erasure(*n) {
                Some(Erasure::Done) => assert_eq!(found, 0, "event {n} was erased"),
                None if self.acknowledged.contains(n) => {
                    assert_eq!(found, 1, "event {n} was acknowledged");
                }
                _ => assert!(found <= 1, "event {n} is there {found} times"),
            }
        }
        assert!(times.is_empty(), "never sent: {times:?}");
        self.check_disk(disk);
    }

    /// No byte of who was erased is on the disk, and no fingerprint of an id of theirs.
    fn check_disk(&self, disk: &Simulated) {
        let prints = disk.chunks_of_16("ids", 24);
        let of_erased = |n: &&u64| self.erasure(**n) == Some(Erasure::Done);
        for n in self.acknowledged.iter().filter(of_erased) {
            assert!(!prints.contains(&fingerprint(*n)), "the id of event {n} is still known");
        }
        for (person, _) in self.erased.iter().filter(|(_, erased)| **erased == Erasure::Done) {
            assert_eq!(disk.holding(name_of(*person).as_bytes()), Vec::<PathBuf>::new());
        }
    }
}

fn lake_options(disk: &Simulated) -> Options {
    Options { storage: Arc::new(disk.clone()), segment_bytes: 1500, ..options() }
}

/// A data folder. The catalog in it is a real file, all else is on the simulated disk.
struct Place(tempfile::TempDir);

impl Place {
    /// In memory where there is such a place: the catalog's own syncs are real and would take most of the time.
    fn new() -> Place {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        std::fs::create_dir_all(folder.path().join("above/data")).unwrap();
        Place(folder)
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("above/data")
    }
}

/// Some rounds of appends, seals, compactions and erasures, each ended by a power loss.
async fn survive(folder: &Path, seed: u64, disk: &Simulated) {
    let mut dice = Dice(seed);
    let mut sender = Sender::default();
    for _ in 0..4 {
        // Nothing is lost while the power stays, so opening must work after every loss.
        let lake = Lake::open(folder, lake_options(disk)).await.unwrap();
        sender.check(&lake, disk);
        disk.power_for(dice.below(250));
        for _ in 0..30 {
            if disk.is_off() {
                break;
            }
            match dice.below(40) {
                0..8 => drop(lake.seal().await),
                8..13 => drop(lake.compact().await),
                13 => sender.erase(&lake, disk, dice.below(PEOPLE)).await,
                14..18 => {
                    let batch = sender.batch(&mut dice);
                    sender.send(&lake, batch, Ids::Ledger).await;
                }
                _ => {
                    let batch = sender.batch(&mut dice);
                    sender.send(&lake, batch, Ids::Window).await;
                }
            }
        }
        disk.power_for(0);
        // The log's thread answers this when it has nothing else to do any more.
        let _ = lake.append(vec![event_with_id("b.example", 0)], Ids::Window).await;
        drop(lake);
        disk.lose_power(&mut dice);
        sender.check_disk(disk);
    }
    let lake = Lake::open(folder, lake_options(disk)).await.unwrap();
    sender.check(&lake, disk);
}

/// Runs a seed; whether all went well, and which places in the code asked for syncs, if they are noted.
fn run(seed: u64, syncs: Syncs) -> (bool, BTreeSet<Sync>) {
    let place = Place::new();
    let disk = Simulated::new(&place.data(), syncs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || runtime.block_on(survive(&place.data(), seed, &disk));
    let well = catch_unwind(AssertUnwindSafe(run)).is_ok();
    (well, disk.seen())
}

/// How many seeds to try; `WAYFARER_SEEDS` asks for more.
fn seeds(default: u64) -> u64 {
    std::env::var("WAYFARER_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn a_power_loss_loses_and_doubles_nothing() {
    for seed in 0..seeds(25) {
        assert!(run(seed, Syncs::All).0, "seed {seed}");
    }
}

/// Each sync that the lake makes is needed: without it, some power loss is noticed. Which ones there are is not listed here,
/// but seen in runs.
#[test]
fn without_any_one_sync_something_is_lost() {
    let places: BTreeSet<Sync> = (0..12).flat_map(|seed| run(seed, Syncs::Noted).1).collect();
    assert!(places.len() >= 10, "{places:?}");
    for place in places {
        let noticed = (0..2000).find(|&seed| !run(seed, Syncs::Without(place.clone())).0);
        println!("without {place:?}: noticed at seed {noticed:?}");
        assert!(noticed.is_some(), "nothing was noticed without {place:?}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_takes_again_by_itself() {
    let place = Place::new();
    let (folder, disk) = (place.data(), Simulated::new(&place.data(), Syncs::All));
    let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
    let mut sender = Sender::default();
    for round in 0..6 {
        sender.send(&lake, vec![round * 10, round * 10 + 1], Ids::Window).await;
        disk.set_full(true);
        let refused = lake.append(vec![event(round * 10 + 2)], Ids::Window).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(lake.seal().await.unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(lake.status().trouble.is_some());
        sender.check(&lake, &disk);
        disk.set_full(false);
        if round % 2 == 0 {
            lake.seal().await.unwrap();
            assert_eq!(lake.status().trouble, None);
        }
        // What was refused may be sent again under its id.
        sender.send(&lake, vec![round * 10 + 2], Ids::Window).await;
        assert!(sender.unknown.is_empty());
        sender.check(&lake, &disk);
    }
    drop(lake);
    disk.lose_power(&mut Dice(1));
    let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
    sender.check(&lake, &disk);
}

/// What a seal or a merge wrote until the disk was full is in nobody's way: the disk heals, and an erasure leaves nothing.
#[tokio::test]
async fn what_a_full_disk_broke_off_is_removed_at_once() {
    let place = Place::new();
    let (folder, disk) = (place.data(), Simulated::new(&place.data(), Syncs::All));
    let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
    for round in 0..4 {
        let batch = (0..20).map(|n| event(round * 20 + n)).collect();
        lake.append(batch, Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let before = disk.files();
    for bytes in [1, 2000, 10_000] {
        disk.full_after(bytes);
        assert_eq!(lake.compact().await.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_full(false);
        assert_eq!(disk.files(), before, "after {bytes} bytes of a merge");
    }
    lake.append((80..100).map(event).collect(), Ids::Window).await.unwrap();
    let before = disk.files();
    for bytes in [1, 2000] {
        disk.full_after(bytes);
        assert_eq!(lake.seal().await.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_full(false);
        assert_eq!(disk.files(), before, "after {bytes} bytes of a seal");
    }
    lake.compact().await.unwrap();
    assert_eq!(lake.view().rows(None), 100);
}

/// What a group that failed left in the log goes, durably, before anything is built on it.
#[tokio::test]
async fn what_a_failed_group_left_is_cut_off_for_good() {
    for seed in 0..40 {
        let place = Place::new();
        let (folder, disk) = (place.data(), Simulated::new(&place.data(), Syncs::All));
        let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
        let mut sender = Sender::default();
        sender.send(&lake, vec![0], Ids::Window).await;
        disk.full_after(100);
        let refused = lake.append((1..9).map(event).collect(), Ids::Window).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_full(false);
        // A group of nothing new, the end of the segment by a seal that fails, and an event in the next one.
        sender.send(&lake, vec![0], Ids::Window).await;
        disk.full_after(1);
        assert_eq!(lake.seal().await.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.set_full(false);
        sender.send(&lake, vec![9], Ids::Window).await;
        drop(lake);
        disk.lose_power(&mut Dice(seed));
        let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
        sender.check(&lake, &disk);
    }
}

#[tokio::test]
async fn an_erasure_reaches_what_the_log_did_not_take() {
    let place = Place::new();
    let (folder, disk) = (place.data(), Simulated::new(&place.data(), Syncs::All));
    let lake = Lake::open(&folder, lake_options(&disk)).await.unwrap();
    lake.append(vec![event(1)], Ids::Window).await.unwrap();
    let of_person = (0..8).map(|n| event(n * 12)).collect();
    disk.full_after(100);
    assert!(lake.append(of_person, Ids::Window).await.is_err());
    disk.set_full(false);
    assert_ne!(disk.holding(name_of(0).as_bytes()), Vec::<PathBuf>::new());
    lake.erase(&[SITE.to_owned()], &Person::User(name_of(0))).await.unwrap();
    assert_eq!(disk.holding(name_of(0).as_bytes()), Vec::<PathBuf>::new());
}
