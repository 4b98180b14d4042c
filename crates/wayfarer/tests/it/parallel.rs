//! Requests beside each other: nothing is lost, and nothing that ended comes back.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use futures_util::future::join_all;
use tokio::sync::Notify;
use wayfarer::{
    Session, SessionLayerBuilder,
    session::{MemoryStore, SessionStore},
};

use crate::browser::{App, sessions};

/// Sessions whose saves merge until all is merged, however slow the machine is.
fn patient(store: impl SessionStore) -> SessionLayerBuilder {
    sessions(store).save_deadline(std::time::Duration::from_secs(120))
}

/// Lets the test hold a request in the middle.
#[derive(Clone, Default)]
struct Hold {
    loaded: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn routes(hold: Hold) -> Router {
    Router::new()
        .route(
            "/set/{key}",
            get(|s: Session, Path(key): Path<String>| async move {
                s.insert(&key, 1).await.unwrap();
            }),
        )
        .route(
            "/count",
            get(|s: Session| async move {
                s.modify("n", |n: Option<u32>| n.unwrap_or(0) + 1).await.unwrap().to_string()
            }),
        )
        .route("/n", get(|s: Session| async move { format!("{:?}", s.get::<u32>("n").await) }))
        .route("/keys", get(|s: Session| async move { s.keys().await.unwrap().len().to_string() }))
        .route("/logout", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route("/cycle", get(|s: Session| async move { s.cycle_key().await.unwrap() }))
        .route(
            "/slow",
            get(|State(hold): State<Hold>, s: Session| async move {
                s.insert("slow", 1).await.unwrap();
                hold.loaded.notify_one();
                hold.go_on.notified().await;
            }),
        )
        .with_state(hold)
}

async fn each_key_survives(builder: SessionLayerBuilder, early: bool) {
    let layer = builder.early_subject(early).build().unwrap();
    let app = App::start(routes(Hold::default()).layer(layer)).await;
    let browser = app.browser();
    // With an early subject all writers meet at a session that has no row yet.
    browser.get(if early { "/keys" } else { "/set/first" }).await;
    let writers = (0..200).map(|n| {
        let browser = browser.clone();
        async move { browser.get_without_keeping(&format!("/set/k{n}")).await.status }
    });
    assert!(join_all(writers).await.iter().all(|status| *status == StatusCode::OK));
    let expected = if early { "200" } else { "201" };
    assert_eq!(browser.get("/keys").await.body, expected);
}

async fn each_step_counts(builder: SessionLayerBuilder) {
    let layer = builder.build().unwrap();
    let app = App::start(routes(Hold::default()).layer(layer)).await;
    let browser = app.browser();
    browser.get("/set/first").await;
    let writers = (0..200).map(|_| {
        let browser = browser.clone();
        async move { browser.get_without_keeping("/count").await.status }
    });
    assert!(join_all(writers).await.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(browser.get("/n").await.body, "Ok(Some(200))");
}

/// A request that loaded the session before `ending` and saves after it must not bring it back.
async fn a_late_save_stays_out(builder: SessionLayerBuilder, ending: &str) {
    let hold = Hold::default();
    let layer = builder.build().unwrap();
    let app = App::start(routes(hold.clone()).layer(layer)).await;
    let browser = app.browser();
    browser.get("/set/first").await;
    let old = browser.cookie();
    let slow = tokio::spawn({
        let browser = browser.clone();
        async move { browser.get_without_keeping("/slow").await }
    });
    hold.loaded.notified().await;
    browser.get(ending).await;
    hold.go_on.notify_one();
    let slow = slow.await.unwrap();
    assert_eq!((slow.status, slow.set_cookie()), (StatusCode::BAD_REQUEST, None));
    browser.set_cookie(old.clone());
    assert_eq!(browser.get("/keys").await.body, "0");
    browser.get("/set/other").await;
    assert_ne!(browser.cookie(), old, "an ended key is not taken on");
}

async fn all(store: impl SessionStore + Clone) {
    each_key_survives(patient(store.clone()), false).await;
    each_key_survives(patient(store.clone()), true).await;
    each_step_counts(patient(store.clone())).await;
    for early in [false, true] {
        for ending in ["/logout", "/cycle"] {
            a_late_save_stays_out(patient(store.clone()).early_subject(early), ending).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    all(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    use wayfarer::store::{Durability, SqliteOptions, SqliteStore};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.sqlite");
    let mut options = SqliteOptions::default();
    options.durability = Durability::Normal;
    all(SqliteStore::open(&path, options).await.unwrap()).await;
}

/// Django's table has no mark for what was deleted: there the session layer alone keeps an ended session from coming back,
/// by taking no unknown key on.
#[cfg(all(feature = "sqlite", feature = "django"))]
#[tokio::test(flavor = "multi_thread")]
async fn django_table() {
    use wayfarer::{
        DjangoCodec, DjangoCookie, DjangoKeys, SessionLayer,
        session::django::SALT,
        store::{DjangoSqliteStore, Durability, SqliteOptions},
    };
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::default();
    options.durability = Durability::Normal;
    let path = folder.path().join("db.sqlite3");
    let store = DjangoSqliteStore::open(&path, options).await.unwrap();
    let codec = DjangoCodec::new(&DjangoKeys::new("a-secret-key").unwrap(), SALT).unwrap();
    let builder = || {
        let patience = std::time::Duration::from_secs(120);
        let builder = SessionLayer::builder(store.clone()).save_deadline(patience);
        builder.django(codec.clone(), DjangoCookie::default()).subject_entry(false)
    };
    each_key_survives(builder(), false).await;
    each_step_counts(builder()).await;
    for ending in ["/logout", "/cycle"] {
        a_late_save_stays_out(builder(), ending).await;
    }
}
