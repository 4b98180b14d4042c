//! SQLite: the laws, what outlives a restart, and what is not opened.

use std::{path::Path, sync::Arc};

use sqlx::{Connection, SqliteConnection};
use wayfarer_session::{
    Capabilities, Created, Record, SessionKey, SessionStore, StoreErrorKind, StoreKey,
    SystemRandom, conformance,
};
use wayfarer_store_sql::{Durability, SqliteOptions, SqliteStore};

fn quick() -> SqliteOptions {
    let mut options = SqliteOptions::default();
    options.durability = Durability::Normal;
    options
}

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("sessions.sqlite"), quick()).await.unwrap()
}

async fn raw(folder: &Path) -> SqliteConnection {
    let path = folder.join("sessions.sqlite");
    SqliteConnection::connect(path.to_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn every_law_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    conformance::run(&store).await.note("SqliteStore").assert_kept();
    let shared: Arc<dyn SessionStore> = Arc::new(store);
    conformance::run(&shared).await.note("SqliteStore").assert_kept();
}

#[tokio::test]
async fn every_law_is_kept_with_full_durability() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    let store = SqliteStore::open(&path, SqliteOptions::default()).await.unwrap();
    conformance::run(&store).await.note("SqliteStore").assert_kept();
    assert_ne!(store.capabilities(), Capabilities::none());
}

fn record(now: jiff::Timestamp) -> Record {
    let expires_at = now + jiff::SignedDuration::from_hours(1);
    Record { data: b"{}"[..].into(), expires_at, subject: None, user: None }
}

#[tokio::test]
async fn sessions_outlive_the_process_and_no_key_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now();
    let key = SessionKey::random(&SystemRandom).unwrap();
    let store = open(folder.path()).await;
    let created = store.create(&key.at_rest(), &record(now), now).await.unwrap();
    assert!(matches!(created, Created::Stored(_)));
    store.close().await;
    let store = open(folder.path()).await;
    assert!(store.load(&key.at_rest(), now).await.unwrap().is_some());
    let names: Vec<String> = sqlx::query_scalar("SELECT key FROM wayfarer_session")
        .fetch_all(&mut raw(folder.path()).await)
        .await
        .unwrap();
    assert_eq!(names, [key.at_rest().expose()]);
}

/// A look is taken where it is asked, and never waits; the runtime has to get its turns nonetheless.
#[tokio::test]
async fn whoever_reads_and_reads_lets_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let others = tokio::spawn(async {});
    let (key, now) = (StoreKey::new("nobody"), wayfarer_session::jiff::Timestamp::now());
    for _ in 0..10_000 {
        assert!(store.load(&key, now).await.unwrap().is_none());
    }
    assert!(others.is_finished());
}

#[tokio::test]
async fn two_processes_share_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()).await, open(folder.path()).await);
    let now = jiff::Timestamp::now();
    let key = SessionKey::random(&SystemRandom).unwrap().at_rest();
    let _ = one.create(&key, &record(now), now).await.unwrap();
    let version = two.load(&key, now).await.unwrap().unwrap().version;
    let _ = two.save(&key, &record(now), &version, now).await.unwrap();
    let late = one.save(&key, &record(now), &version, now).await.unwrap();
    assert_eq!(late, wayfarer_session::Saved::Conflict);
}

#[tokio::test]
async fn a_purge_searches_by_the_index() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await;
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "EXPLAIN QUERY PLAN
         SELECT key FROM wayfarer_session WHERE expires_at <= 1 ORDER BY expires_at LIMIT 9",
    )
    .fetch_all(&mut raw(folder.path()).await)
    .await
    .unwrap();
    let plan: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].contains("USING COVERING INDEX wayfarer_session_expires_at"), "{plan:?}");
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await;
    sqlx::query("INSERT INTO wayfarer_session_schema (version) VALUES (99)")
        .execute(&mut raw(folder.path()).await)
        .await
        .unwrap();
    let path = folder.path().join("sessions.sqlite");
    let error = SqliteStore::open(&path, quick()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
    assert!(error.to_string().contains("of version 99"), "{error}");
}

#[tokio::test]
async fn a_row_that_is_not_ours_is_unreadable_not_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let now = jiff::Timestamp::now();
    let key = SessionKey::random(&SystemRandom).unwrap().at_rest();
    let _ = store.create(&key, &record(now), now).await.unwrap();
    sqlx::query("UPDATE wayfarer_session SET subject = 'nonsense'")
        .execute(&mut raw(folder.path()).await)
        .await
        .unwrap();
    let error = store.load(&key, now).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unreadable);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("sessions.sqlite");
    let error = SqliteStore::open(&path, quick()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}
