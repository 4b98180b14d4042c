//! Several nodes on one lake, over a catalog in a real PostgreSQL.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use wayfarer_event::{Event, VisitorId};
use wayfarer_lake::{
    CatalogAt, ErrorKind, Ids, Lake, Options, Person,
    storage::{Disk, File, Storage},
};
use wayfarer_testkit::Postgres;

use super::duckdb::ask;
use crate::{
    erase::traces,
    kill::{self, EVENTS, Said},
    model,
    simulator::Dice,
    support::{all, event, event_with_id, options, shared_catalog},
};

/// A lake that nodes share: a database, a folder for the files, and a folder of each node.
struct Shared {
    url: String,
    files: TempDir,
    nodes: [TempDir; 2],
}

impl Shared {
    fn new(postgres: &Postgres) -> Shared {
        let folder = || tempfile::tempdir().unwrap();
        let url = postgres.database().unwrap();
        Shared { url, files: folder(), nodes: [folder(), folder()] }
    }

    fn options(&self) -> Options {
        let catalog = shared_catalog(&self.url, self.files.path());
        Options { catalog, look_after: Duration::from_hours(24), ..options() }
    }

    async fn open(&self, node: usize) -> Lake {
        Lake::open(self.nodes[node].path(), self.options()).await.unwrap()
    }

    async fn both(&self) -> [Lake; 2] {
        [self.open(0).await, self.open(1).await]
    }
}

/// A disk from which another node has just taken a file of ids that is to be opened, once.
#[derive(Debug, Default)]
struct MergedBesideUs(Disk, AtomicBool);

impl Storage for MergedBesideUs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.0.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let of_ids = path.extension().is_some_and(|ending| ending == "window");
        if of_ids && !self.1.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.0.open(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.0.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.0.sync_folder(path)
    }
}

/// PostgreSQL's own view tells whether what is said to a catalog is encrypted.
#[tokio::test]
async fn a_catalog_is_spoken_to_in_secret() {
    let postgres = Postgres::shared_with_tls().unwrap();
    let mut shared = Shared::new(postgres);
    let plain = shared.url.clone();
    let authority = postgres.authority().unwrap();
    let checked = format!("?sslmode=verify-full&sslrootcert={}", authority.display());
    shared.url = plain.replace("127.0.0.1", "localhost") + &checked;
    let lake = shared.open(0).await;
    lake.append(vec![event_with_id("a.example", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let mut raw = PgConnection::connect(&(plain.clone() + "?sslmode=disable")).await.unwrap();
    let secret = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'wayfarer' AND datname = current_database()";
    let secret: Vec<bool> = sqlx::query_scalar(secret).fetch_all(&mut raw).await.unwrap();
    assert!(!secret.is_empty() && secret.iter().all(|secret| *secret), "{secret:?}");
    let line = lake.status().duckdb;
    assert!(line.contains("sslmode=''verify-full'' sslrootcert=''/"), "{line}");
    let rows = ask(shared.nodes[0].path(), &lake, &["SELECT count(*) FROM lake.events"]);
    assert_eq!(rows, [serde_json::json!([["1"]])]);
    shared.url = plain + &checked;
    let refused = Lake::open(shared.nodes[1].path(), shared.options()).await.unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_node_opens_while_another_merges_ids() {
    let shared = Shared::new(Postgres::shared().unwrap());
    let first = shared.open(0).await;
    first.append(vec![event_with_id("a.example", 1)], Ids::Window).await.unwrap();
    first.seal().await.unwrap();
    let disk = Arc::new(MergedBesideUs::default());
    let options = Options { storage: Arc::clone(&disk) as Arc<dyn Storage>, ..shared.options() };
    let second = Lake::open(shared.nodes[1].path(), options).await.unwrap();
    assert!(disk.1.load(Ordering::SeqCst), "no file of ids was opened");
    let again = second.append(vec![event_with_id("a.example", 1)], Ids::Window).await.unwrap();
    assert_eq!(again.duplicates, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn one_node_keeps_every_row_once(steps in model::steps()) {
        let shared = Shared::new(Postgres::shared().unwrap());
        model::runtime().block_on(model::check(&steps, &shared.options()));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append { first: u64, count: u64, ids: Option<bool> },
    Seal,
    KeepUp,
    Compact,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let append = (0u64..60, 1u64..25, any::<Option<bool>>())
        .prop_map(|(first, count, ids)| Step::Append { first, count, ids });
    let step = prop_oneof![
        6 => append,
        3 => Just(Step::Seal),
        1 => Just(Step::KeepUp),
        1 => Just(Step::Compact),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec((0..2usize, step), 1..20)
}

/// How often each id is there, of the events that brought one; and how many others there are.
fn counts(lake: &Lake) -> (BTreeMap<String, usize>, usize) {
    let (mut times, mut others) = (BTreeMap::new(), 0);
    for row in all(&lake.view()) {
        let id = row.event.id.unwrap();
        match id.starts_with("id-") {
            true => *times.entry(id.to_string()).or_default() += 1,
            false => others += 1,
        }
    }
    (times, others)
}

async fn check_two(steps: Vec<(usize, Step)>) {
    let shared = Shared::new(Postgres::shared().unwrap());
    let mut lakes = shared.both().await.map(Some);
    let (mut ids, mut others, mut stored) = (BTreeSet::new(), 0, 0);
    let mut settled = 0;
    for (node, step) in steps {
        let lake = lakes[node].as_ref().unwrap();
        match step {
            Step::Append { first, count, ids: kind } => {
                let make = if kind.is_some() { event_with_id } else { event };
                let batch: Vec<Event> = (first..first + count).map(|n| make("a", n)).collect();
                match kind {
                    Some(_) => ids.extend((first..first + count).map(|n| format!("id-{n}"))),
                    None => others += count as usize,
                }
                let kind = if kind == Some(true) { Ids::Ledger } else { Ids::Window };
                stored += lake.append(batch, kind).await.unwrap().stored as u64;
            }
            Step::Seal => lake.seal().await.unwrap(),
            Step::KeepUp => lake.keep_up().await.unwrap(),
            Step::Compact => _ = lake.compact().await.unwrap(),
            Step::Crash => {
                settled += lake.status().counts.settled;
                lakes[node] = None;
                lakes[node] = Some(shared.open(node).await);
            }
        }
        let (times, _) = counts(lakes[node].as_ref().unwrap());
        assert!(times.keys().all(|id| ids.contains(id)));
    }
    let lakes = lakes.map(Option::unwrap);
    for lake in &lakes {
        lake.seal().await.unwrap();
    }
    for lake in &lakes {
        lake.keep_up().await.unwrap();
        settled += lake.status().counts.settled;
    }
    let expected = ids.into_iter().map(|id| (id, 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(counts(&lakes[0]), (expected, others));
    assert_eq!(all(&lakes[0].view()), all(&lakes[1].view()));
    assert_eq!(lakes[0].view().rows(None) + settled, stored, "each event is kept or counted");
    assert_eq!(lakes[1].check().await.unwrap().problems, [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn two_nodes_keep_every_event_once(steps in steps()) {
        model::runtime().block_on(check_two(steps));
    }
}

/// What a round of two children says, each on its own node. Both send the same events, and erase the same people.
fn round(shared: &Shared, first: u64, dice: &mut Dice) -> Said {
    let mut said = Said::default();
    let until: [_; 2] =
        std::array::from_fn(|_| (1 + dice.below(1000) as usize, dice.below(2) as usize));
    std::thread::scope(|scope| {
        let children = [0, 1].map(|node| {
            let (folder, files) = (shared.nodes[node].path(), shared.files.path());
            let at = Some((shared.url.as_str(), files));
            scope.spawn(move || kill::run_and_kill(folder, at, first, until[node]))
        });
        for child in children {
            said.add(child.join().unwrap());
        }
    });
    said
}

#[tokio::test]
async fn what_two_nodes_acknowledged_before_they_were_killed_is_there_once() {
    let rounds: u64 =
        std::env::var("WAYFARER_NODE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let shared = Shared::new(Postgres::shared().unwrap());
    let mut dice = Dice(rounds);
    let mut said = Said::default();
    for number in 0..rounds {
        said.add(round(&shared, number * EVENTS, &mut dice));
        let lakes = shared.both().await;
        for lake in &lakes {
            lake.seal().await.unwrap();
        }
        for lake in &lakes {
            lake.keep_up().await.unwrap();
            said.check(lake);
        }
        assert_eq!(lakes[0].check().await.unwrap().problems, [""; 0], "round {number}");
        for lake in lakes {
            lake.close().await.unwrap();
        }
    }
    let (acknowledged, erasing, erased) = said.counts();
    println!(
        "{rounds} rounds of two nodes killed: {acknowledged} events acknowledged, {erasing} erasures begun, \
         {erased} done; 0 lost, 0 doubled, 0 back"
    );
}

/// An erasure writes the other node's ids again; they stay the other's, or the next seal would not look into them.
#[tokio::test]
async fn an_event_that_both_took_is_settled_though_one_erased_between() {
    let shared = Shared::new(Postgres::shared().unwrap());
    let [eraser, other] = shared.both().await;
    let person = Person::User("zoe".into());
    let of_person = Event { user: Some("zoe".into()), ..event_with_id("a", 1) };
    other.append(vec![of_person, event_with_id("a", 2)], Ids::Window).await.unwrap();
    let sites = ["a".to_owned()];
    let meanwhile = async {
        // Asked twice: the second time is after the last seal of the one who erases.
        for seals in 1..=2 {
            while other.status().counts.seals < seals {
                other.keep_up().await.unwrap();
            }
            if seals == 1 {
                other.append(vec![event_with_id("a", 3)], Ids::Window).await.unwrap();
            } else {
                eraser.append(vec![event_with_id("a", 3)], Ids::Window).await.unwrap();
            }
        }
        loop {
            other.keep_up().await.unwrap();
        }
    };
    let erased = tokio::select! {
        erased = eraser.erase(&sites, &person) => erased.unwrap(),
        () = meanwhile => unreachable!(),
    };
    assert_eq!(erased.ids, 1);
    eraser.seal().await.unwrap();
    let expected = BTreeMap::from([("id-2".to_owned(), 1), ("id-3".to_owned(), 1)]);
    assert_eq!(counts(&eraser), (expected.clone(), 0));
    other.keep_up().await.unwrap();
    assert_eq!(counts(&other), (expected, 0));
}

#[tokio::test]
async fn events_go_on_while_postgres_is_away_and_are_sealed_when_it_is_back() {
    let postgres = Postgres::start().unwrap();
    let shared = Shared::new(&postgres);
    let lakes = shared.both().await;
    for (node, lake) in lakes.iter().enumerate() {
        lake.append(vec![event_with_id("a", node as u64)], Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    postgres.kill().unwrap();
    for (node, lake) in lakes.iter().enumerate() {
        let batch = (10 * node as u64 + 10..10 * node as u64 + 20).map(|n| event_with_id("a", n));
        assert_eq!(lake.append(batch.collect(), Ids::Window).await.unwrap().stored, 10);
        let error = lake.seal().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(lake.status().trouble.is_some());
        lake.keep_up().await.unwrap_err();
        assert_eq!(lake.status().hot_rows, 10, "what was acknowledged is still read");
    }
    postgres.resume().unwrap();
    for lake in &lakes {
        lake.seal().await.unwrap();
        assert_eq!(lake.status().trouble, None);
    }
    for lake in &lakes {
        lake.keep_up().await.unwrap();
        assert_eq!(lake.view().rows(None), 22);
    }
}

#[tokio::test]
async fn a_copy_of_a_node_a_wrong_folder_and_a_wrong_lake_are_refused() {
    let shared = Shared::new(Postgres::shared().unwrap());
    let [lake, _other] = shared.both().await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let refusal = async |folder: &Path, catalog: CatalogAt| {
        let options = Options { catalog, ..shared.options() };
        Lake::open(folder, options).await.unwrap_err().to_string()
    };
    let fresh = || tempfile::tempdir().unwrap();

    let elsewhere = fresh();
    let error = refusal(fresh().path(), shared_catalog(&shared.url, elsewhere.path())).await;
    assert!(error.contains("is it mounted?"), "{error}");

    let second = Shared::new(Postgres::shared().unwrap());
    let error = refusal(fresh().path(), shared_catalog(&second.url, shared.files.path())).await;
    assert!(error.contains("holds the files of another lake"), "{error}");
    drop(second.open(1).await);
    let error = refusal(shared.nodes[1].path(), second.options().catalog).await;
    assert!(error.contains("is a node of another lake"), "{error}");

    let error = refusal(shared.nodes[0].path(), CatalogAt::Folder).await;
    assert!(error.contains("name its catalog"), "{error}");
    let alone = fresh();
    drop(crate::support::open(alone.path()).await);
    let error = refusal(alone.path(), shared.options().catalog).await;
    assert!(error.contains("has a catalog of its own"), "{error}");
}

/// The rows of a person lie in files of both nodes, hot at both, and in the log of one that is away.
#[tokio::test]
async fn an_erasure_reaches_every_node() {
    let shared = Shared::new(Postgres::shared().unwrap());
    let [one, two] = shared.both().await;
    let of = |n: u64, user: bool, visitor: u64| Event {
        visitor: VisitorId(visitor),
        user: user.then(|| "zz-secret-user-zz".into()),
        title: Some("zz-secret-title-zz".into()),
        ..event_with_id("a", n)
    };
    let other = |n: u64| event_with_id("a", 1000 + n);
    for (lake, first) in [(&one, 0), (&two, 10)] {
        lake.append(vec![of(first, true, 5_000 + first), other(first)], Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
        // Seen without a name, and the name only at the other node's hot rows.
        let hot = vec![of(first + 1, false, 5_000 + 10 - first), other(first + 1)];
        lake.append(hot, Ids::Window).await.unwrap();
    }
    let files_of = |needle: &str| {
        let folders = [shared.files.path(), shared.nodes[0].path(), shared.nodes[1].path()];
        let mut found = Vec::new();
        folders.into_iter().for_each(|folder| traces(folder, needle.as_bytes(), &mut found));
        found.len()
    };
    assert!(files_of("zz-secret-user-zz") > 0 && files_of("zz-secret-title-zz") > 0);
    // The second node follows as it would by itself.
    let following = {
        let two = two.clone();
        tokio::spawn(async move {
            loop {
                two.keep_up().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let person = Person::User("zz-secret-user-zz".to_owned());
    let erased = one.erase(&["a".to_owned()], &person).await.unwrap();
    assert_eq!((erased.rows, erased.visitors, erased.away), (4, 2, 0));
    following.abort();
    let _ = following.await;
    for lake in [&one, &two] {
        lake.keep_up().await.unwrap();
        let ids: Vec<String> = all(&lake.view())
            .iter()
            .map(|row| row.event.id.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(lake.append(vec![of(20, true, 1)], Ids::Window).await.unwrap().declined, 1);
    }
    assert_eq!((files_of("zz-secret-user-zz"), files_of("zz-secret-title-zz")), (0, 0));

    // Now one that is away, with rows of somebody in its log.
    let of = |n: u64| Event {
        user: Some("zz-away-zz".into()),
        visitor: VisitorId(9_000),
        ..event_with_id("a", n)
    };
    two.append(vec![of(30), other(30)], Ids::Window).await.unwrap();
    one.append(vec![of(31)], Ids::Window).await.unwrap();
    drop(two);
    let person = Person::User("zz-away-zz".to_owned());
    let erased = one.erase(&["a".to_owned()], &person).await.unwrap();
    assert_eq!((erased.rows, erased.away), (1, 1));
    let two = shared.open(1).await;
    two.seal().await.unwrap();
    two.keep_up().await.unwrap();
    assert_eq!(files_of("zz-away-zz"), 0);
    one.keep_up().await.unwrap();
    assert_eq!(all(&one.view()), all(&two.view()));
    assert_eq!(all(&one.view()).len(), 5);
    assert_eq!(one.check().await.unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn files_stay_while_a_node_reads_them() {
    let shared = Shared::new(Postgres::shared().unwrap());
    let [one, two] = shared.both().await;
    for n in 0..5 {
        one.append(vec![event("a", n)], Ids::Window).await.unwrap();
        one.seal().await.unwrap();
    }
    two.keep_up().await.unwrap();
    let view = two.view();
    let before = all(&view);
    // The first node has nobody who reads the old files any more; the second one has.
    assert!(one.compact().await.unwrap().merged > 0);
    assert_eq!(all(&view), before);
    two.keep_up().await.unwrap();
    assert_eq!(all(&view), before);
    drop(view);
}
