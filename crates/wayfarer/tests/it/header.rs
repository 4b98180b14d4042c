//! The session key in a header: for programs that keep no cookies.

use axum::{Router, routing::get};
use http::HeaderMap;
use wayfarer::{HeaderTransport, KeyTransport, Session, session::MemoryStore};

use crate::browser::{Answer, App, sessions};

fn routes() -> Router {
    Router::new()
        .route("/untouched", get(|| async {}))
        .route("/read", get(|s: Session| async move { format!("{:?}", s.get::<u32>("n").await) }))
        .route("/set", get(|s: Session| async move { s.insert("n", 1).await.unwrap() }))
        .route("/cycle", get(|s: Session| async move { s.cycle_key().await.unwrap() }))
        .route("/flush", get(|s: Session| async move { s.flush().await.unwrap() }))
}

struct Client {
    app: App,
    transport: HeaderTransport,
    key: Option<String>,
}

impl Client {
    async fn get(&mut self, path: &str) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.key {
            self.transport.carry(key, &mut headers);
        }
        let answer = self.app.browser().get_with(path, headers).await;
        assert_eq!(answer.set_cookie(), None);
        if let Some(key) = answer.header("x-session") {
            self.key = (!key.is_empty()).then(|| key.to_owned());
        }
        answer
    }
}

async fn client(transport: HeaderTransport) -> Client {
    let layer = sessions(MemoryStore::new()).transport(transport.clone()).build().unwrap();
    Client { app: App::start(routes().layer(layer)).await, transport, key: None }
}

#[tokio::test]
async fn a_key_comes_and_goes_in_a_header() {
    for (transport, vary) in [
        (HeaderTransport::new("X-Session").unwrap(), "x-session"),
        (HeaderTransport::bearer("X-Session").unwrap(), "authorization"),
    ] {
        let mut client = client(transport).await;
        let first = client.get("/set").await;
        assert_eq!(first.header("vary"), Some(vary), "not Cookie");
        assert_eq!(first.header("cache-control"), Some("no-store"));
        let read = client.get("/read").await;
        assert_eq!((read.body.as_str(), read.header("vary")), ("Ok(Some(1))", Some(vary)));
        assert_eq!(read.header("x-session"), None, "only a new key is told");
        let old = client.key.clone();
        client.get("/cycle").await;
        assert_ne!(client.key, old);
        assert_eq!(client.get("/read").await.body, "Ok(Some(1))");
        let flushed = client.get("/flush").await;
        assert_eq!((flushed.header("x-session"), client.key.as_deref()), (Some(""), None));
        client.key = old;
        assert_eq!(client.get("/read").await.body, "Ok(None)");
        assert_eq!(client.get("/untouched").await.header("vary"), None);
    }
}

#[tokio::test]
async fn a_cookie_opens_nothing_where_a_header_is_asked_for() {
    let mut client = client(HeaderTransport::new("x-session").unwrap()).await;
    client.get("/set").await;
    let browser = client.app.browser();
    browser.set_cookie(Some(format!("wayfarer={}", client.key.unwrap())));
    assert_eq!(browser.get("/read").await.body, "Ok(None)");
}
