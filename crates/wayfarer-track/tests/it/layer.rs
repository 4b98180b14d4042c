//! Which answers become page views, what they say, and what a beacon may do.

use std::sync::Arc;

use axum::{
    Router,
    http::header,
    response::{Html, Redirect},
    routing::get as on_get,
};
use serde_json::json;
use wayfarer_event::RawEvent;
use wayfarer_track::{AddressRule, Track, Tracker, TrackingLayer};

use crate::common::{Answer, Memory, get, post, serve, tracker};

struct App {
    url: String,
    tracker: Tracker,
    memory: Arc<Memory>,
}

async fn app() -> App {
    app_with(|layer| layer).await
}

async fn app_with(change: impl FnOnce(TrackingLayer) -> TrackingLayer) -> App {
    let (tracker, memory) = tracker();
    let layer = change(TrackingLayer::new(tracker.clone()).script("/wf.js", "/wf"));
    let cached = |value: &'static str| ([(header::CACHE_CONTROL, value)], Html("<p>"));
    let router = Router::new()
        .route("/", on_get(|| async { Html("<p>") }))
        .route("/product/{id}", on_get(|| async { Html("<p>") }).post(|| async { Html("<p>") }))
        .route("/gone", on_get(|| async { (axum::http::StatusCode::GONE, Html("<p>")) }))
        .route("/moved", on_get(|| async { Redirect::to("/") }))
        .route("/text", on_get(|| async { "text" }))
        .route("/unchanged", on_get(|| async { axum::http::StatusCode::NOT_MODIFIED }))
        .route(
            "/file",
            on_get(|| async { ([(header::CONTENT_DISPOSITION, "attachment")], Html("")) }),
        )
        .route("/public", on_get(move || async move { cached("max-age=60, public") }))
        .route("/shared", on_get(move || async move { cached("s-maxage=60") }))
        .route("/private", on_get(move || async move { cached("private, max-age=60") }))
        .route("/tag", on_get(|track: Track| async move { Html(track.script_tag()) }))
        .route(
            "/buy",
            on_get(|track: Track| async move {
                track.event("purchase").value(19.5).currency("EUR").prop("items", 3).send();
            }),
        )
        .layer(layer);
    App { url: serve(router).await, tracker, memory }
}

impl App {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        get(&self.url(path), headers).await
    }

    async fn beacon(&self, body: impl ToString) -> Answer {
        post(&self.url("/wf"), &[("content-type", "text/plain")], body.to_string()).await
    }

    async fn page_views(&self) -> Vec<RawEvent> {
        self.tracker.flush().await;
        self.memory.named("page_view")
    }
}

#[tokio::test]
async fn a_page_is_counted_once_and_named() {
    let app = app().await;
    let headers = [
        ("user-agent", "Mozilla/5.0 Test"),
        ("accept-language", "zh-CN,zh;q=0.9,en;q=0.5"),
        ("referer", "https://search.example/?q=boots"),
    ];
    let answer = app.get("/product/7?utm_source=letter", &headers).await;
    let views = app.page_views().await;
    let [view] = views.as_slice() else { panic!("{views:?}") };
    assert_eq!(answer.view(), view.id);
    assert_eq!(view.url, Some(app.url("/product/7?utm_source=letter")));
    assert_eq!(view.route.as_deref(), Some("/product/{id}"));
    assert_eq!(view.method.as_deref(), Some("GET"));
    assert_eq!(view.status, Some(200));
    assert_eq!(view.language.as_deref(), Some("zh-CN"));
    assert_eq!(view.referrer.as_deref(), Some("https://search.example/?q=boots"));
    assert!(view.latency_ms.is_some_and(|latency| latency >= 0.0));
    assert!(view.session.is_none() && view.user.is_none());
    let client = view.client.clone().unwrap();
    assert_eq!(client.ip, Some([127, 0, 0, 1].into()));
    assert_eq!(client.user_agent.as_deref(), Some("Mozilla/5.0 Test"));
}

#[tokio::test]
async fn only_a_page_that_somebody_sees_is_a_page_view() {
    let app = app().await;
    let document = ("sec-fetch-dest", "document");
    for (is_counted, path, headers) in [
        (true, "/", vec![]),
        (true, "/", vec![document]),
        (true, "/gone", vec![]),
        (true, "/private", vec![]),
        (true, "/unchanged", vec![document]),
        (false, "/unchanged", vec![]),
        (false, "/nowhere", vec![]),
        (false, "/moved", vec![]),
        (false, "/text", vec![]),
        (false, "/file", vec![]),
        (false, "/public", vec![]),
        (false, "/shared", vec![]),
        (false, "/", vec![("sec-fetch-dest", "empty")]),
        (false, "/", vec![("sec-fetch-dest", "iframe")]),
        (false, "/", vec![("x-requested-with", "XMLHttpRequest")]),
        (false, "/", vec![document, ("sec-purpose", "prefetch;prerender")]),
        (false, "/", vec![("purpose", "prefetch")]),
        (false, "/", vec![("x-purpose", "preview")]),
    ] {
        let before = app.page_views().await.len();
        let answer = app.get(path, &headers).await;
        let counted = app.page_views().await.len() - before;
        assert_eq!(counted, usize::from(is_counted), "{path} {headers:?}");
        assert_eq!(answer.view().is_some(), is_counted, "{path} {headers:?}");
    }
    post(&app.url("/product/7"), &[], "").await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<axum::body::Body>();
    let head = axum::http::Request::head(app.url("/")).body(axum::body::Body::empty()).unwrap();
    assert!(client.request(head).await.unwrap().headers().get("server-timing").is_none());
    assert_eq!(app.page_views().await.len(), 5);
}

#[tokio::test]
async fn who_asks_not_to_be_tracked_is_not() {
    let app = app().await;
    for header in [("dnt", "1"), ("sec-gpc", "1")] {
        assert_eq!(app.get("/", &[header]).await.view(), None);
        app.get("/buy", &[header]).await;
        assert!(app.get("/tag", &[header]).await.body.is_empty());
        let answer = post(&app.url("/wf"), &[header], r#"{"name":"click"}"#).await;
        assert_eq!(answer.status, 202);
        assert_eq!(answer.json(), json!({"accepted": 0, "declined": 1, "rejected": []}));
    }
    app.tracker.flush().await;
    assert!(app.memory.names().is_empty(), "{:?}", app.memory.names());
    assert_eq!(app.tracker.counts().declined, 8);
    assert!(app.get("/", &[("dnt", "0")]).await.view().is_some());
}

#[tokio::test]
async fn a_handler_records_events_of_its_own() {
    let app = app().await;
    app.get("/buy", &[("referer", "http://shop.example/cart")]).await;
    app.tracker.flush().await;
    let purchases = app.memory.named("purchase");
    let [event] = purchases.as_slice() else { panic!("{purchases:?}") };
    assert_eq!((event.value, event.currency.as_deref()), (Some(19.5), Some("EUR")));
    assert_eq!(serde_json::to_value(&event.props).unwrap(), json!({"items": 3}));
    assert_eq!(event.url, Some(app.url("/buy")));
    assert!(event.id.is_some() && event.ts.is_some());
}

#[tokio::test]
async fn the_address_comes_from_where_the_rule_says() {
    let app = app_with(|layer| {
        layer.address(AddressRule::Forwarded(vec!["127.0.0.0/8".parse().unwrap()]))
    })
    .await;
    app.get("/", &[("x-forwarded-for", "192.0.2.1, 203.0.113.9")]).await;
    let views = app.page_views().await;
    assert_eq!(views[0].client.clone().unwrap().ip, Some([203, 0, 113, 9].into()));
}

#[tokio::test]
async fn even_monstrous_requests_make_events_that_may_stand() {
    let app = app().await;
    let long = "/product/".to_owned() + &"x".repeat(4000);
    let agent = "a".repeat(3000);
    let referrer = format!("http://a.example/{}", "y".repeat(5000));
    app.get(&long, &[("user-agent", &agent), ("referer", &referrer), ("accept-language", "*")])
        .await;
    app.get(&format!("/?{}", "z".repeat(4000)), &[("accept-language", &"q".repeat(99))]).await;
    // The sink of the tests refuses what breaks a limit.
    let views = app.page_views().await;
    assert_eq!(views.len(), 2);
    assert_eq!(views[0].path.as_ref().map(String::len), Some(2048));
    assert_eq!(views[0].client.clone().unwrap().user_agent.map(|agent| agent.len()), Some(1024));
    assert_eq!(views[1].url, Some(app.url("/")));
}

#[tokio::test]
async fn the_script_is_served_and_kept() {
    let app = app().await;
    let answer = app.get("/wf.js", &[]).await;
    assert_eq!(answer.body, wayfarer_track::SCRIPT);
    assert_eq!(answer.headers["content-type"], "text/javascript; charset=utf-8");
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let again = app.get("/wf.js", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(app.get("/wf.js", &[("if-none-match", "\"old\"")]).await.status, 200);
    assert_eq!(post(&app.url("/wf.js"), &[], "").await.status, 405);
    let element = app.get("/tag", &[]).await;
    assert_eq!(element.body, r#"<script defer src="/wf.js" data-api="/wf"></script>"#);
    assert_eq!(app.page_views().await.len(), 1, "the script is no page");
}

#[tokio::test]
async fn a_beacon_is_taken_with_what_a_browser_may_say() {
    let app = app().await;
    let body = json!({"events": [
        {"name": "click", "url": "http://shop.example/a", "props": {"x": 1}, "age_ms": 1500},
        {"name": "purchase", "user": "root"},
        {"name": "x", "session": "somebody"},
        {"name": "x", "visitor": "somebody"},
        {"name": "x", "ts": 0},
        {"name": "x", "client": {"ip": "203.0.113.9"}},
        {"name": "x", "site": "other"},
        {"name": "x", "age_ms": 90_000_000},
        {"name": ""},
        {"name": "x", "colour": "red"},
        "no event",
        {"name": "engagement", "active_ms": 4000, "scroll": 80},
    ]});
    let before = jiff_now();
    let answer = app.beacon(body).await;
    assert_eq!(answer.status, 202);
    let receipt = answer.json();
    assert_eq!((&receipt["accepted"], &receipt["declined"]), (&json!(2), &json!(0)));
    let rejected = receipt["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(places, (1..=10).collect::<Vec<_>>());
    assert_eq!(rejected[0]["reason"], "`user` cannot be set by a browser");
    assert_eq!(rejected[6]["reason"], "`age_ms` is more than a day");

    assert_eq!(app.memory.names(), ["click", "engagement"]);
    let click = &app.memory.named("click")[0];
    assert!(click.ts.unwrap().0 <= before.0 - 1_400_000, "it was done 1.5 s ago");
    assert_eq!(click.age_ms, None);
    assert_eq!(click.client.clone().unwrap().ip, Some([127, 0, 0, 1].into()));
    let counts = app.tracker.counts();
    assert_eq!((counts.sent, counts.accepted, counts.rejected), (12, 2, 10));
}

fn jiff_now() -> wayfarer_event::Micros {
    use wayfarer_session::Clock;
    wayfarer_session::SystemClock.now().into()
}

#[tokio::test]
async fn a_beacon_that_cannot_be_taken_says_why() {
    let app = app().await;
    for (status, body, reason) in [
        (400, "", "the body is neither"),
        (400, "[]", "the body is neither"),
        (400, r#"{"events": 3}"#, "the body is neither"),
        (400, "\u{0}\u{1}", "the body is neither"),
        (413, &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000)), "the body is longer than 65536"),
        (413, &json!({"events": vec![json!({"name": "x"}); 101]}).to_string(), "more than 100"),
    ] {
        let answer = app.beacon(body).await;
        assert_eq!(answer.status, status, "{body:.40}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(reason), "{error}");
    }
    let answer = app.beacon(r#"{"name":"x","user":"root"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["accepted"]), (400, &json!(0)));
    assert_eq!(app.get("/wf", &[]).await.status, 405);
    assert!(app.memory.names().is_empty());
}

#[tokio::test]
async fn a_page_of_another_site_cannot_send_beacons() {
    let app = app().await;
    let host = app.url.strip_prefix("http://").unwrap().to_owned();
    let same = format!("http://{host}");
    for (is_taken, headers) in [
        (true, vec![]),
        (true, vec![("origin", same.as_str())]),
        (true, vec![("sec-fetch-site", "same-origin")]),
        (false, vec![("origin", "http://evil.example")]),
        (false, vec![("origin", "null")]),
        (false, vec![("sec-fetch-site", "cross-site")]),
        (false, vec![("sec-fetch-site", "same-site"), ("origin", same.as_str())]),
    ] {
        let answer = post(&app.url("/wf"), &headers, r#"{"name":"x"}"#).await;
        let status = if is_taken { 202 } else { 403 };
        assert_eq!(answer.status, status, "{headers:?}");
    }
    assert_eq!(app.memory.names().len(), 3);
}
