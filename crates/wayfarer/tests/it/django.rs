//! Django mode over HTTP: what Django's own middleware does with cookies and rows, from shared vectors where they are there
//! and from a few of our own.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use wayfarer::{
    DjangoCodec, DjangoCookie, DjangoKeys, Expiry, ManualClock, SameSite, Session, SessionLayer,
    SessionLayerBuilder,
    session::{Clock, MemoryStore, Record, SessionStore, StoreKey, django::SALT},
};

use crate::browser::App;

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

fn codec() -> DjangoCodec {
    DjangoCodec::new(&DjangoKeys::new("the-secret-key-of-a-test").unwrap(), SALT).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()))
}

fn sessions(store: &MemoryStore, cookie: DjangoCookie) -> SessionLayerBuilder {
    SessionLayer::builder(store.clone()).django(codec(), cookie).subject_entry(false).clock(clock())
}

/// One handler for everything that the vectors' handlers do.
fn routes(store: MemoryStore) -> Router {
    Router::new()
        .route("/untouched", get(|| async {}))
        .route("/read", get(|s: Session| async move { format!("{:?}", s.get::<i32>("a").await) }))
        .route("/write", get(|s: Session| async move { s.insert("a", 2).await.unwrap() }))
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route("/clear", get(|s: Session| async move { s.clear().await.unwrap() }))
        .route("/cycle_key", get(|s: Session| async move { s.cycle_key().await.unwrap() }))
        .route(
            "/nested",
            get(|s: Session| async move {
                let mut inner: Map<String, Value> = s.get("d").await.unwrap().unwrap();
                inner.insert("x".into(), json!(2));
            }),
        )
        .route(
            "/browser_close",
            get(|s: Session| async move {
                s.insert("a", 2).await.unwrap();
                s.set_expiry(Expiry::BrowserClose).await.unwrap();
            }),
        )
        .route(
            "/concurrent_delete",
            get(|State(store): State<MemoryStore>, s: Session| async move {
                s.insert("a", 2).await.unwrap();
                let _ = store.delete(&StoreKey::new(KEY), clock().now()).await.unwrap();
            }),
        )
        .with_state(store)
}

/// What the handler of a vector does.
fn path_of(id: &str) -> &'static str {
    match id.trim_start_matches("middleware/") {
        "no_cookie_untouched" | "untouched_existing" | "save_every_request_anon" => "/untouched",
        "no_cookie_read" | "read_existing" | "unknown_key_read" => "/read",
        "flush" | "delete_samesite_none" | "delete_host_prefix" => "/flush",
        "clear" => "/clear",
        "cycle_key" => "/cycle_key",
        "nested_mutation_lost" => "/nested",
        "concurrent_delete" => "/concurrent_delete",
        "browser_close" => "/browser_close",
        _ => "/write",
    }
}

fn cookie_of(settings: &Value) -> DjangoCookie {
    let mut cookie = DjangoCookie::default();
    match &settings["SESSION_COOKIE_SAMESITE"] {
        Value::Bool(false) => cookie.same_site = None,
        Value::String(text) if text == "None" => cookie.same_site = Some(SameSite::None),
        _ => {}
    }
    cookie.http_only = settings["SESSION_COOKIE_HTTPONLY"] != false;
    cookie.secure = settings["SESSION_COOKIE_SECURE"] == true;
    if let Value::String(name) = &settings["SESSION_COOKIE_NAME"] {
        cookie.name.clone_from(name);
    }
    cookie
}

async fn put(store: &MemoryStore, key: &str, session: &Value) {
    let now = clock().now();
    let record = Record {
        data: codec().encode(&session.to_string(), now).into_bytes().into(),
        expires_at: now + SignedDuration::from_hours(1),
        subject: None,
        user: None,
    };
    let _ = store.create(&StoreKey::new(key), &record, now).await.unwrap();
}

async fn rows(store: &MemoryStore, keys: &[&str]) -> Value {
    let mut rows = Map::new();
    for key in keys {
        if let Some(loaded) = store.load(&StoreKey::new(*key), clock().now()).await.unwrap() {
            let value = String::from_utf8(loaded.record.data.to_vec()).unwrap();
            let json = codec().decode(&value).unwrap().json;
            rows.insert((*key).to_owned(), serde_json::from_str(&json).unwrap());
        }
    }
    rows.into()
}

/// Does what a vector describes and holds the outcome against it.
pub(crate) async fn check(vector: &Value) {
    let id = vector["id"].as_str().unwrap();
    let (store, cookie) = (MemoryStore::new(), cookie_of(&vector["settings"]));
    for (key, session) in vector["store_before"].as_object().unwrap() {
        put(&store, key, session).await;
    }
    let every = vector["settings"]["SESSION_SAVE_EVERY_REQUEST"] == true;
    let layer = sessions(&store, cookie.clone()).save_every_request(every).build().unwrap();
    let app = App::start(routes(store.clone()).layer(layer)).await;
    let browser = app.browser();
    let sent = vector["request_cookie"].as_str();
    browser.set_cookie(sent.map(|key| format!("{}={key}", cookie.name)));
    let answer = browser.get(path_of(id)).await;

    if vector["exception"] == "SessionInterrupted" {
        assert_eq!((answer.status, answer.set_cookie()), (StatusCode::BAD_REQUEST, None), "{id}");
    } else {
        assert_eq!(answer.header("vary"), vector["vary"].as_str(), "{id}");
    }
    // Django's drawn key is made up in the vectors; ours stands in its place.
    const DRAWN: &str = "n0zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    let ours =
        browser.cookie().and_then(|pair| pair.split_once('=').map(|(_, key)| key.to_owned()));
    let ours = ours.unwrap_or_default();
    let expected = vector["set_cookie"].as_array().and_then(|all| all.first()?.as_str());
    let expected = expected.map(|text| text.replace(DRAWN, &ours));
    assert_eq!(answer.set_cookie(), expected.as_deref(), "{id}");
    let after = vector["store_after"].to_string().replace(DRAWN, &ours);
    let after: Value = serde_json::from_str(&after).unwrap();
    let keys = [KEY, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", &ours];
    assert_eq!(rows(&store, &keys).await, after, "{id}");
}

#[tokio::test]
async fn a_written_session_has_djangos_cookie_and_an_unknown_one_is_taken_away() {
    let store = MemoryStore::new();
    let layer = sessions(&store, DjangoCookie::default()).build().unwrap();
    let app = App::start(routes(store.clone()).layer(layer)).await;
    let browser = app.browser();
    let set = browser.get("/write").await.set_cookie().unwrap().to_owned();
    let (pair, rest) = set.split_once(';').unwrap();
    assert_eq!(pair.len(), "sessionid=".len() + 32, "{pair}");
    let expected =
        " expires=Thu, 15 Jan 2026 00:00:00 GMT; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax";
    assert_eq!(rest, expected);
    browser.set_cookie(Some(format!("sessionid={KEY}")));
    let read = browser.get("/read").await;
    assert!(read.set_cookie().unwrap().starts_with("sessionid=\"\"; expires=Thu, 01 Jan 1970"));
}

/// A browser keeps the cookie of this host alone, from before the project had a domain, beside the new one, and sends the
/// older first.
#[tokio::test]
async fn of_two_cookies_of_one_name_the_last_counts_as_in_django() {
    let store = MemoryStore::new();
    let cookie = DjangoCookie { domain: Some("example.org".into()), ..DjangoCookie::default() };
    let layer = sessions(&store, cookie).build().unwrap();
    let app = App::start(routes(store.clone()).layer(layer)).await;
    put(&store, KEY, &json!({"a": 1})).await;
    let browser = app.browser();
    let old = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    browser.set_cookie(Some(format!("sessionid={old}; sessionid={KEY}")));
    let read = browser.get("/read").await;
    assert_eq!((read.body.as_str(), read.set_cookie()), ("Ok(Some(1))", None));
}

#[tokio::test]
async fn a_session_keeps_its_subject_as_an_entry() {
    let store = MemoryStore::new();
    let layer = sessions(&store, DjangoCookie::default()).subject_entry(true).build().unwrap();
    let subject = Router::new().route(
        "/subject",
        get(|s: Session| async move {
            s.get::<i32>("a").await.unwrap();
            s.subject().map(|subject| subject.to_string()).unwrap_or_default()
        }),
    );
    let app = App::start(routes(store.clone()).merge(subject).layer(layer)).await;
    let browser = app.browser();
    assert_eq!(browser.get("/subject").await.body, "");
    browser.get("/write").await;
    let subject = browser.get("/subject").await.body;
    assert_eq!(subject.len(), 22);
    browser.get("/cycle_key").await;
    assert_eq!(browser.get("/subject").await.body, subject, "it stays while the key changes");
}
