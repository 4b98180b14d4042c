//! An application of tower-sessions over a store of Wayfarer.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::sync::Notify;
use tower_sessions::{
    ExpiredDeletion, Session, SessionManagerLayer, SessionStore,
    cookie::time::{Duration, OffsetDateTime},
    session::{Id, Record},
};
use wayfarer::{
    CookieKeys, ManualClock,
    session::{MemoryStore, SessionManager, SessionStore as _},
};
use wayfarer_tower_sessions::TowerStore;

use crate::browser::Browser;

#[derive(Clone, Default)]
struct Hold {
    loaded: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn app(store: TowerStore, hold: Hold) -> Router {
    let add = |session: Session| async move {
        let n = session.get::<u32>("n").await.unwrap().unwrap_or(0) + 1;
        session.insert("n", n).await.unwrap();
        n.to_string()
    };
    let slow = |State(hold): State<Hold>, session: Session| async move {
        session.insert("late", 1).await.unwrap();
        hold.loaded.notify_one();
        hold.go_on.notified().await;
    };
    Router::new()
        .route("/add", get(add))
        .route("/slow", get(slow))
        .route("/out", get(|session: Session| async move { session.flush().await.unwrap() }))
        .route("/cycle", get(|session: Session| async move { session.cycle_id().await.unwrap() }))
        .with_state(hold)
        .layer(SessionManagerLayer::new(store))
}

#[tokio::test]
async fn an_application_goes_on_as_it_was() {
    let store = MemoryStore::new();
    let app = app(TowerStore::new(store.clone()), Hold::default());
    let browser = Browser::default();
    for n in 1..=3 {
        assert_eq!(browser.get(&app, "/add").await, (StatusCode::OK, n.to_string()));
    }
    let old = browser.copy();
    browser.get(&app, "/cycle").await;
    assert_ne!(browser.cookies(), old.cookies());
    assert_eq!(browser.get(&app, "/add").await.1, "4");
    assert_eq!(old.get(&app, "/add").await.1, "1", "the old id opens nothing");
    browser.get(&app, "/out").await;
    assert_eq!(browser.get(&app, "/add").await.1, "1");
}

#[tokio::test]
async fn a_late_save_does_not_bring_a_session_back() {
    let hold = Hold::default();
    let app = app(TowerStore::new(MemoryStore::new()), hold.clone());
    let browser = Browser::default();
    browser.get(&app, "/add").await;
    let thief = browser.copy();
    let slow = tokio::spawn({
        let (browser, app) = (browser.copy(), app.clone());
        async move { browser.get(&app, "/slow").await.0 }
    });
    hold.loaded.notified().await;
    browser.get(&app, "/out").await;
    hold.go_on.notify_one();
    assert_eq!(slow.await.unwrap(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(thief.get(&app, "/add").await.1, "1", "it stays ended");
}

fn record(id: Id, user: Option<&str>) -> Record {
    let noted = user.map(|user| {
        let data = serde_json::json!({ "user_id": user, "auth_hash": [1, 2] });
        ("axum-login.data".to_owned(), data)
    });
    let expiry_date =
        OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap() + Duration::hours(1);
    Record { id, data: noted.into_iter().collect(), expiry_date }
}

#[tokio::test]
async fn records_keep_the_contract() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let kept = MemoryStore::new();
    let store = TowerStore::new(kept.clone()).clock(clock.clone());
    let mut first = record(Id(7), Some("ada"));
    store.create(&mut first).await.unwrap();
    assert_eq!(store.load(&Id(7)).await.unwrap(), Some(first.clone()));
    let mut second = record(Id(7), None);
    store.create(&mut second).await.unwrap();
    assert_ne!(second.id, Id(7), "an id that is taken is left alone");
    assert_eq!(store.load(&Id(7)).await.unwrap(), Some(first.clone()));
    assert!(store.save(&record(Id(8), None)).await.is_err(), "a save makes no session");
    assert_eq!(store.load(&Id(8)).await.unwrap(), None);
    assert!(!format!("{store:?} {kept:?}").contains('7'), "an id is shown nowhere");

    clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(store.load(&Id(7)).await.unwrap(), None);
    store.delete_expired().await.unwrap();
    clock.advance(std::time::Duration::from_secs(1));
    store.delete_expired().await.unwrap();
    assert_eq!(format!("{kept:?}"), "MemoryStore { slots: 0 }");
}

#[tokio::test]
async fn a_users_sessions_can_be_ended() {
    let kept = MemoryStore::new();
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let store = TowerStore::new(kept.clone()).clock(clock.clone());
    for (id, user) in [(1, "ada"), (2, "ada"), (3, "bob")] {
        store.create(&mut record(Id(id), Some(user))).await.unwrap();
    }
    assert!(kept.capabilities().enumerate);
    let keys = CookieKeys::new(&[7; 32]).unwrap();
    let manager = SessionManager::builder(kept).cookie_keys(keys).clock(clock).build().unwrap();
    assert_eq!(manager.sessions_of("ada").await.unwrap().len(), 2);
    assert_eq!(manager.revoke_all("ada", None).await.unwrap(), 2);
    for (id, lives) in [(1, false), (2, false), (3, true)] {
        assert_eq!(store.load(&Id(id)).await.unwrap().is_some(), lives);
    }
}
