//! Hooks: the example that stands for Django's overridden `process_request` and `process_response`, and what it leaves out.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use http::{HeaderValue, StatusCode, request};
use wayfarer::{
    Answer, CookieChange, Exchange, Save, Session, SessionHook, async_trait, session::MemoryStore,
};

use crate::browser::{App, sessions};

#[path = "../../examples/my_session_middleware.rs"]
#[expect(dead_code, reason = "the example's main")]
mod my_session_middleware;

async fn example() -> App {
    App::start(my_session_middleware::app(&[7; 32]).unwrap()).await
}

#[tokio::test]
async fn a_hook_sees_every_request_and_its_response() {
    let app = example().await;
    let browser = app.browser();
    assert_eq!(browser.get("/").await.body, "request 1 of this session\n");
    let second = browser.get("/").await;
    assert_eq!(second.body, "request 2 of this session\n");
    let handle = second.header("x-session-handle").unwrap().to_owned();
    assert_eq!(browser.get("/").await.header("x-session-handle"), Some(handle.as_str()));
    assert_eq!(second.header("vary"), Some("Cookie"));
}

#[tokio::test]
async fn a_hook_answers_before_the_handler() {
    let app = example().await;
    let browser = app.browser();
    assert_eq!(browser.get("/block").await.body, "true");
    let blocked = browser.get("/").await;
    assert_eq!(
        (blocked.status, blocked.body.as_str()),
        (StatusCode::FORBIDDEN, "you are blocked\n")
    );
    assert!(blocked.header("x-session-handle").is_some(), "its response is ended like any other");
}

#[tokio::test]
async fn a_hook_vetoes_and_forces_the_save() {
    let app = example().await;
    let browser = app.browser();
    let probe = browser.get("/health").await;
    assert_eq!((probe.body.as_str(), probe.set_cookie()), ("request 1 of this session\n", None));
    let broken = browser.get("/account/broken").await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(broken.set_cookie().is_some(), "saved although it failed");
    assert_eq!(browser.get("/").await.body, "request 2 of this session\n");
}

#[tokio::test]
async fn a_hook_changes_the_cookie_and_how_it_travels() {
    let app = example().await;
    let usual = app.browser().get("/").await;
    assert!(usual.set_cookie().unwrap().contains("; Max-Age=1209600;"));
    let kiosk = app.browser().get("/kiosk").await;
    assert!(!kiosk.set_cookie().unwrap().contains("Max-Age"));
    let browser = app.browser();
    let embedded = browser.get("/embed").await;
    let cookie = embedded.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-embedded="), "{cookie}");
    assert!(cookie.ends_with("; SameSite=None; Secure; Partitioned"), "{cookie}");
    assert_eq!(browser.get("/embed").await.body, "request 2 of this session\n");
    assert_eq!(browser.get("/").await.body, "request 1 of this session\n", "another cookie");
}

/// Notes the order in which it is asked, and ends the session of every request that was answered.
#[derive(Debug)]
struct Noting(&'static str, Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, what: &str) {
        self.1.lock().unwrap().push(format!("{} {what}", self.0));
    }
}

#[async_trait]
impl SessionHook for Noting {
    async fn on_request(&self, request: &mut request::Parts, _: &Session) -> Option<Answer> {
        self.note("request");
        request.headers.insert("x-noted", HeaderValue::from_static(self.0));
        (request.uri.path() == "/early").then(|| Answer::new("early".into()))
    }

    async fn before_save(&self, _: &mut Exchange<'_>, _: &mut Save) {
        self.note("save");
    }

    async fn before_head(&self, exchange: &mut Exchange<'_>, _: &mut CookieChange) {
        self.note("head");
        assert_eq!(
            exchange.request.headers["x-noted"].to_str().ok().map(str::is_empty),
            Some(false)
        );
    }

    async fn on_failure(&self, _: &mut Exchange<'_>, error: &wayfarer::Error) {
        self.note(&format!("failure {:?}", error.kind()));
    }
}

fn noted() -> (Arc<Mutex<Vec<String>>>, impl Fn() -> Vec<String>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&notes);
    (notes, move || std::mem::take(&mut *seen.lock().unwrap()))
}

#[tokio::test]
async fn hooks_are_asked_inwards_and_then_outwards() {
    let (notes, seen) = noted();
    let layer = sessions(MemoryStore::new())
        .hook(Noting("outer", Arc::clone(&notes)))
        .hook(Noting("inner", notes));
    let header =
        |headers: http::HeaderMap| async move { headers["x-noted"].to_str().unwrap().to_owned() };
    let app = App::start(Router::new().route("/", get(header)).layer(layer.build().unwrap())).await;
    assert_eq!(app.browser().get("/").await.body, "inner", "the handler sees what hooks changed");
    let both =
        ["outer request", "inner request", "inner save", "outer save", "inner head", "outer head"];
    assert_eq!(seen(), both);
    assert_eq!(app.browser().get("/early").await.body, "early");
    let early = ["outer request", "inner save", "outer save", "inner head", "outer head"];
    assert_eq!(seen(), early, "who comes after the answer is not asked");
}

#[tokio::test]
async fn hooks_have_their_say_in_a_key_that_goes_out_with_a_failure() {
    let (notes, seen) = noted();
    let layer = sessions(MemoryStore::new()).hook(Noting("it", notes)).max_bytes(1000);
    let outgrow = |session: Session| async move {
        session.modify("n", |n: Option<u32>| n.unwrap_or(0) + 1).await.unwrap();
        session.insert("large", "x".repeat(2000)).await.unwrap();
    };
    let routes = Router::new().route("/", get(outgrow)).layer(layer.build().unwrap());
    let failed = App::start(routes).await.browser().get("/").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(failed.set_cookie().is_some());
    assert_eq!(seen(), ["it request", "it save", "it head", "it failure TooLarge"]);
}

#[tokio::test]
async fn a_hook_is_told_when_the_session_was_interrupted() {
    let (notes, seen) = noted();
    let layer = sessions(MemoryStore::new()).hook(Noting("it", notes)).build().unwrap();
    let manager = layer.manager().clone();
    let interrupted = move |session: Session, headers: http::HeaderMap| async move {
        session.insert("late", 1).await.unwrap();
        if let Some(cookie) = headers.get("cookie") {
            let value = cookie.to_str().unwrap().split_once('=').unwrap().1;
            manager.open(Some(value)).flush().await.unwrap();
        }
    };
    let app = App::start(Router::new().route("/", get(interrupted)).layer(layer)).await;
    let browser = app.browser();
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    seen();
    let late = browser.get("/").await;
    assert_eq!((late.status, late.set_cookie()), (StatusCode::BAD_REQUEST, None));
    assert_eq!(seen(), ["it request", "it save", "it failure Interrupted"]);
}
