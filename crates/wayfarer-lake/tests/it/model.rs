//! Appends, seals and restarts in any order, against a list in memory.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use wayfarer_event::{Column, Micros};
use wayfarer_lake::{Appended, Ids, Lake, Options, Scan, Stored, Values, own_id};

use crate::support::{all, event, event_with_id, open, options};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Events `first..first + count`, with ids where `ids` says so.
    Append {
        site: bool,
        first: u64,
        count: u64,
        ids: Option<bool>,
    },
    Seal,
    Compact,
    /// Ends without sealing.
    Crash,
    Close,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (any::<bool>(), 0u64..60, 1u64..25, any::<Option<bool>>())
        .prop_map(|(site, first, count, ids)| Step::Append { site, first, count, ids });
    let step = prop_oneof![
        6 => append,
        2 => Just(Step::Seal),
        1 => Just(Step::Compact),
        1 => Just(Step::Crash),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..14)
}

/// What the lake must hold.
#[derive(Default)]
struct Model {
    rows: Vec<Stored>,
    ids: HashSet<(String, String)>,
}

impl Model {
    /// Takes a batch as the lake should.
    fn append(&mut self, lake: &Lake, batch: &[wayfarer_event::Event]) -> Appended {
        let mut appended = Appended::default();
        for event in batch {
            let key = event.id.as_ref().map(|id| (event.site.to_string(), id.to_string()));
            if key.is_some_and(|key| !self.ids.insert(key)) {
                appended.duplicates += 1;
                continue;
            }
            appended.stored += 1;
            let seq = self.rows.len() as u64 + 1;
            let writer = all(&lake.view()).first().map_or(0, |row| row.writer);
            self.rows.push(Stored { event: event.clone(), writer, seq });
        }
        appended
    }

    /// The rows in the order of export, with the writer that the lake has.
    fn rows(&self, writer: u64) -> Vec<Stored> {
        let mut rows = self.rows.clone();
        for row in &mut rows {
            row.writer = writer;
            row.event.id.get_or_insert_with(|| own_id(writer, row.seq));
        }
        rows.sort_by_key(|row| (row.event.site.clone(), row.event.visitor, row.event.ts, row.seq));
        rows
    }
}

pub(crate) async fn check(steps: &[Step], options: &Options) {
    let folder = tempfile::tempdir().unwrap();
    let open = async || Lake::open(folder.path(), options.clone()).await.unwrap();
    let mut lake = open().await;
    let mut model = Model::default();
    for step in steps {
        match *step {
            Step::Append { site, first, count, ids } => {
                let site = if site { "a.example" } else { "b.example" };
                let make = if ids.is_some() { event_with_id } else { event };
                let batch: Vec<_> = (first..first + count).map(|n| make(site, n)).collect();
                let expected = model.append(&lake, &batch);
                let kind = if ids == Some(true) { Ids::Ledger } else { Ids::Window };
                assert_eq!(lake.append(batch, kind).await.unwrap(), expected);
            }
            Step::Seal => lake.seal().await.unwrap(),
            Step::Compact => {
                lake.compact().await.unwrap();
            }
            Step::Crash => {
                drop(lake);
                lake = open().await;
            }
            Step::Close => {
                lake.close().await.unwrap();
                lake = open().await;
            }
        }
        compare(&lake, &model);
    }
}

fn compare(lake: &Lake, model: &Model) {
    let view = lake.view();
    let found = all(&view);
    let writer = found.first().map_or(0, |row| row.writer);
    assert_eq!(found, model.rows(writer));
    assert_eq!(view.rows(None), found.len() as u64);
    for site in view.sites() {
        let times: Vec<Micros> =
            found.iter().filter(|r| r.event.site == site).map(|r| r.event.ts).collect();
        let range = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
        assert_eq!(view.time_range(&site), Some(range));
        assert_eq!(view.rows(Some(&site)), times.len() as u64);
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn appends_seals_and_restarts_in_any_order_keep_every_row_once(steps in steps()) {
        runtime().block_on(check(&steps, &options()));
    }
}

/// Paths by (visitor, ts, seq) that a scan gives, and how many runs it took.
fn scanned(lake: &Lake, scan: &Scan) -> BTreeMap<(u64, i64, u64), Option<String>> {
    let mut rows = BTreeMap::new();
    for mut run in lake.view().runs(scan).unwrap() {
        let mut last = None;
        while let Some(block) = run.next_block().unwrap() {
            assert!(block.len() > 0);
            let Values::Text { codes, dictionary } = &block.columns[0] else { panic!("text") };
            for (row, visitor) in block.visitors.each().enumerate() {
                let key = (visitor, block.ts[row], block.arrival.of(row).unwrap().0);
                assert!(last < Some(key), "{last:?} before {key:?}");
                last = Some(key);
                let code = codes[row];
                let path = (code != Values::NULL).then(|| dictionary.value(code as usize).into());
                assert_eq!(rows.insert(key, path), None);
            }
        }
    }
    rows
}

#[tokio::test]
async fn a_scan_gives_the_rows_of_its_site_visitors_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    for part in 0..3 {
        for site in ["a.example", "b.example"] {
            let batch = (part * 1000..part * 1000 + 1000).map(|n| event(site, n)).collect();
            lake.append(batch, Ids::Window).await.unwrap();
        }
        if part < 2 {
            lake.seal().await.unwrap();
        }
    }
    let rows = all(&lake.view());
    let half = u64::MAX / 2;
    let middle = Micros(1_767_225_600_000_000 + 500 * 601_000_001);
    for visitors in [0..=u64::MAX, 0..=half, half + 1..=u64::MAX] {
        for (from, until) in [(None, None), (Some(middle), None), (None, Some(middle))] {
            let scan = Scan {
                from,
                until,
                visitors: visitors.clone(),
                ..Scan::new("b.example", &[Column::Title])
            };
            let expected: BTreeMap<_, _> = rows
                .iter()
                .filter(|row| row.event.site == "b.example")
                .filter(|row| visitors.contains(&row.event.visitor.0))
                .filter(|row| from.is_none_or(|from| row.event.ts >= from))
                .filter(|row| until.is_none_or(|until| row.event.ts < until))
                .map(|row| {
                    let title = row.event.title.as_ref().map(ToString::to_string);
                    ((row.event.visitor.0, row.event.ts.0, row.seq), title)
                })
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(scanned(&lake, &scan), expected);
        }
    }
    assert!(scanned(&lake, &Scan::new("c.example", &[Column::Title])).is_empty());
}

#[tokio::test]
async fn a_view_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    let before = lake.view();
    lake.append(vec![event("a", 2)], Ids::Window).await.unwrap();
    let between = lake.view();
    lake.seal().await.unwrap();
    assert_eq!(all(&before).len(), 1);
    assert_eq!(all(&between).len(), 2);
    assert_eq!(all(&between), all(&lake.view()));
    assert_ne!(between.position(), lake.view().position());
}

#[tokio::test]
async fn a_seal_with_nothing_hot_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let before = lake.view().position();
    lake.seal().await.unwrap();
    assert_eq!(lake.view().position(), before);
    assert_eq!(lake.append(vec![], Ids::Window).await.unwrap(), Appended::default());
    drop(lake);
    let other = Lake::open(folder.path(), options()).await.unwrap();
    assert_eq!(other.view().position(), before);
}
