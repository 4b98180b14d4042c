//! The live stream.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use wayfarer_embedded::{Scope, SiteSpec};
use wayfarer_server::config::Http;

use crate::house::{House, request};

/// Reads a stream of server-sent events.
struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    async fn open(house: &House, path: &str) -> Stream {
        let answer = house.send(request("GET", path, &[], Bytes::new())).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Stream { body: answer.into_body(), text: String::new() }
    }

    /// The next event of this name; `None` at the end of the stream.
    async fn next(&mut self, name: &str) -> Option<Value> {
        let read = async {
            loop {
                while let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    if let Some(data) = event.strip_prefix(&format!("event: {name}\ndata: ")) {
                        return Some(serde_json::from_str(data).unwrap());
                    }
                }
                let frame = self.body.frame().await?.ok()?;
                self.text.push_str(std::str::from_utf8(frame.data_ref()?).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(60), read).await.unwrap()
    }
}

#[tokio::test]
async fn an_event_is_told_after_it_is_posted_to_those_of_its_site() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let other = house.token(SiteSpec::new("other"), Scope::Server).await;
    let token = house.token(SiteSpec::new("s"), Scope::Server).await;
    let mut stream = Stream::open(&house, "/api/v1/live?site=s").await;
    let first = stream.next("now").await.unwrap();
    assert_eq!((&first["active"], &first["exact"]), (&0.into(), &true.into()));
    house.post(&other, &[], r#"{"name":"click","visitor":"x"}"#).await;
    let event =
        r#"{"name":"page_view","visitor":"v","path":"/hello","client":{"ip":"203.0.113.7"}}"#;
    assert_eq!(house.post(&token, &[], event).await.status, 202);
    let told = stream.next("events").await.unwrap();
    assert_eq!(told["events"].as_array().unwrap().len(), 1);
    assert_eq!(told["events"][0]["path"], "/hello");
    assert_eq!((&told["more"], &told["missed"]), (&0.into(), &0.into()));
    assert!(!told.to_string().contains("203.0.113"));
    assert_eq!(stream.next("now").await.unwrap()["active"], 1);
    house.close().await;
    assert_eq!(stream.next("events").await, None, "the stream ends when the server stops");
}

#[tokio::test]
async fn a_large_batch_is_told_in_short() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let token = house.token(SiteSpec::new("s"), Scope::Server).await;
    let mut stream = Stream::open(&house, "/api/v1/live?site=s").await;
    stream.next("now").await.unwrap();
    let events = vec![r#"{"name":"click","visitor":"v"}"#; 300].join("\n");
    house.post(&token, &[], events).await;
    let (mut shown, mut more) = (0, 0);
    while shown + more < 300 {
        let told = stream.next("events").await.unwrap();
        let events = told["events"].as_array().unwrap().len();
        assert!(events <= 20);
        shown += events as u64;
        more += told["more"].as_u64().unwrap();
    }
    assert_eq!(shown + more, 300);
    house.close().await;
}

#[tokio::test]
async fn streams_are_limited_and_of_known_sites() {
    let folder = tempfile::tempdir().unwrap();
    let http = Http { max_live: 1, ..Http::default() };
    let house = House::with(folder.path(), http).await;
    house.token(SiteSpec::new("s"), Scope::Server).await;
    assert_eq!(house.get("/api/v1/live?site=nobody", &[]).await.status, 404);
    let foreign = house.get("/api/v1/live?site=s", &[("host", "evil.example")]).await;
    assert_eq!(foreign.status, 421);
    let _first = Stream::open(&house, "/api/v1/live?site=s").await;
    let second = house.get("/api/v1/live?site=s", &[]).await;
    assert_eq!(second.status, 503);
    assert_eq!(second.header("retry-after"), Some("30"));
    house.close().await;
}
