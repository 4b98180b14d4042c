//! What should not happen and does: clocks that are years off, huge values, files that vanish or are cut, disks that cannot be
//! written. Nothing panics, nothing that can be kept is lost, and the error names the place.

use std::{path::Path, process::Command};

use wayfarer_event::{Event, Micros};
use wayfarer_lake::{ErrorKind, Ids, Lake, Stored};

use crate::support::{all, event, event_with_id, open, options, own_disk, run_on_own_disk};

#[tokio::test]
async fn clocks_that_are_years_off_make_no_crowd_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let ages = [-3_000, -30, -11, -1, 0, 1, 30, 200, 7_000];
    let year = 366 * Micros::DAY;
    let mut times: Vec<i64> = ages.iter().map(|age| 1_768_176_000_000_000 + age * year).collect();
    times.extend([i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]);
    let at = |(n, ts): (usize, &i64)| Event { ts: Micros(*ts), ..event_with_id("a", n as u64) };
    let batch: Vec<Event> = times.iter().enumerate().map(at).collect();
    lake.append(batch, Ids::Window).await.unwrap();
    let hot = all(&lake.view());
    assert_eq!(hot.len(), times.len());
    lake.seal().await.unwrap();
    assert_eq!(all(&lake.view()), hot);
    lake.compact().await.unwrap();
    assert_eq!(all(&lake.view()), hot);
    // Too old, too far ahead, and the months between.
    assert!(lake.status().files <= 5, "{}", lake.status().files);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
    drop(lake);
    assert_eq!(all(&open(folder.path()).await.view()), hot);
}

#[tokio::test]
async fn ten_megabytes_of_properties_come_back_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path()).await;
    let props = format!("{{\"text\":\"{}\"}}", "页\u{1f600}\\u0000x".repeat(800_000));
    let huge = Event { props: Some(props.into()), ..event_with_id("a", 1) };
    lake.append(vec![huge.clone(), event("a", 2)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    lake.compact().await.unwrap();
    let rows = all(&lake.view());
    assert!(rows.iter().any(|row| row.event == huge));
    assert_eq!(rows.len(), 2);
}

/// Two sealed files of two sites, and the paths of both.
async fn two_files(folder: &Path) -> (Lake, Vec<std::path::PathBuf>) {
    let lake = open(folder).await;
    for site in ["a", "b"] {
        lake.append((0..50).map(|n| event(site, n)).collect(), Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
    }
    let mut files: Vec<_> = std::fs::read_dir(folder.join("lake/main/events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    (lake, files)
}

fn rows_of(lake: &Lake, site: &str) -> wayfarer_lake::Result<Vec<Stored>> {
    lake.view().export(Some(site))?.collect()
}

#[tokio::test]
async fn a_file_that_is_gone_or_cut_hides_its_own_rows_only_until_it_is_back() {
    for cut in [None, Some(0), Some(1000)] {
        let folder = tempfile::tempdir().unwrap();
        let (lake, files) = two_files(folder.path()).await;
        let before = rows_of(&lake, "a").unwrap();
        let whole = std::fs::read(&files[0]).unwrap();
        match cut {
            None => std::fs::remove_file(&files[0]).unwrap(),
            Some(len) => std::fs::write(&files[0], &whole[..len]).unwrap(),
        }
        drop(lake);
        let lake = open(folder.path()).await;
        let error = rows_of(&lake, "a").unwrap_err();
        assert!(error.to_string().contains(files[0].to_str().unwrap()), "{error}");
        assert_eq!(rows_of(&lake, "b").unwrap().len(), 50);
        // It takes events, seals them, and merges what it can read: nothing of the file is given up.
        lake.append(vec![event("b", 99)], Ids::Window).await.unwrap();
        lake.seal().await.unwrap();
        lake.compact().await.unwrap_err();
        assert_eq!(rows_of(&lake, "b").unwrap().len(), 51);
        assert_eq!(lake.check().await.unwrap().problems.len(), 1);
        std::fs::write(&files[0], &whole).unwrap();
        assert_eq!(rows_of(&lake, "a").unwrap(), before);
        lake.compact().await.unwrap();
        assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
        assert_eq!(rows_of(&lake, "a").unwrap(), before);
    }
}

#[tokio::test]
async fn a_catalog_that_is_none_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, _) = two_files(folder.path()).await;
    lake.close().await.unwrap();
    let catalog = folder.path().join("lake.sqlite");
    std::fs::write(
        &catalog,
        b"this is no database, but a letter to a friend, and long enough to be one",
    )
    .unwrap();
    let error = Lake::open(folder.path(), options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(std::fs::read(&catalog).unwrap().starts_with(b"this is no database"));
    assert_eq!(std::fs::read_dir(folder.path().join("lake/main/events")).unwrap().count(), 2);
}

fn mount(how: &[&str], data: &Path) {
    assert!(Command::new("mount").args(how).arg(data).arg(data).status().unwrap().success());
}

#[tokio::test]
async fn child() {
    let Some(disk) = own_disk() else { return };
    let data = disk.join("data");
    let lake = open(&data).await;
    lake.append(vec![event("a", 1)], Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    lake.append(vec![event("a", 2)], Ids::Window).await.unwrap();
    drop(lake);
    mount(&["--bind"], &data);
    mount(&["-o", "remount,bind,ro"], &data);
    let error = Lake::open(&data, options()).await.unwrap_err();
    assert!(error.to_string().contains(data.to_str().unwrap()), "{error}");
    // Lazily: the thread of a SQLite connection that was given up may be just about to close its file.
    assert!(Command::new("umount").arg("--lazy").arg(&data).status().unwrap().success());
    let lake = open(&data).await;
    assert_eq!(all(&lake.view()).len(), 2);
    assert_eq!(lake.check().await.unwrap().problems, [""; 0]);
}

#[test]
fn a_disk_that_cannot_be_written_is_named_and_nothing_is_lost() {
    run_on_own_disk("bad::child");
}
