//! Reports, insights, health: who may read what.

use serde_json::json;
use wayfarer_embedded::{Scope, SiteSpec};
use wayfarer_server::config::Http;

use crate::house::House;

/// Some visits of `/` then `/next`, from so many sessions.
async fn visits(house: &House, token: &str, sessions: std::ops::Range<u32>) {
    let events: Vec<_> = sessions
        .flat_map(|n| {
            ["/", "/next"]
                .map(|path| json!({"name": "page_view", "session": format!("s{n}"), "path": path}))
        })
        .collect();
    let answer = house.post(token, &[], json!({ "events": events }).to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[tokio::test]
async fn reports_are_read_on_loopback_or_with_a_server_token_of_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let http = Http { hosts: vec!["stats.example".to_owned()], ..Http::default() };
    let house = House::with(folder.path(), http).await;
    let server = house.token(SiteSpec::new("s"), Scope::Server).await;
    let browser = house.token(SiteSpec::new("s"), Scope::Browser).await;
    visits(&house, &server, 0..3).await;
    let path = "/api/v1/report/breakdown?site=s&by=path";
    for host in ["localhost:8080", "127.0.0.1", "[::1]:80", "stats.example"] {
        let answer = house.get(path, &[("host", host)]).await;
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(answer.json()["rows"][0]["visitors"], 3);
    }
    assert_eq!(house.get(path, &[("host", "evil.example")]).await.status, 421);
    let with = |token: &str| format!("Bearer {token}");
    let from_afar = [("host", "evil.example"), ("authorization", &with(&server))];
    assert_eq!(house.get(path, &from_afar).await.status, 200);
    let other = "/api/v1/report/overview?site=other";
    assert_eq!(house.get(other, &from_afar).await.status, 403);
    assert_eq!(house.get(path, &[("authorization", &with(&browser))]).await.status, 403);
    assert_eq!(house.get(path, &[("authorization", "Bearer wfs_guess")]).await.status, 401);
    house.close().await;
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    house.token(SiteSpec::new("s"), Scope::Server).await;
    for (path, status, word) in [
        ("/api/v1/report/overview?site=nobody", 404, "nobody"),
        ("/api/v1/report/overview", 400, "site"),
        ("/api/v1/report/overveiw?site=s", 400, "overview"),
        ("/api/v1/report/breakdown?site=s", 400, "by"),
        ("/api/v1/report/overview?site=s&filter=path+%3D", 400, "filter"),
        ("/api/v1/report/overview?site=s&colour=red", 400, "colour"),
        ("/api/v1/nothing", 404, "nothing"),
    ] {
        let answer = house.get(path, &[]).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(
            answer.json()["error"].as_str().unwrap().contains(word),
            "{path}: {}",
            answer.text()
        );
    }
    house.close().await;
}

#[tokio::test]
async fn insights_follow_what_happens_and_need_a_server_token() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let server = house.token(SiteSpec::new("s"), Scope::Server).await;
    let browser = house.token(SiteSpec::new("s"), Scope::Browser).await;
    let mut lake = house.wayfarer.lake().subscribe();
    visits(&house, &server, 0..60).await;
    let event = r#"{"name":"page_view","session":"me","path":"/"}"#;
    house.post(&server, &[], event).await;
    let mut seen = 0;
    while seen < 121 {
        seen += lake.next().await.unwrap().events.len();
    }
    let bearer = format!("Bearer {server}");
    let with_token = [("authorization", bearer.as_str())];
    let ask = || house.get("/api/v1/insights?session=me", &with_token);
    // The models follow in a task of their own, which has been woken by now but need not have run.
    let mut insights = ask().await.json();
    while insights["pages"] != json!(["/"]) {
        tokio::task::yield_now().await;
        insights = ask().await.json();
    }
    assert_eq!(insights["next_pages"][0]["path"], "/next", "{insights}");
    assert_eq!(insights["rests_on"], "transitions", "{insights}");
    assert!(insights["visits"].as_u64().unwrap() >= 60, "{insights}");

    let bearer = format!("Bearer {browser}");
    let refused = house.get("/api/v1/insights?session=me", &[("authorization", &bearer)]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(house.get("/api/v1/insights?session=me", &[]).await.status, 401);
    let bearer = format!("Bearer {server}");
    let unclear = house.get("/api/v1/insights", &[("authorization", &bearer)]).await;
    assert_eq!(unclear.status, 400);
    house.close().await;
}

#[tokio::test]
async fn anybody_may_ask_for_health_and_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let health = house.get("/healthz", &[("host", "anything.example")]).await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    let script = house.get("/script.js", &[("host", "anything.example")]).await;
    assert_eq!(script.status, 200);
    assert_eq!(script.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert!(script.header("content-type").unwrap().starts_with("text/javascript"));
    let tag = script.header("etag").unwrap();
    let again = house.get("/script.js", &[("if-none-match", tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    house.close().await;
}
