//! Nothing that is logged holds a session key, at any level.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use http::request;
use tracing_subscriber::fmt::MakeWriter;
use wayfarer::{
    Answer, CookieChange, Exchange, HeaderTransport, KeyTransport, Save, Session, SessionHook,
    async_trait, session::MemoryStore,
};

use crate::browser::{App, sessions};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

/// Catches every line that is logged while the guard lives.
fn capture() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Logs whatever it is given.
#[derive(Debug)]
struct Talkative;

#[async_trait]
impl SessionHook for Talkative {
    async fn on_request(&self, _: &mut request::Parts, session: &Session) -> Option<Answer> {
        tracing::trace!(?session, "hook: request");
        None
    }

    async fn before_save(&self, exchange: &mut Exchange<'_>, save: &mut Save) {
        tracing::trace!(?exchange, ?save, "hook: save");
    }

    async fn before_head(&self, exchange: &mut Exchange<'_>, key: &mut CookieChange) {
        tracing::trace!(?exchange, ?key, "hook: head");
    }
}

#[tokio::test]
async fn no_key_is_logged_by_hooks_and_other_transports() {
    let (log, _guard) = capture();
    let transport = HeaderTransport::bearer("x-session").unwrap();
    let cycle = |s: Session| async move {
        s.insert("n", 1).await.unwrap();
        s.cycle_key().await.unwrap();
    };
    let layer = sessions(MemoryStore::new()).transport(transport.clone()).hook(Talkative);
    let layer = layer.build().unwrap();
    tracing::trace!(?layer, ?transport, "inside");
    let app = App::start(Router::new().route("/", get(cycle)).layer(layer)).await;
    let mut headers = http::HeaderMap::new();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let answer = app.browser().get_with("/", headers.clone()).await;
        let key = answer.header("x-session").unwrap().to_owned();
        headers.clear();
        transport.carry(&key, &mut headers);
        secrets.push(key.split('.').nth(1).unwrap().to_owned());
    }
    let log = log.text();
    for line in
        ["inside", "hook: request", "hook: save", "hook: head", "the session store answered"]
    {
        assert!(log.contains(line), "`{line}` was captured: {log}");
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "a key in the log");
    }
}

#[tokio::test]
async fn no_key_is_logged_at_trace() {
    let (log, _guard) = capture();
    let app = App::start(
        Router::new()
            .route(
                "/",
                get(|s: Session| async move {
                    s.insert("n", 1).await.unwrap();
                    s.cycle_key().await.unwrap();
                    tracing::trace!(session = ?s, journal = ?s.journal(), "inside");
                    let mut ended = s.clone();
                    ended = ended.clone();
                    format!("{ended:?}")
                }),
            )
            .layer(sessions(MemoryStore::new()).build().unwrap()),
    )
    .await;
    let browser = app.browser();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let answer = browser.get("/").await;
        let cookie = browser.cookie().unwrap();
        let secret = cookie.split('.').nth(1).unwrap().to_owned();
        assert!(!answer.body.contains(&secret));
        secrets.push(secret);
    }
    let log = log.text();
    assert!(log.contains("inside"), "the log was captured: {log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "a key in the log");
    }
}
