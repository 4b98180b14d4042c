//! Erasure: no byte of the person is left, everybody else's rows are, and nothing brings the person back.

use std::{path::Path, time::Duration};

use sqlx::Connection;
use wayfarer_event::{Event, Micros, VisitorId};
use wayfarer_lake::{Appended, Ids, Lake, Options, Person, Selection, Stored};

use crate::support::{all, event, event_with_id, open};

const SITE: &str = "a.example";

fn sites() -> Vec<String> {
    vec![SITE.to_owned()]
}
const MARY: VisitorId = VisitorId(0xfeed_face_cafe_beef);

/// What Mary does: before she logs in, and after. Each word of hers is found nowhere else.
fn mary(n: u64, user: bool) -> Event {
    Event {
        visitor: MARY,
        user: user.then(|| "zz-mary-the-user".into()),
        id: Some(format!("zz-mary-id-{n}").into()),
        path: Some(format!("/zz-mary-path/{n}").into()),
        props: Some(r#"{"note":"zz-mary-note"}"#.into()),
        ..event_with_id(SITE, n)
    }
}

/// Another user of the same browser.
fn john(n: u64) -> Event {
    Event { visitor: MARY, user: Some("john".into()), ..event_with_id(SITE, 1000 + n) }
}

/// The files below a folder that hold these bytes.
pub(crate) fn traces(folder: &Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            traces(&path, needle, found);
        } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|w| w == needle) {
            found.push(path.display().to_string());
        }
    }
}

fn traces_of_mary(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    traces(folder, b"zz-mary", &mut found);
    // Her visitor as it lies in Parquet, in statistics of row groups, and in the catalog's text.
    traces(folder, &MARY.0.to_le_bytes(), &mut found);
    traces(folder, MARY.0.to_string().as_bytes(), &mut found);
    found
}

/// Mary's rows in a compacted file, in sealed ones, and hot, among those of others.
async fn lake_with_mary(folder: &Path) -> Lake {
    let lake = open(folder).await;
    for part in 0..4 {
        let mut batch: Vec<Event> =
            (part * 30..part * 30 + 30).map(|n| event_with_id(SITE, n)).collect();
        batch.extend((0..5).map(|n| mary(part * 5 + n, part > 0)));
        lake.append(batch, Ids::Window).await.unwrap();
        match part {
            0 | 2 => lake.seal().await.unwrap(),
            1 => drop(lake.compact().await.unwrap()),
            _ => {}
        }
    }
    lake
}

fn others(rows: &[Stored]) -> Vec<Stored> {
    let hers = |row: &&Stored| !row.event.id.as_ref().unwrap().starts_with("zz-mary");
    rows.iter().filter(hers).cloned().collect()
}

#[tokio::test]
async fn a_user_is_erased_with_what_came_before_the_log_in_and_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_with_mary(folder.path()).await;
    let before = all(&lake.view());
    assert!(traces_of_mary(folder.path()).len() > 3, "there is something to erase");
    let person = Person::User("zz-mary-the-user".into());
    let erased = lake.erase(&sites(), &person).await.unwrap();
    assert_eq!((erased.rows, erased.visitors, erased.ids, erased.wal_segments), (20, 1, 20, 1));
    assert!(erased.snapshots > 0, "{erased:?}");
    assert_eq!(all(&lake.view()), others(&before));
    assert_eq!(traces_of_mary(folder.path()), [""; 0]);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    drop(lake);

    // A spool sends her old events again, after a restart; what she does later is another matter.
    let lake = open(folder.path()).await;
    let spool =
        vec![mary(1, false), mary(7, true), event_with_id(SITE, 3), event_with_id(SITE, 999)];
    let appended = lake.append(spool, Ids::Window).await.unwrap();
    assert_eq!(appended, Appended { stored: 1, duplicates: 1, declined: 2 });
    assert_eq!(traces_of_mary(folder.path()), [""; 0]);
    let later = Event { ts: Micros(erased.erased_at + 1), ..mary(50, true) };
    assert_eq!(lake.append(vec![later], Ids::Window).await.unwrap().stored, 1);
}

#[tokio::test]
async fn another_user_of_the_same_browser_stays_unless_the_visitor_is_erased() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let batch = vec![mary(1, true), mary(2, false), john(1)];
    lake.append(batch, Ids::Window).await.unwrap();
    lake.erase(&sites(), &Person::User("zz-mary-the-user".into())).await.unwrap();
    let rows = all(&lake.view());
    assert_eq!(
        rows.iter().map(|row| row.event.user.as_deref()).collect::<Vec<_>>(),
        [Some("john")]
    );
    assert_eq!(lake.append(vec![john(2)], Ids::Window).await.unwrap().stored, 1);
    let erased = lake.erase(&sites(), &Person::Visitor(MARY)).await.unwrap();
    assert_eq!((erased.rows, erased.visitors), (2, 1));
    assert!(all(&lake.view()).is_empty());
    assert_eq!(lake.append(vec![john(3)], Ids::Window).await.unwrap().declined, 1);
    let elsewhere = Event { site: "b.example".into(), ..john(3) };
    assert_eq!(lake.append(vec![elsewhere], Ids::Window).await.unwrap().stored, 1);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn a_person_is_erased_from_several_sites_at_once_and_from_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let of = |site: &str| Event { site: site.into(), ..mary(1, true) };
    lake.append(vec![of("a.example"), of("b.example"), of("c.example")], Ids::Window)
        .await
        .unwrap();
    let person = Person::User("zz-mary-the-user".into());
    let erased =
        lake.erase(&["a.example".to_owned(), "b.example".to_owned()], &person).await.unwrap();
    assert_eq!((erased.rows, erased.visitors, erased.files), (2, 2, 1));
    assert_eq!(lake.view().sites(), ["c.example"]);
    let again = vec![of("a.example"), of("b.example"), of("c.example")];
    let appended = lake.append(again, Ids::Window).await.unwrap();
    assert_eq!(appended, Appended { stored: 0, duplicates: 1, declined: 2 });
}

/// What an erasure of the same person takes, an export gives before.
#[tokio::test]
async fn an_export_of_a_person_is_what_an_erasure_takes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_with_mary(folder.path()).await;
    lake.append(vec![john(1), john(2)], Ids::Window).await.unwrap();
    let select = |selection: &Selection| -> Vec<Stored> {
        lake.view().select(selection).unwrap().map(Result::unwrap).collect()
    };
    let user = Person::User("zz-mary-the-user".into());
    let hers = Selection { person: Some(user.clone()), ..Selection::default() };
    let rows = select(&hers);
    assert_eq!(rows.len(), 20);
    assert!(rows.iter().all(|row| row.event.id.as_ref().unwrap().starts_with("zz-mary")));
    let middle = rows[10].event.ts;
    let late = Selection { from: Some(middle), ..hers.clone() };
    let early = Selection { until: Some(middle), ..hers.clone() };
    let both = [select(&early), select(&late)].concat();
    assert_eq!(both, rows, "sorted by time within the one visitor");
    let elsewhere = Selection { site: Some("b.example".into()), ..hers.clone() };
    assert_eq!(select(&elsewhere), []);
    let browser = Selection { person: Some(Person::Visitor(MARY)), ..Selection::default() };
    assert_eq!(select(&browser).len(), 22, "with what John did");
    lake.erase(&sites(), &user).await.unwrap();
    assert_eq!(select(&hers), []);
    assert_eq!(select(&browser).len(), 2);
}

#[tokio::test]
async fn erasing_nobody_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_with_mary(folder.path()).await;
    let before = all(&lake.view());
    let erased = lake.erase(&sites(), &Person::User("nobody".into())).await.unwrap();
    assert_eq!((erased.rows, erased.visitors, erased.files), (0, 0, 0));
    assert_eq!(all(&lake.view()), before);
}

/// Files that come every few milliseconds, and merges that never catch up with them, stand back while somebody is erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_does_not_wait_for_files_that_keep_coming() {
    let folder = tempfile::tempdir().unwrap();
    let often = Options {
        seal_after: Duration::from_millis(1),
        compact_after: Duration::from_millis(1),
        ..Options::default()
    };
    let lake = Lake::open(folder.path(), often).await.unwrap();
    lake.append((0..200).map(|n| mary(n, true)).collect(), Ids::Window).await.unwrap();
    let sending = {
        let lake = lake.clone();
        tokio::spawn(async move {
            for n in 0.. {
                lake.append(vec![event_with_id(SITE, n)], Ids::Window).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    while lake.status().counts.merges < 3 {
        tokio::task::yield_now().await;
    }
    for n in 0..5 {
        lake.append(vec![mary(1000 + n, true)], Ids::Window).await.unwrap();
        let before = lake.status().counts;
        let person = Person::User("zz-mary-the-user".to_owned());
        lake.erase(&sites(), &person).await.unwrap();
        let after = lake.status().counts;
        // It seals four times itself, and the one that was going on comes to its end, as does a merge.
        let (seals, merges) = (after.seals - before.seals, after.merges - before.merges);
        assert!(seals <= 6 && merges <= 2, "{seals} seals and {merges} merges came between");
    }
    sending.abort();
}

/// A program that reads the catalog keeps its old pages, which may name the person: then it is not said that all is gone.
#[tokio::test]
async fn an_erasure_beside_a_long_reader_of_the_catalog_says_that_it_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    let catalog = format!("sqlite://{}", folder.path().join("lake.sqlite").display());
    let mut reader = sqlx::SqliteConnection::connect(&catalog).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    sqlx::query("SELECT * FROM ducklake_snapshot").fetch_all(&mut *reading).await.unwrap();
    let person = Person::Visitor(event("a", 1).visitor);
    let error = lake.erase(&["a".to_owned()], &person).await.unwrap_err();
    assert_eq!(error.kind(), wayfarer_lake::ErrorKind::Busy, "{error}");
    assert!(error.to_string().contains("reads the catalog"), "{error}");
    drop(reading);
    lake.erase(&["a".to_owned()], &person).await.unwrap();
}
