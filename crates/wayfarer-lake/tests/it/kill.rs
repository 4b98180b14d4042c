//! `kill -9` in the middle of acknowledged appends, seals, compactions and erasures. The child is this test binary itself.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use wayfarer_event::{Event, VisitorId};
use wayfarer_lake::{CatalogAt, Ids, Lake, Options, Person};

use crate::{
    simulator::Dice,
    support::{all, event_with_id, open, shared_catalog},
};

const SITE: &str = "a.example";
/// Where the child works; it does nothing when this is not set.
const FOLDER: &str = "WAYFARER_TEST_CHILD_FOLDER";
/// The address of the catalog and the folder that nodes share, where the child is one of several.
const CATALOG: &str = "WAYFARER_TEST_CHILD_CATALOG";
const FILES: &str = "WAYFARER_TEST_CHILD_FILES";
/// The number of its first event.
const FIRST: &str = "WAYFARER_TEST_CHILD_FIRST";
/// Events of one child.
pub(crate) const EVENTS: u64 = 1_000_000;
/// People who are known to one child, besides those whom nobody knows.
const PEOPLE: u64 = 20;

/// Batches of one task of a child: more events than any round waits for. Then the child only erases, since an erasure may have
/// to wait for as long as files of a few milliseconds keep coming.
const BATCHES: u64 = 100;

/// Between two batches of a task, so that erasures keep up.
const PAUSE: Duration = Duration::from_millis(4);

/// Whose event this is, if somebody's; each child has people of its own.
fn person_of(n: u64) -> Option<u64> {
    n.is_multiple_of(10).then_some(n / EVENTS * PEOPLE + n / 10 % PEOPLE)
}

fn name_of(person: u64) -> String {
    format!("zz-person-{person}-zz")
}

fn event(n: u64) -> Event {
    let event = event_with_id(SITE, n);
    match person_of(n) {
        None => event,
        Some(person) => Event {
            visitor: VisitorId(1_000_000 + person),
            user: Some(name_of(person).into()),
            ..event
        },
    }
}

/// Appends from four tasks, with a seal every few milliseconds, and prints each event that was acknowledged.
/// Meanwhile one person after the other is erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let options = Options {
        seal_after: Duration::from_millis(5),
        compact_after: Duration::from_millis(20),
        keep_snapshots: Duration::ZERO,
        segment_bytes: 20_000,
        look_after: Duration::from_millis(10),
        catalog: catalog_of_child(),
        ..Options::default()
    };
    let lake = Lake::open(Path::new(&folder), options).await.unwrap();
    let erasing = tokio::spawn(erase_all(lake.clone(), first / EVENTS * PEOPLE));
    let tasks = (0..4).map(|task| {
        let lake = lake.clone();
        tokio::spawn(async move {
            for batch in 0..BATCHES {
                let numbers = (0..7).map(|n| first + task + 4 * (batch * 7 + n));
                let events = numbers.clone().map(event).collect();
                lake.append(events, Ids::Window).await.unwrap();
                let lines: String = numbers.map(|n| format!("acknowledged {n}\n")).collect();
                println!("{lines}");
                tokio::time::sleep(PAUSE).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    erasing.await.unwrap();
    // It is for the other process to end this one.
    std::future::pending::<()>().await;
}

fn catalog_of_child() -> CatalogAt {
    match (std::env::var(CATALOG), std::env::var(FILES)) {
        (Ok(url), Ok(files)) => shared_catalog(&url, Path::new(&files)),
        _ => CatalogAt::Folder,
    }
}

async fn erase_all(lake: Lake, first: u64) {
    for person in first..first + PEOPLE {
        println!("\nerasing {person}");
        let whom = Person::User(name_of(person));
        lake.erase(&[SITE.to_owned()], &whom).await.unwrap();
        println!("\nerased {person}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What children said before they were killed.
#[derive(Default)]
pub(crate) struct Said {
    acknowledged: BTreeSet<u64>,
    erasing: HashSet<u64>,
    erased: HashSet<u64>,
}

impl Said {
    /// Starts a child, and kills it after so many acknowledged events and so many erasures.
    fn kill_after(&mut self, folder: &Path, first: u64, acknowledged: usize, erased: usize) {
        self.add(run_and_kill(folder, None, first, (acknowledged, erased)));
    }

    pub(crate) fn add(&mut self, other: Said) {
        self.acknowledged.extend(other.acknowledged);
        self.erasing.extend(other.erasing);
        self.erased.extend(other.erased);
    }

    /// How many events were acknowledged, how many erasures were begun, and how many were done.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.acknowledged.len(), self.erasing.len(), self.erased.len())
    }

    /// Compares what the lake holds with what was said.
    pub(crate) fn check(&self, lake: &Lake) {
        let mut times: HashMap<u64, usize> = HashMap::new();
        for row in all(&lake.view()) {
            let id = row.event.id.unwrap();
            *times.entry(id.strip_prefix("id-").unwrap().parse().unwrap()).or_default() += 1;
        }
        assert!(times.values().all(|&times| times == 1), "something is there twice");
        for n in &self.acknowledged {
            let person = person_of(*n);
            if person.is_none_or(|person| !self.erasing.contains(&person)) {
                assert!(times.contains_key(n), "event {n} is lost");
            }
        }
        let back = times.keys().find(|n| person_of(**n).is_some_and(|p| self.erased.contains(&p)));
        assert_eq!(back, None, "an erased person is back");
    }
}

/// Starts a child, kills it after so many acknowledged events and so many erasures, and answers what it said. `shared` are the
/// address of a catalog and the folder that nodes share.
pub(crate) fn run_and_kill(
    folder: &Path,
    shared: Option<(&str, &Path)>,
    first: u64,
    (acknowledged, erased): (usize, usize),
) -> Said {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::child", "--nocapture"]);
    command.env(FOLDER, folder).env(FIRST, first.to_string()).stdout(Stdio::piped());
    if let Some((url, files)) = shared {
        command.env(CATALOG, url).env(FILES, files);
    }
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut said = Said::default();
    let mut killed = false;
    for line in out.lines() {
        // A line may be cut off by the kill; whole ones have a word and a number.
        let line = line.unwrap();
        let Some((word, Ok(number))) = line.split_once(' ').map(|(w, n)| (w, n.parse())) else {
            continue;
        };
        match word {
            "acknowledged" => _ = said.acknowledged.insert(number),
            "erasing" => _ = said.erasing.insert(number),
            "erased" => _ = said.erased.insert(number),
            _ => {}
        }
        if said.acknowledged.len() >= acknowledged && said.erased.len() >= erased && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(killed, "the child ended by itself");
    said
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_once() {
    let rounds: u64 =
        std::env::var("WAYFARER_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(rounds);
    let mut said = Said::default();
    for round in 0..rounds {
        let (events, erasures) = (1 + dice.below(2000) as usize, dice.below(3) as usize);
        said.kill_after(folder.path(), round * EVENTS, events, erasures);
        let lake = open(folder.path()).await;
        said.check(&lake);
        assert_eq!(lake.check().await.unwrap().problems, [""; 0], "round {round}");
    }
    println!(
        "{rounds} kills: {} events acknowledged, {} erasures begun, {} done; 0 lost, 0 doubled, 0 back",
        said.acknowledged.len(),
        said.erasing.len(),
        said.erased.len()
    );
}
