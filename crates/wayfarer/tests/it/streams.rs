//! Responses that go on after their head: what a stream saves, and what it cannot.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use futures_util::StreamExt;
use tokio::sync::Notify;
use wayfarer::{ErrorKind, Session, session::MemoryStore};

use crate::browser::{App, sessions};

/// Sends one server-sent event a call of the session, after the head is out.
fn events(session: Session) -> Response {
    let steps = futures_util::stream::iter(0..3_u32).then(move |step| {
        let session = session.clone();
        async move {
            session.insert("step", step).await.unwrap();
            let saved = session.save().await.map_err(|error| error.kind());
            Ok::<_, Infallible>(format!("data: {saved:?}\n\n"))
        }
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Body::from_stream(steps)).unwrap()
}

/// Lets the test hold a stream in the middle.
#[derive(Clone, Default)]
struct Hold {
    loaded: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn routes(hold: Hold) -> Router {
    Router::new()
        .route("/set", get(|s: Session| async move { s.insert("n", 1).await.unwrap() }))
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route(
            "/read",
            get(|s: Session| async move { format!("{:?}", s.get::<u32>("step").await) }),
        )
        .route("/events", get(|s: Session| async move { events(s) }))
        .route(
            "/early",
            get(|s: Session| async move {
                s.insert("step", 100).await.unwrap();
                events(s)
            }),
        )
        .route(
            "/held",
            get(|State(hold): State<Hold>, s: Session| async move {
                s.get::<u32>("n").await.unwrap();
                hold.loaded.notify_one();
                let held = futures_util::stream::once(async move { hold.go_on.notified().await });
                let rest = held.then(move |()| {
                    let session = s.clone();
                    async move {
                        session.insert("late", 1).await.unwrap();
                        let saved = session.save().await.map_err(|error| error.kind());
                        Ok::<_, Infallible>(format!("{saved:?}"))
                    }
                });
                Body::from_stream(rest)
            }),
        )
        .with_state(hold)
}

async fn app() -> (App, Hold) {
    let hold = Hold::default();
    let layer = sessions(MemoryStore::new()).build().unwrap();
    (App::start(routes(hold.clone()).layer(layer)).await, hold)
}

#[tokio::test]
async fn a_stream_saves_what_it_changes() {
    let (app, _) = app().await;
    let browser = app.browser();
    browser.get("/set").await;
    let streamed = browser.get("/events").await;
    assert_eq!(streamed.body, "data: Ok(())\n\n".repeat(3));
    assert_eq!(browser.get("/read").await.body, "Ok(Some(2))");
}

#[tokio::test]
async fn a_stream_needs_its_cookie_before_the_head() {
    let (app, _) = app().await;
    let late = app.browser().get("/events").await;
    let refused = format!("data: Err({:?})\n\n", ErrorKind::TooLate);
    assert_eq!((late.body, late.headers.get("set-cookie")), (refused.repeat(3), None));
    let browser = app.browser();
    let early = browser.get("/early").await;
    assert!(early.set_cookie().is_some());
    assert_eq!(early.body, "data: Ok(())\n\n".repeat(3));
    assert_eq!(browser.get("/read").await.body, "Ok(Some(2))");
}

#[tokio::test]
async fn a_stream_does_not_bring_a_session_back() {
    let (app, hold) = app().await;
    let browser = app.browser();
    browser.get("/set").await;
    let streaming = tokio::spawn({
        let browser = browser.clone();
        async move { browser.get_without_keeping("/held").await }
    });
    let old = browser.cookie();
    hold.loaded.notified().await;
    browser.get("/flush").await;
    hold.go_on.notify_one();
    let held = streaming.await.unwrap();
    assert_eq!(held.body, format!("Err({:?})", ErrorKind::Interrupted));
    browser.set_cookie(old);
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
}
