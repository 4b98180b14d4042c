//! Files: the laws, the form of a file, what a crash and a stranger leave in the folder, and Django in the same one.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    CookieChange, CookieKeys, Created, DjangoFileOptions, DjangoFileStore, Durability, Expiry,
    FileStore, Outcome, Raw, Record, SessionManager, SessionStore, StoreErrorKind, StoreKey,
    conformance,
    django::{DjangoCodec, DjangoKeys, SALT},
};

const SECRET: &str = "test-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz";
const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

fn codec(secret: &str) -> DjangoCodec {
    DjangoCodec::new(&DjangoKeys::new(secret).unwrap(), SALT).unwrap()
}

fn django(folder: &Path) -> DjangoFileStore {
    DjangoFileStore::open(folder, &codec(SECRET), DjangoFileOptions::default()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn record(text: &str, expires_at: Timestamp) -> Record {
    Record { data: text.as_bytes().into(), expires_at, subject: None, user: None }
}

/// The laws that are left out on this store.
async fn left_out(name: &str, store: &dyn SessionStore) -> Vec<&'static str> {
    let report = conformance::run(store).await;
    report.note(name).assert_kept();
    let left_out = report.0.iter().filter(|(_, v)| *v != conformance::Verdict::Kept);
    left_out.map(|(name, _)| *name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_law_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made").join("when/needed");
    assert_eq!(left_out("FileStore", &FileStore::open(&path).unwrap()).await, [""; 0]);
    let quick = FileStore::with_durability(&path, Durability::Normal).unwrap();
    assert_eq!(left_out("FileStore", &quick).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn djangos_files_keep_every_law_that_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let promised = [
        "subject_and_user_are_kept",
        "a_users_live_sessions_are_listed",
        "a_deleted_key_stays_taken",
        "a_rotated_key_stays_taken",
    ];
    assert_eq!(left_out("DjangoFileStore", &django(folder.path())).await, promised);
}

#[tokio::test]
async fn no_key_leads_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, now) = (folder.path().join("inside"), Timestamp::now());
    let later = now + SignedDuration::from_hours(1);
    fs::write(folder.path().join("victim"), "untouched").unwrap();
    let stores: [Box<dyn SessionStore>; 2] =
        [Box::new(FileStore::open(&inside).unwrap()), Box::new(django(&inside))];
    for store in stores {
        for key in [
            "../victim",
            "a/../../victim",
            "/etc/passwd",
            "ABCDEFGHIJ",
            "a.b",
            "a\0b",
            "é",
            "",
            "a",
        ] {
            let key = StoreKey::new(key);
            assert!(store.load(&key, now).await.unwrap().is_none());
            let error = store.create(&key, &record("x", later), now).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(!error.to_string().contains("victim"));
            let _ = store.delete(&key, now).await.unwrap();
        }
    }
    assert_eq!(fs::read_to_string(folder.path().join("victim")).unwrap(), "untouched");
}

#[tokio::test]
async fn what_is_not_ours_is_unreadable_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let (key, now) = (StoreKey::new(KEY), Timestamp::now());
    let place = folder.path().join("01").join(KEY);
    fs::create_dir(folder.path().join("01")).unwrap();
    for bad in ["", "1", "2{}\n", "1{}\n", "1{\"expires_at\":\"soon\"}\n", "1{\"expires_at\":1}"] {
        fs::write(&place, bad).unwrap();
        let error = store.load(&key, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{bad}");
        let expected = wayfarer_session::Version::number(1);
        let error = store.save(&key, &record("x", now), &expected, now).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unreadable, "{bad}");
        assert_eq!(store.create(&key, &record("x", now), now).await.unwrap(), Created::Taken);
        assert_eq!(store.purge(9, Timestamp::MAX).await.unwrap(), 0);
        assert!(store.list("42", 9, now).await.unwrap().is_empty());
        assert_eq!(fs::read_to_string(&place).unwrap(), bad);
    }
    File::create(&place).unwrap().set_len(1 << 30).unwrap();
    let error = store.load(&key, now).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
}

#[tokio::test]
async fn what_a_crash_leaves_is_written_over_or_purged() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let (key, now) = (StoreKey::new(KEY), Timestamp::now());
    fs::create_dir(folder.path().join("01")).unwrap();
    let half = folder.path().join("01").join(format!("{KEY}_out_wayfarer"));
    fs::write(&half, "1{\"vers").unwrap();
    assert!(store.load(&key, now).await.unwrap().is_none());
    assert_eq!(store.purge(9, now).await.unwrap(), 0);
    assert!(!half.exists());
    fs::write(&half, "1{\"vers").unwrap();
    let later = now + SignedDuration::from_hours(1);
    let _ = store.create(&key, &record("x", later), now).await.unwrap();
    assert!(!half.exists());
    assert_eq!(&*store.load(&key, now).await.unwrap().unwrap().record.data, b"x");
}

#[tokio::test]
async fn a_purge_goes_on_where_it_stopped_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::with_durability(folder.path(), Durability::Normal).unwrap();
    let now = at(1_767_225_600);
    for n in 0..40 {
        let end = if n % 2 == 0 { now } else { now + SignedDuration::from_hours(1) };
        let key = StoreKey::new(format!("{n:02}{KEY}"));
        let _ = store.create(&key, &record("x", end), now).await.unwrap();
    }
    let mut batches = vec![store.purge(7, now).await.unwrap()];
    // One that comes in front of where the purge stopped is met on the way round.
    let early = StoreKey::new(format!("00{KEY}a"));
    let _ = store.create(&early, &record("x", now), now).await.unwrap();
    for _ in 0..4 {
        batches.push(store.purge(7, now).await.unwrap());
    }
    assert_eq!(batches, [7, 7, 7, 0, 0]);
    let page = store.scan(None, 99, now).await.unwrap();
    assert_eq!((page.sessions.len(), page.next), (20, None));
}

/// Two stores on one folder are two processes to each other: they share nothing but the files.
#[tokio::test(flavor = "multi_thread")]
async fn writers_of_several_processes_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let managers: Vec<_> = (0..4)
        .map(|_| {
            let store = FileStore::with_durability(folder.path(), Durability::Normal).unwrap();
            let keys = CookieKeys::new(&[7; 32]).unwrap();
            SessionManager::builder(store).cookie_keys(keys).build().unwrap()
        })
        .collect();
    let session = managers[0].open(None);
    session.insert("n", 0).await.unwrap();
    let CookieChange::Set { value: cookie, .. } =
        session.finish(Outcome::Keep).await.unwrap().cookie
    else {
        panic!("no cookie");
    };
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..60 {
        let session = managers[n % managers.len()].open(Some(&cookie));
        writers.spawn(async move {
            session.insert(&format!("key {n}"), n).await.unwrap();
            session.modify("n", |n: Option<u32>| n.unwrap_or_default() + 1).await.unwrap();
            let _ = session.finish(Outcome::Keep).await.unwrap();
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let session = managers[0].open(Some(&cookie));
    assert_eq!(session.get::<u32>("n").await.unwrap(), Some(60));
    assert_eq!(session.keys().await.unwrap().len(), 61);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_as_django_makes_it() {
    use std::os::unix::fs::PermissionsExt as _;
    const A_IS_1: &str = "eyJhIjoxfQ:1vb66i:HArqcfhj3FC082WZEQiyrJ0nQb6mKVbE0Ylpjo2xOVg";
    let folder = tempfile::tempdir().unwrap();
    let (store, now) = (django(folder.path()), at(1_767_225_600));
    let end = now + SignedDuration::from_secs(1_209_600);
    let _ = store.create(&StoreKey::new(KEY), &record(A_IS_1, end), now).await.unwrap();
    let path = folder.path().join(format!("sessionid{KEY}"));
    assert_eq!(fs::read_to_string(&path).unwrap(), A_IS_1);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(Timestamp::try_from(metadata.modified().unwrap()).unwrap(), now);
}

#[tokio::test]
async fn a_key_that_django_refuses_opens_nothing_and_is_not_taken_on() {
    let folder = tempfile::tempdir().unwrap();
    let manager = SessionManager::builder(django(folder.path())).django(codec(SECRET));
    let manager = manager.build().unwrap();
    for key in ["../etc/passwd", "ABCDEFGHIJ"] {
        let session = manager.open(Some(key));
        assert!(session.is_empty().await.unwrap());
        session.insert("a", 1).await.unwrap();
        let change = session.finish(Outcome::Keep).await.unwrap().cookie;
        assert!(matches!(change, CookieChange::Set { value, .. } if value != key));
    }
}

/// When a session that was written `now` with this entry is dead.
async fn is_live(entry: Option<Raw>, now: Timestamp, then: Timestamp) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let json = entry.map(|raw| format!("{{\"_session_expiry\":{}}}", raw.as_str()));
    let text = codec(SECRET).encode(json.as_deref().unwrap_or("{}"), now);
    let path = folder.path().join(format!("sessionid{KEY}"));
    fs::write(&path, text).unwrap();
    File::options().append(true).open(path).unwrap().set_modified(now.into()).unwrap();
    django(folder.path()).load(&StoreKey::new(KEY), then).await.unwrap().is_some()
}

#[tokio::test]
async fn a_file_ends_when_it_says() {
    let now = at(1_767_225_600);
    let iso = || Some(Raw::new("2026-01-01T01:00:00+00:00").unwrap());
    assert!(is_live(iso(), now, at(1_767_229_199)).await);
    assert!(!is_live(iso(), now, at(1_767_229_201)).await);
    for entry in [None, Some(Raw::new(&0).unwrap())] {
        assert!(!is_live(entry, now, at(1_768_435_200)).await, "two weeks after it was written");
    }
    // Django never ends this one; here it ends when it says.
    let minute = || Some(Raw::new(&60).unwrap());
    assert!(is_live(minute(), now, now + SignedDuration::from_secs(59)).await);
    assert!(!is_live(minute(), now, now + SignedDuration::from_secs(60)).await);
}

#[tokio::test]
async fn an_empty_file_is_a_session_that_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("sessionid{KEY}")), "").unwrap();
    let manager = SessionManager::builder(django(folder.path())).django(codec(SECRET));
    let session = manager.build().unwrap().open(Some(KEY));
    assert!(session.keys().await.unwrap().is_empty());
    session.insert("a", 1).await.unwrap();
    let change = session.finish(Outcome::Keep).await.unwrap().cookie;
    assert!(matches!(change, CookieChange::Set { value, .. } if value == KEY));
}

mod real {
    use super::*;

    /// Runs `code` in a Django project with its sessions in this folder, with `S(key)` as its store.
    fn run(python: &Path, folder: &Path, code: &str) -> String {
        let program = format!(
            r#"
import django, math
from django.conf import settings
settings.configure(SECRET_KEY={SECRET:?}, USE_TZ=True, INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.file", SESSION_FILE_PATH={folder:?})
django.setup()
from django.contrib.sessions.backends.file import SessionStore as S
{code}
"#
        );
        let output = Command::new(python).args(["-c", &program]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[tokio::test]
    async fn django_and_we_read_and_write_the_same_files() {
        let python = wayfarer_testkit::python(&["django"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let manager = SessionManager::builder(django(folder.path())).django(codec(SECRET));
        let manager = manager.build().unwrap();

        let key = run(
            &python,
            folder.path(),
            r#"
s = S(); s["name"] = "Zoë"; s["odd"] = [math.nan, 10**30, "\ud800"]; s["long"] = "x" * 500
s.set_expiry(3600); s.create(); s.save(); print(s.session_key)"#,
        );
        let session = manager.open(Some(&key));
        assert_eq!(session.get::<String>("name").await.unwrap().as_deref(), Some("Zoë"));
        assert_eq!(session.expiry().await.unwrap(), Expiry::Seconds(3600));
        session.insert("ours", vec!["é"]).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();

        let read = run(
            &python,
            folder.path(),
            &format!(
                r#"
s = S({key:?}); assert s["ours"] == ["é"] and s["long"] == "x" * 500, dict(s.items())
odd = s["odd"]; assert math.isnan(odd[0]) and odd[1:] == [10**30, "\ud800"], odd
s["back"] = True; s.save(); print(s["name"].encode())"#
            ),
        );
        assert_eq!(read, "b'Zo\\xc3\\xab'");
        let session = manager.open(Some(&key));
        assert_eq!(session.get::<bool>("back").await.unwrap(), Some(true));

        // We log out, and Django finds nothing; Django logs out, and we find nothing.
        session.flush().await.unwrap();
        let gone = run(
            &python,
            folder.path(),
            &format!("print(S({key:?}).get('name'), S().exists({key:?}))"),
        );
        assert_eq!(gone, "None False");
        let session = manager.open(None);
        session.insert("hello", 1).await.unwrap();
        let CookieChange::Set { value, .. } = session.finish(Outcome::Keep).await.unwrap().cookie
        else {
            panic!("no cookie");
        };
        let late = manager.open(Some(&value));
        late.insert("late", 1).await.unwrap();
        let hello = format!("s = S({value:?}); print(s['hello']); s.flush()");
        assert_eq!(run(&python, folder.path(), &hello), "1");
        assert!(late.finish(Outcome::Keep).await.is_err(), "a late save revives nothing");
        assert!(manager.open(Some(&value)).is_empty().await.unwrap());

        // Django's own purge meets our files and forgets those that ran out.
        let session = manager.open(None);
        session.insert("old", 1).await.unwrap();
        session.set_expiry(Expiry::At(Timestamp::now() + Duration::from_millis(5))).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();
        run(&python, folder.path(), "S.clear_expired()");
        let files = fs::read_dir(folder.path()).unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.starts_with("sessionid").then_some(name)
        });
        assert_eq!(files.count(), 0);
    }
}
