//! One request after another: cookies, headers, what is saved and what is not.

use std::{sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, routing::get};
use wayfarer::{
    Expiry, ManualClock, Session, SessionLayer, SignalBus, Ticket,
    session::{MemoryStore, SystemRandom},
};

use crate::browser::{App, keys, sessions};

/// Counts rows by what a store's `Debug` says, so that nothing is added for the test.
fn rows(store: &MemoryStore) -> String {
    format!("{store:?}")
}

const NO_ROWS: &str = "MemoryStore { slots: 0 }";
const ONE_ROW: &str = "MemoryStore { slots: 1 }";

fn routes() -> Router {
    Router::new()
        .route("/untouched", get(|| async { "hello" }))
        .route("/read", get(|s: Session| async move { format!("{:?}", s.get::<u32>("n").await) }))
        .route(
            "/add",
            get(|s: Session| async move {
                let n = s.get::<u32>("n").await.unwrap().unwrap_or(0) + 1;
                s.insert("n", n).await.unwrap();
                n.to_string()
            }),
        )
        .route(
            "/fail",
            get(|s: Session| async move {
                s.insert("n", 100).await.unwrap();
                StatusCode::INTERNAL_SERVER_ERROR
            }),
        )
        .route(
            "/outgrow",
            get(|s: Session| async move {
                s.cycle_key().await.unwrap();
                s.modify("n", |n: Option<u32>| n.unwrap_or(0) + 1).await.unwrap();
                s.insert("large", "x".repeat(2000)).await.unwrap();
            }),
        )
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
        .route("/clear", get(|s: Session| async move { s.clear().await.unwrap() }))
        .route("/cycle", get(|s: Session| async move { s.cycle_key().await.unwrap() }))
        .route(
            "/close",
            get(|s: Session| async move {
                s.insert("n", 1).await.unwrap();
                s.set_expiry(Expiry::BrowserClose).await.unwrap();
            }),
        )
        .route("/subject", get(|s: Session| async move { format!("{:?}", s.subject()) }))
}

#[tokio::test]
async fn a_value_is_there_in_the_next_request() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
    assert_eq!(browser.get("/add").await.body, "1");
    assert_eq!(browser.get("/add").await.body, "2");
    assert_eq!(browser.get("/read").await.body, "Ok(Some(2))");
    assert_eq!(app.browser().get("/read").await.body, "Ok(None)");
}

#[tokio::test]
async fn an_untouched_request_is_left_alone() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let answer = app.browser().get("/untouched").await;
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(answer.header("vary"), None);
    assert_eq!(rows(&store), NO_ROWS);
}

#[tokio::test]
async fn headers_keep_caches_away() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    let read = browser.get("/read").await;
    assert_eq!((read.header("vary"), read.header("cache-control")), (Some("Cookie"), None));
    let write = browser.get("/add").await;
    assert_eq!(write.header("vary"), Some("Cookie"));
    assert_eq!(write.header("cache-control"), Some("no-store"));
    assert_eq!(write.headers.get_all("set-cookie").iter().count(), 1);
}

#[tokio::test]
async fn the_cookie_is_strict_unless_on_loopback_in_development() {
    let strict = SessionLayer::builder(MemoryStore::new()).cookie_keys(keys()).build().unwrap();
    let app = App::start(routes().layer(strict)).await;
    let answer = app.browser().get("/add").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-wayfarer="), "{cookie}");
    for flag in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=1209600"] {
        assert!(cookie.contains(flag), "{flag} in {cookie}");
    }
    let relaxed = sessions(MemoryStore::new()).cookie_name("shop").build().unwrap();
    let app = App::start(routes().layer(relaxed)).await;
    let answer = app.browser().get("/add").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("shop=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("HttpOnly"), "{cookie}");
}

#[tokio::test]
async fn a_server_error_saves_nothing() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    let answer = browser.get("/fail").await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::INTERNAL_SERVER_ERROR, None));
    browser.get("/add").await;
    browser.get("/fail").await;
    assert_eq!(browser.get("/read").await.body, "Ok(Some(1))");
}

#[tokio::test]
async fn a_new_key_that_was_stored_is_told_although_the_last_save_failed() {
    let layer = sessions(MemoryStore::new()).max_bytes(1000);
    let app = App::start(routes().layer(layer.build().unwrap())).await;
    let browser = app.browser();
    for n in 1..=3 {
        let answer = browser.get("/outgrow").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.body, "The session could not be saved.\n");
        assert_eq!(answer.header("vary"), Some("Cookie"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.set_cookie().is_some());
        assert_eq!(browser.get("/read").await.body, format!("Ok(Some({n}))"));
    }
}

#[tokio::test]
async fn random_and_forged_cookies_make_no_row_and_are_not_taken_on() {
    for early in [false, true] {
        let store = MemoryStore::new();
        let layer = sessions(store.clone()).early_subject(early).build().unwrap();
        let app = App::start(routes().layer(layer)).await;
        let browser = app.browser();
        for round in 0..1000_u32 {
            let foreign = wayfarer::CookieKeys::new(&[9; 32]).unwrap();
            let forged = Ticket::random(&SystemRandom).unwrap().sign(&foreign);
            let cookie = if round % 2 == 0 { forged } else { format!("junk{round}") };
            browser.set_cookie(Some(format!("wayfarer={cookie}")));
            let answer = browser.get_without_keeping("/read").await;
            assert_eq!(answer.body, "Ok(None)");
            let removed = answer.set_cookie().unwrap().starts_with("wayfarer=\"\";");
            assert_eq!(removed, !early, "taken away, or replaced by an early one");
        }
        assert_eq!(rows(&store), NO_ROWS, "early: {early}");
        let forged = browser.cookie().unwrap();
        assert_eq!(browser.get("/add").await.body, "1");
        assert_ne!(browser.cookie().unwrap(), forged);
    }
}

#[tokio::test]
async fn a_genuine_key_without_a_session_is_not_taken_on() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    let stale = format!("wayfarer={}", Ticket::random(&SystemRandom).unwrap().sign(&keys()));
    browser.set_cookie(Some(stale.clone()));
    let read = browser.get("/read").await;
    assert_eq!((read.body.as_str(), read.set_cookie()), ("Ok(None)", None));
    assert_eq!(rows(&store), NO_ROWS);
    browser.get("/add").await;
    assert_ne!(browser.cookie().unwrap(), stale);
}

#[tokio::test]
async fn a_flush_ends_the_session_and_the_cookie() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    let anonymous = browser.get("/flush").await;
    assert_eq!((anonymous.set_cookie(), rows(&store).as_str()), (None, NO_ROWS));
    browser.get("/add").await;
    let old = browser.cookie();
    let answer = browser.get("/flush").await;
    assert!(answer.set_cookie().unwrap().starts_with("wayfarer=\"\"; expires=Thu, 01 Jan 1970"));
    browser.set_cookie(old.clone());
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
    assert_eq!(browser.get("/add").await.body, "1");
    assert_ne!(browser.cookie(), old);
}

#[tokio::test]
async fn a_cleared_session_stays_without_values() {
    let store = MemoryStore::new();
    let app = App::start(routes().layer(sessions(store.clone()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/add").await;
    let cookie = browser.cookie();
    browser.get("/clear").await;
    assert_eq!(browser.cookie(), cookie);
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
    assert_eq!(rows(&store), ONE_ROW);
}

#[tokio::test]
async fn a_new_key_keeps_data_and_subject_and_kills_the_old_key() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let browser = app.browser();
    browser.get("/add").await;
    let (old, subject) = (browser.cookie(), browser.get("/subject").await.body);
    browser.get("/cycle").await;
    assert_ne!(browser.cookie(), old);
    assert_eq!(browser.get("/subject").await.body, subject);
    assert_eq!(browser.get("/read").await.body, "Ok(Some(1))");
    browser.set_cookie(old);
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
}

#[tokio::test]
async fn an_early_subject_costs_no_row_and_stays() {
    let store = MemoryStore::new();
    let layer = sessions(store.clone()).early_subject(true).build().unwrap();
    let app = App::start(routes().layer(layer)).await;
    let browser = app.browser();
    let first = browser.get("/untouched").await;
    assert!(first.set_cookie().is_some());
    assert_eq!(first.header("vary"), Some("Cookie"));
    let subject = browser.get("/subject").await.body;
    assert!(subject.starts_with("Some("), "{subject}");
    let again = browser.get("/untouched").await;
    assert_eq!((again.set_cookie(), rows(&store).as_str()), (None, NO_ROWS));
    browser.get("/add").await;
    assert_eq!(browser.get("/subject").await.body, subject);
    browser.get("/cycle").await;
    assert_eq!(browser.get("/subject").await.body, subject);
    let flushed = browser.get("/flush").await;
    assert!(flushed.set_cookie().is_some());
    assert_ne!(browser.get("/subject").await.body, subject);
}

#[tokio::test]
async fn a_session_runs_out_and_reading_it_in_time_keeps_it() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let hour = Duration::from_secs(3600);
    let layer = sessions(MemoryStore::new()).clock(clock.clone()).idle(hour).build().unwrap();
    let app = App::start(routes().layer(layer)).await;
    let browser = app.browser();
    browser.get("/add").await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(3000));
        let read = browser.get("/read").await;
        assert_eq!(read.body, "Ok(Some(1))");
        assert!(read.set_cookie().is_some(), "the browser's cookie lives on too");
        assert_eq!(browser.get("/read").await.set_cookie(), None, "once in an interval");
    }
    clock.advance(hour);
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
}

#[tokio::test]
async fn no_use_outlives_the_absolute_limit() {
    let clock = Arc::new(ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let layer = sessions(MemoryStore::new())
        .clock(clock.clone())
        .idle(Duration::from_secs(3600))
        .absolute(Duration::from_secs(7200));
    let app = App::start(routes().layer(layer.build().unwrap())).await;
    let browser = app.browser();
    browser.get("/add").await;
    for expected in ["2", "3", "1"] {
        clock.advance(Duration::from_secs(2700));
        assert_eq!(browser.get("/add").await.body, expected);
    }
}

#[tokio::test]
async fn a_session_until_the_browser_closes_has_no_age() {
    let app = App::start(routes().layer(sessions(MemoryStore::new()).build().unwrap())).await;
    let answer = app.browser().get("/close").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(!cookie.contains("Max-Age") && !cookie.contains("expires"), "{cookie}");
}

#[tokio::test]
async fn signals_tell_the_life_of_a_session() {
    use std::sync::Mutex;
    use wayfarer::{Signal, SignalReceiver};

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[wayfarer::async_trait]
    impl SignalReceiver for Heard {
        async fn receive(&self, signal: &Signal) -> Result<(), wayfarer::session::BoxError> {
            assert!(signal.subject.is_some() && signal.handle.is_some());
            self.0.lock().unwrap().push(signal.kind.to_string());
            Ok(())
        }
    }

    let (bus, heard) = (SignalBus::new(), Arc::new(Heard::default()));
    bus.connect(heard.clone());
    let app =
        App::start(routes().layer(sessions(MemoryStore::new()).signals(bus).build().unwrap()));
    let app = app.await;
    let browser = app.browser();
    for path in ["/add", "/add", "/cycle", "/flush", "/flush"] {
        browser.get(path).await;
    }
    assert_eq!(*heard.0.lock().unwrap(), ["created", "rotated", "flushed"]);
}

#[tokio::test]
async fn a_layer_without_keys_or_with_a_bad_name_says_what_to_do() {
    let error = SessionLayer::builder(MemoryStore::new()).build().unwrap_err().to_string();
    assert!(error.ends_with("there are no cookie keys: call cookie_keys"), "{error}");
    let error = sessions(MemoryStore::new()).cookie_name("a b").build().unwrap_err().to_string();
    assert!(error.contains("`a b` is no name for a cookie"), "{error}");
}
