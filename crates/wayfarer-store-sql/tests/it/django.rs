//! Django's table: the laws, the table as Django makes it, and real Django reading and writing beside us where there is one.

use std::{path::Path, process::Command};

use sqlx::{Connection, SqliteConnection};
use wayfarer_session::{
    CookieChange, ErrorKind, Expiry, Outcome, Raw, SessionManager, conformance,
    django::{DjangoCodec, DjangoKeys, SALT},
};
use wayfarer_store_sql::{DjangoSqliteStore, SqliteOptions};

const SECRET: &str = "a-secret-key-of-a-project-that-never-was";

async fn open(folder: &Path) -> DjangoSqliteStore {
    let path = folder.join("db.sqlite3");
    DjangoSqliteStore::open(&path, SqliteOptions::default()).await.unwrap()
}

async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnection::connect(folder.join("db.sqlite3").to_str().unwrap()).await.unwrap()
}

fn manager(store: DjangoSqliteStore) -> SessionManager {
    let codec = DjangoCodec::new(&DjangoKeys::new(SECRET).unwrap(), SALT).unwrap();
    SessionManager::builder(store).django(codec).build().unwrap()
}

#[tokio::test]
async fn every_law_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let report = conformance::run(&open(folder.path()).await).await;
    report.assert_kept();
    let left_out = report.0.iter().filter(|(_, v)| *v != conformance::Verdict::Kept);
    let left_out: Vec<_> = left_out.map(|(name, _)| *name).collect();
    let promised = [
        "subject_and_user_are_kept",
        "a_users_live_sessions_are_listed",
        "a_deleted_key_stays_taken",
        "a_rotated_key_stays_taken",
    ];
    assert_eq!(left_out, promised);
}

#[tokio::test]
async fn the_table_is_made_as_django_makes_it_and_noted_where_django_notes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    std::fs::write(&path, "").unwrap();
    sqlx::query("CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app, name, applied)")
        .execute(&mut raw(folder.path()).await)
        .await
        .unwrap();
    for _ in 0..2 {
        open(folder.path()).await.close().await;
    }
    let noted: Vec<(String, String)> = sqlx::query_as("SELECT app, name FROM django_migrations")
        .fetch_all(&mut raw(folder.path()).await)
        .await
        .unwrap();
    assert_eq!(noted, [("sessions".to_owned(), "0001_initial".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_session_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let key = "0123456789abcdefghijklmnopqrstuv";
    sqlx::query(
        "INSERT INTO django_session VALUES (?, 'foreign:1vb66i:signed', '2999-01-01 00:00:00')",
    )
    .bind(key)
    .execute(&mut raw(folder.path()).await)
    .await
    .unwrap();
    let session = manager(store).open(Some(key));
    assert!(session.is_empty().await.unwrap());
    session.insert("a", 1).await.unwrap();
    let CookieChange::Set { value, .. } = session.finish(Outcome::Keep).await.unwrap().cookie
    else {
        panic!("no cookie");
    };
    assert_ne!(value, key);
    let kept: String =
        sqlx::query_scalar("SELECT session_data FROM django_session WHERE session_key = ?")
            .bind(key)
            .fetch_one(&mut raw(folder.path()).await)
            .await
            .unwrap();
    assert_eq!(kept, "foreign:1vb66i:signed");
}

#[tokio::test]
async fn a_session_that_django_deleted_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(open(folder.path()).await);
    let session = manager.open(None);
    session.insert("a", 1).await.unwrap();
    let CookieChange::Set { value, .. } = session.finish(Outcome::Keep).await.unwrap().cookie
    else {
        panic!("no cookie");
    };
    let session = manager.open(Some(&value));
    session.insert("b", 2).await.unwrap();
    sqlx::query("DELETE FROM django_session").execute(&mut raw(folder.path()).await).await.unwrap();
    let error = session.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

/// Runs `code` in a Django project on this database, with `S(key)` as its session store, and gives what it prints.
fn django(python: &Path, folder: &Path, code: &str) -> String {
    let database = folder.join("db.sqlite3");
    let program = format!(
        r#"
import django, json, math
from django.conf import settings
settings.configure(
    SECRET_KEY={SECRET:?}, USE_TZ=True, INSTALLED_APPS=["django.contrib.sessions"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database:?}}}}})
django.setup()
from django.contrib.sessions.backends.db import SessionStore as S
{code}
"#
    );
    let output = Command::new(python).args(["-c", &program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

mod real {
    use super::*;

    #[tokio::test]
    async fn django_and_we_read_and_write_the_same_sessions() {
        let python = wayfarer_testkit::python(&["django"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let manager = manager(open(folder.path()).await);

        // Django writes; we read, change another key, and leave what only Python can say as it was.
        let key = django(
            &python,
            folder.path(),
            r#"
s = S(); s["name"] = "Zoë"; s["odd"] = [math.nan, 10**30, "\ud800", 1e16]; s["cart"] = {"1": 2}
s["long"] = "x" * 500; s.set_expiry(3600); s.create(); s.save(); print(s.session_key)"#,
        );
        let session = manager.open(Some(&key));
        assert_eq!(session.get::<String>("name").await.unwrap().as_deref(), Some("Zoë"));
        assert_eq!(session.expiry().await.unwrap(), Expiry::Seconds(3600));
        session.insert("ours", vec!["é"]).await.unwrap();
        session.insert_raw("raw", Raw::from_json("[Infinity]").unwrap()).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();

        let read = django(
            &python,
            folder.path(),
            &format!(
                r#"
s = S({key:?}); assert s["ours"] == ["é"] and s["raw"] == [math.inf] and s["long"] == "x" * 500
odd = s["odd"]; assert math.isnan(odd[0]) and odd[1:] == [10**30, "\ud800", 1e16], odd
assert list(s.keys())[:5] == ["name", "odd", "cart", "long", "_session_expiry"], list(s.keys())
assert s.get_expiry_age() == 3600; s["back"] = True; s.save(); print(s["name"])"#
            ),
        );
        assert_eq!(read, "Zoë");
        let session = manager.open(Some(&key));
        assert_eq!(session.get::<bool>("back").await.unwrap(), Some(true));

        // We log out; Django finds nothing, and neither end brings it back.
        session.flush().await.unwrap();
        let gone = django(
            &python,
            folder.path(),
            &format!("s = S({key:?}); print(s.get('name'), s.session_key, S().exists({key:?}))"),
        );
        assert_eq!(gone, "None None False");

        // A key that we drew is one that Django takes.
        let session = manager.open(None);
        session.insert("hello", 1).await.unwrap();
        let CookieChange::Set { value, .. } = session.finish(Outcome::Keep).await.unwrap().cookie
        else {
            panic!("no cookie");
        };
        let hello = django(&python, folder.path(), &format!("print(S({value:?})['hello'])"));
        assert_eq!(hello, "1");
    }
}
