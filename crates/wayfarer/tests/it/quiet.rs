//! Nothing that is logged holds a session key, at any level.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::get};
use tracing_subscriber::fmt::MakeWriter;
use wayfarer::{Session, session::MemoryStore};

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

#[tokio::test]
async fn no_key_is_logged_at_trace() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
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
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("inside"), "the log was captured: {log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "a key in the log");
    }
}
