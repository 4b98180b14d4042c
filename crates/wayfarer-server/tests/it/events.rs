//! `POST /api/v1/events`: every status, and what the lake holds afterwards.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use wayfarer_embedded::{Scope, SiteSpec};
use wayfarer_server::config::Http;

use crate::house::{House, request};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_is_accepted_is_there_after_a_restart_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let token = house.token(SiteSpec::new("s"), Scope::Server).await;
    let body = json!({"events": [
        {"name": "page_view", "id": "a", "visitor": "v", "path": "/"},
        {"name": "page_view", "id": "b", "visitor": "v", "path": "/b"},
        {"name": "", "visitor": "v"},
        {"name": "page_view", "visitor": "v", "client": {"dnt": true}},
        {"name": "page_view", "colour": "red"},
    ]});
    let first = house.post(&token, &[], body.to_string()).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let counts = first.json();
    assert_eq!((&counts["accepted"], &counts["declined"]), (&json!(2), &json!(1)));
    let rejected: Vec<_> = counts["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["index"].as_u64().unwrap())
        .collect();
    assert_eq!(rejected, [2, 4]);
    assert!(counts["rejected"][1]["reason"].as_str().unwrap().contains("colour"));
    let again = house.post(&token, &[], body.to_string()).await;
    assert_eq!(again.json()["accepted"], 2);
    house.close().await;

    let house = House::open(folder.path()).await;
    let third = house.post(&token, &[], body.to_string()).await;
    assert_eq!(third.status, 202, "the token is still good");
    let overview = house.get("/api/v1/report/overview?site=s", &[]).await.json();
    assert_eq!(overview["rows"][0]["pageviews"], 2);
    assert_eq!(overview["rows"][0]["visitors"], 1);
    house.close().await;
}

#[tokio::test]
async fn a_batch_without_an_acceptable_event_is_400_with_the_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let server = house.token(SiteSpec::new("s"), Scope::Server).await;
    let browser = house.token(SiteSpec::new("s"), Scope::Browser).await;
    let answer = house.post(&server, &[], r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["rejected"][0]["reason"].as_str().unwrap().contains("whose"));
    let answer = house.post(&server, &[], r#"{"name":"a","visitor":"v","site":"other"}"#).await;
    assert_eq!(answer.status, 400);
    let answer = house.post(&browser, &[], r#"{"name":"a","user":"u"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("browser token"));
    for body in ["", "no json", "[1,2]"] {
        assert_eq!(house.post(&server, &[], body).await.status, 400, "{body}");
    }
    let answer = house.post(&server, &[("content-type", "image/png")], r#"{"name":"a"}"#).await;
    assert_eq!(answer.status, 415);
    house.close().await;
}

#[tokio::test]
async fn a_token_is_asked_for_and_must_be_good() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let event = r#"{"name":"page_view","visitor":"v"}"#;
    let none = house.ask(request("POST", "/api/v1/events", &[], event)).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(house.post("wfs_guess", &[], event).await.status, 401);
    let token = house.token(SiteSpec::new("s"), Scope::Browser).await;
    for name in ["token", "t"] {
        let path = format!("/api/v1/events?{name}={token}");
        let beacon = request("POST", &path, &[("content-type", "text/plain;charset=UTF-8")], event);
        assert_eq!(house.ask(beacon).await.status, 202);
    }
    house.close().await;
}

#[tokio::test]
async fn pages_of_the_sites_hosts_may_post_and_read_the_answer_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let spec = SiteSpec::new("s").host("shop.example");
    let browser = house.token(spec.clone(), Scope::Browser).await;
    let server = house.token(spec, Scope::Server).await;
    let event = r#"{"name":"page_view","visitor":"v"}"#;
    let ours = house.post(&browser, &[("origin", "https://shop.example")], event).await;
    assert_eq!(ours.status, 202);
    assert_eq!(ours.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(ours.header("access-control-allow-credentials"), None);
    let foreign = house.post(&browser, &[("origin", "https://evil.example")], event).await;
    assert_eq!(foreign.status, 403);
    let leaked = house.post(&server, &[("origin", "https://shop.example")], event).await;
    assert_eq!(leaked.status, 403);
    let preflight = |origin| request("OPTIONS", "/api/v1/events", &[("origin", origin)], "");
    let asked = house.ask(preflight("https://www.shop.example")).await;
    assert_eq!(asked.status, 204);
    assert!(asked.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(house.ask(preflight("https://evil.example")).await.status, 403);
    house.close().await;
}

#[tokio::test]
async fn a_body_is_bounded_packed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let http = Http { max_body_bytes: 10_000, ..Http::default() };
    let house = House::with(folder.path(), http).await;
    let token = house.token(SiteSpec::new("s"), Scope::Server).await;
    let event = r#"{"name":"page_view","visitor":"v"}"#;
    let packed = [("content-encoding", "gzip")];
    assert_eq!(house.post(&token, &packed, gzip(event.as_bytes())).await.status, 202);
    let large = format!("{event}\n").repeat(400);
    assert_eq!(house.post(&token, &[], large.clone()).await.status, 413);
    let small = gzip(large.as_bytes());
    assert!(small.len() < 1000);
    assert_eq!(house.post(&token, &packed, small).await.status, 413);
    assert_eq!(house.post(&token, &packed, "not gzip").await.status, 400);
    let odd = house.post(&token, &[("content-encoding", "br")], event).await;
    assert_eq!(odd.status, 415);
    house.close().await;
}

#[tokio::test]
async fn too_many_events_are_told_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let http = Http { browser_events_per_second: 1, ..Http::default() };
    let house = House::with(folder.path(), http).await;
    let token = house.token(SiteSpec::new("s"), Scope::Browser).await;
    let events = vec![r#"{"name":"click","visitor":"v"}"#; 100].join("\n");
    assert_eq!(house.post(&token, &[], events.clone()).await.status, 202);
    let answer = house.post(&token, &[], events).await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((60..=101).contains(&seconds), "{seconds}");
    house.close().await;
}

#[tokio::test]
async fn a_folder_that_is_closed_takes_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let token = house.token(SiteSpec::new("s"), Scope::Server).await;
    house.wayfarer.lake().close().await.unwrap();
    let answer = house.post(&token, &[], r#"{"name":"a","visitor":"v"}"#).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    house.close().await;
}
