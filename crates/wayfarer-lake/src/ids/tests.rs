use std::path::Path;

use proptest::{collection::btree_set, prelude::*};
use wayfarer_event::Micros;

use super::*;
use crate::{Options, storage::Disk};

fn folder(path: &Path, window_ids: u64) -> IdFolder {
    let options = Options { window_ids, window_days: 2, ..Options::default() };
    IdFolder::new(path.to_owned(), String::new(), &options)
}

fn hot(ids: impl IntoIterator<Item = u128>, kind: Ids) -> HotIds {
    ids.into_iter().map(|id| (id, kind)).collect()
}

fn day(day: i64) -> Micros {
    Micros(day * Micros::DAY)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_id_of_every_seal_is_found_and_no_other(
        seals in prop::collection::vec(btree_set(0u128..5000, 0..900), 1..6),
    ) {
        let temp = tempfile::tempdir().unwrap();
        let folder = folder(temp.path(), u64::MAX);
        let mut files = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (index, seal) in seals.iter().enumerate() {
            let fresh: Vec<u128> = seal.iter().copied().filter(|id| seen.insert(*id)).collect();
            let stem = format!("s{index}");
            let change = folder.seal(day(1), &stem, &hot(fresh, Ids::Ledger), &files).unwrap();
            let rows: Vec<_> = change.files.iter().map(|file| file.row.clone()).collect();
            files = folder.open(&rows, &[]).unwrap();
        }
        for id in 0..5000 {
            let found = files.iter().any(|file| file.contains(id).unwrap());
            prop_assert_eq!(found, seen.contains(&id), "{}", id);
        }
    }
}

#[test]
fn small_files_merge_and_large_ones_stay() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path(), u64::MAX);
    let big = folder.seal(day(1), "a", &hot(0..10_000, Ids::Ledger), &[]).unwrap();
    let two = folder.seal(day(1), "b", &hot(20_000..20_100, Ids::Ledger), &big.files).unwrap();
    assert_eq!(two.files.len(), 2);
    let three = folder.seal(day(1), "c", &hot(30_000..30_100, Ids::Ledger), &two.files).unwrap();
    assert_eq!(three.gone, ["b.ledger"]);
    assert_eq!(three.files.iter().map(|file| file.row.ids).collect::<Vec<_>>(), [10_000, 200]);
}

#[test]
fn the_window_goes_by_days_and_by_number_and_the_ledger_never() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path(), 250);
    let ledger = folder.seal(day(1), "l", &hot(0..10, Ids::Ledger), &[]).unwrap();
    let one = folder.seal(day(1), "a", &hot(100..200, Ids::Window), &ledger.files).unwrap();
    let two = folder.seal(day(2), "b", &hot(200..300, Ids::Window), &one.files).unwrap();
    assert_eq!(two.files.len(), 3, "files of two days are not merged");
    let three = folder.seal(day(3), "c", &hot(300..400, Ids::Window), &two.files).unwrap();
    assert_eq!(three.gone, ["a.window"], "more than 250 ids");
    let late = folder.seal(day(30), "d", &hot([], Ids::Window), &three.files).unwrap();
    assert_eq!(late.files.len(), 1, "only the ledger is left");
}

#[test]
fn a_damaged_file_of_ids_is_refused_by_name() {
    let temp = tempfile::tempdir().unwrap();
    let folder = folder(temp.path(), 250);
    let made = folder.seal(day(1), "l", &hot(0..1000, Ids::Ledger), &[]).unwrap();
    let path = temp.path().join("l.ledger");
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len();
    bytes[len - 20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = IdFile::open(&Disk, temp.path(), made.added[0].clone()).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    assert!(error.to_string().contains("l.ledger"), "{error}");
}

#[test]
fn site_and_id_do_not_run_into_each_other() {
    let event =
        |site: &str, id: &str| Event { site: site.into(), id: Some(id.into()), ..Event::default() };
    assert_ne!(fingerprint(&event("ab", "c")), fingerprint(&event("a", "bc")));
    assert_eq!(fingerprint(&Event::default()), None);
}

#[test]
fn what_an_erasure_writes_again_stays_whose_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let node =
        |own: &str| IdFolder::new(temp.path().to_owned(), own.to_owned(), &Options::default());
    let (a, b) = (node("wayfarer-a-"), node("wayfarer-b-"));
    let first = b.seal(day(1), "wayfarer-b-1-0", &hot(0..10, Ids::Window), &[]).unwrap();
    let (second, forgotten) = a.forget("wayfarer-a-e0-9", &[3].into(), &first.files).unwrap();
    assert_eq!(forgotten, 1);
    let name = &second.added[0].name;
    assert!(name.starts_with(&a.own), "{name} would be tidied up by the other");
    assert!(b.is_own(name) && !a.is_own(name), "{name}");
    let (third, _) = a.forget("wayfarer-a-e1-9", &[4].into(), &second.files).unwrap();
    assert!(b.is_own(&third.added[0].name), "{}", third.added[0].name);
    let beside = a.seal(day(1), "wayfarer-a-1-2", &hot(50..60, Ids::Window), &third.files).unwrap();
    assert_eq!(beside.gone, [""; 0]);
    let merged = b.seal(day(1), "wayfarer-b-2-1", &hot(20..30, Ids::Window), &third.files).unwrap();
    assert_eq!(merged.files.iter().map(|file| file.row.ids).collect::<Vec<_>>(), [18]);
}
