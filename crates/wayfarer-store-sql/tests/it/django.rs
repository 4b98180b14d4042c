//! Django's table: the laws, the table as Django makes it, and real Django reading and writing beside us where there is one.

use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use wayfarer_session::{CookieChange, ErrorKind, Outcome, Raw, conformance};
use wayfarer_store_sql::{DjangoSqliteStore, SqliteOptions};

use crate::common::django;

async fn open(folder: &Path) -> DjangoSqliteStore {
    let path = folder.join("db.sqlite3");
    DjangoSqliteStore::open(&path, SqliteOptions::default()).await.unwrap()
}

async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnection::connect(folder.join("db.sqlite3").to_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn every_law_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let report = conformance::run(&open(folder.path()).await).await;
    report.note("DjangoSqliteStore").assert_kept();
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
    let session = django(store).open(Some(key));
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
    let manager = django(open(folder.path()).await);
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

mod real {
    use super::*;

    #[tokio::test]
    async fn django_and_we_share_sessions() {
        let folder = tempfile::tempdir().unwrap();
        let settings = wayfarer_testkit::django::sqlite(&folder.path().join("db.sqlite3"));
        let project = wayfarer_testkit::django::project(&[], "db", &settings).unwrap();
        let manager = django(open(folder.path()).await);
        wayfarer_testkit::django::both_ways(&project, &manager).await.unwrap();
    }

    /// Half of a character, which no Rust string holds, and an infinite number of ours.
    #[tokio::test]
    async fn what_only_python_can_say_is_kept_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let settings = wayfarer_testkit::django::sqlite(&folder.path().join("db.sqlite3"));
        let project = wayfarer_testkit::django::project(&[], "db", &settings).unwrap();
        let manager = django(open(folder.path()).await);
        let half = r#"s = S(); s["half"] = "\ud800"; s.create(); s.save(); print(s.session_key)"#;
        let key = project.run(half).unwrap();
        let session = manager.open(Some(&key));
        session.insert_raw("raw", Raw::from_json("[Infinity]").unwrap()).await.unwrap();
        let _ = session.finish(Outcome::Keep).await.unwrap();
        let check =
            format!(r#"s = S({key:?}); assert s["half"] == "\ud800" and s["raw"] == [math.inf]"#);
        project.run(&check).unwrap();
    }
}
