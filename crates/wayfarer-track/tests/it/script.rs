//! The browser's tracker: the package is what the layer serves, and it is as small as we say.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use wayfarer_track::SCRIPT;

fn package(file: &str) -> String {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../clients/js");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn the_package_holds_the_script_that_the_layer_serves() {
    let hint = "run: cp crates/wayfarer-track/src/script.js clients/js/wayfarer-tracker.js";
    assert!(package("wayfarer-tracker.js") == SCRIPT, "{hint}");
    let manifest: serde_json::Value = serde_json::from_str(&package("package.json")).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_script_stays_small() {
    let mut gzip = Command::new("gzip")
        .arg("-9c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gzip.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
    let bytes = gzip.wait_with_output().unwrap().stdout.len();
    assert!((1000..=2200).contains(&bytes), "{bytes} bytes");
}

/// In headless Chromium.
mod real {
    use std::{sync::Arc, time::Duration};

    use axum::{
        Json, Router,
        extract::Query,
        http::header,
        response::Html,
        routing::{get, post},
    };
    use fantoccini::Locator;
    use serde_json::{Value, json};
    use wayfarer_event::{EventSink, RawEvent};
    use wayfarer_testkit::Browser;
    use wayfarer_track::{SCRIPT, Track, Tracker, TrackingLayer};

    use crate::common::{Memory, serve, tracker};

    const BODY: &str = r##"
        <button id="plain" data-wf-event="trial" data-wf-prop-plan="pro" data-wf-prop-from-page="a"><b id="inner">Try</b></button>
        <a id="outbound" href="https://other.example/path?secret=1">out</a>
        <a id="download" href="/files/Guide.PDF?x=1">file</a>
        <a id="next" href="/next">next</a>
        <form id="letter" data-wf-prop-list="news"><input name="mail" value="me@example.org"><button id="send">Send</button></form>
        <form id="post" method="post" action="/posted"><button id="submit">Post</button></form>
        <div style="height: 5000px"></div>"##;

    /// What the pages of a test do besides.
    const STAY: &str = "<script>
        addEventListener('submit', (event) => event.preventDefault());
        addEventListener('click', (event) => event.target.closest('a') && event.preventDefault());
    </script>";

    fn page(head: &str, script: &str) -> Html<String> {
        Html(format!("<!doctype html><title>A title</title>{head}{script}<body>{BODY}"))
    }

    async fn app() -> (String, Tracker, Arc<Memory>) {
        let (tracker, memory) = tracker();
        let cached = |value: &'static str| {
            get(move |track: Track| async move {
                ([(header::CACHE_CONTROL, value)], page("", &track.script_tag()))
            })
        };
        let plain = |head: &'static str| {
            get(move |track: Track| async move { page(head, &track.script_tag()) })
        };
        let router = Router::new()
            .route("/", plain(""))
            .route("/next", plain(""))
            .route("/stay", plain(STAY))
            .route("/early", plain("<script>window.wayfarer ||= (...call) => (wayfarer.q ||= []).push(call); wayfarer('early', {value: 2, props: {a: 1}})</script>"))
            .route("/gpc", plain("<script>Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})</script>"))
            .route("/posted", post(|track: Track| async move { page("", &track.script_tag()) }))
            .route("/public", cached("public, max-age=60"))
            .route("/private", cached("private, max-age=60"))
            .layer(TrackingLayer::new(tracker.clone()).script("/s.js", "/e"));
        (serve(router).await, tracker, memory)
    }

    struct Visit {
        browser: Browser,
        url: String,
        tracker: Tracker,
        memory: Arc<Memory>,
    }

    impl Visit {
        async fn start() -> Visit {
            let (url, tracker, memory) = app().await;
            Visit { browser: Browser::start("en").await.unwrap(), url, tracker, memory }
        }

        async fn goto(&self, path: &str) {
            self.browser.client().goto(&format!("{}{path}", self.url)).await.unwrap();
        }

        async fn click(&self, element: &str) {
            let found = self.browser.client().find(Locator::Css(element)).await.unwrap();
            found.click().await.unwrap();
        }

        async fn run(&self, script: &str) {
            self.browser.client().execute(script, vec![]).await.unwrap();
        }

        /// Waits until there are so many events of this name, and gives them.
        async fn events(&self, name: &str, number: usize) -> Vec<RawEvent> {
            wait(&self.memory, name, number).await
        }

        /// A beacon that comes after everything that the page has sent before: then nothing more is under way.
        async fn settle(&self) {
            let before = self.memory.named("settled").len();
            self.run("wayfarer('settled')").await;
            self.events("settled", before + 1).await;
            self.tracker.flush().await;
        }
    }

    async fn wait(memory: &Memory, name: &str, number: usize) -> Vec<RawEvent> {
        let enough = async {
            while memory.named(name).len() < number {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), enough).await;
        let events = memory.named(name);
        assert!(
            in_time.is_ok(),
            "{name}: {number} wanted, {events:?} came of {:?}",
            memory.names()
        );
        assert_eq!(events.len(), number, "{name}: {events:?}");
        events
    }

    #[tokio::test]
    async fn a_load_is_one_page_view_and_its_engagement_names_it() {
        let visit = Visit::start().await;
        visit.goto("/?utm_source=x").await;
        let view = visit.events("page_view", 1).await.remove(0);
        assert_eq!(view.status, Some(200), "the server made it");
        visit.run("scrollTo(0, 2500); return new Promise(requestAnimationFrame)").await;
        visit.click("#next").await;
        let engagement = visit.events("engagement", 1).await.remove(0);
        let props = engagement.props.unwrap();
        assert_eq!(props["page"].as_str(), view.id.as_deref());
        assert_eq!(engagement.url, view.url);
        assert_eq!(engagement.title.as_deref(), Some("A title"));
        assert!(
            engagement.active_ms.is_some_and(|active| active > 0),
            "{:?}",
            engagement.active_ms
        );
        assert!((40..100).contains(&engagement.scroll.unwrap()), "{:?}", engagement.scroll);
        let (width, height) = engagement.screen.as_deref().unwrap().split_once('x').unwrap();
        assert!(width.parse::<u32>().is_ok() && height.parse::<u32>().is_ok());
        visit.settle().await;
        let views = visit.events("page_view", 2).await;
        assert_eq!(views[1].url, Some(format!("{}/next", visit.url)));
        visit.browser.close().await.unwrap();
    }

    #[tokio::test]
    async fn what_the_server_cannot_count_the_browser_does() {
        let visit = Visit::start().await;
        visit.goto("/").await;
        visit.click("#submit").await;
        let posted = visit.events("page_view", 2).await.remove(1);
        assert_eq!((posted.status, posted.language.as_deref()), (None, Some("en")));
        assert_eq!(posted.url, Some(format!("{}/posted", visit.url)));

        // A page for shared caches, twice: from the server and from the cache.
        visit.goto("/public").await;
        visit.events("page_view", 3).await;
        visit.goto("/").await;
        visit.events("page_view", 4).await;
        visit.goto("/public").await;
        visit.events("page_view", 5).await;

        // A page that the browser keeps: the second load has the name of the first, and is counted all the same.
        visit.goto("/private").await;
        visit.events("page_view", 6).await;
        visit.goto("/").await;
        visit.events("page_view", 7).await;
        visit.goto("/private").await;
        let views = visit.events("page_view", 8).await;
        assert_eq!((views[5].status, views[7].status), (Some(200), None));

        // Back, from whatever the browser has kept.
        visit.browser.client().back().await.unwrap();
        visit.events("page_view", 9).await;
        visit.settle().await;
        let views = visit.events("page_view", 9).await;
        let ids: std::collections::HashSet<_> = views.iter().map(|view| view.id.clone()).collect();
        assert_eq!(ids.len(), 9);
        visit.browser.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_page_that_changes_without_a_load_is_a_page() {
        let visit = Visit::start().await;
        visit.goto("/").await;
        visit.run("history.pushState({}, '', '/spa/1?x=2'); document.title = 'New'").await;
        visit.run("history.replaceState({}, '', '/spa/1?x=3')").await;
        visit.run("history.pushState({}, '', '/spa/2')").await;
        visit
            .run("history.back(); return new Promise((then) => addEventListener('popstate', () => then()))")
            .await;
        visit.settle().await;
        let views = visit.events("page_view", 4).await;
        let paths = |part: fn(&RawEvent) -> Option<&String>| -> Vec<String> {
            let text = views.iter().map(|view| part(view).cloned().unwrap_or_default());
            text.map(|text| text.replace(&visit.url, "")).collect()
        };
        assert_eq!(paths(|view| view.url.as_ref()), ["/", "/spa/1?x=2", "/spa/2", "/spa/1?x=3"]);
        assert_eq!(paths(|view| view.referrer.as_ref())[1..], ["/", "/spa/1?x=2", "/spa/2"]);
        let engagements = visit.events("engagement", 3).await;
        for (engagement, view) in engagements.iter().zip(&views) {
            assert_eq!(engagement.props.as_ref().unwrap()["page"].as_str(), view.id.as_deref());
            assert_eq!(engagement.url, view.url);
        }
        assert_eq!(engagements[1].title.as_deref(), Some("New"));
        visit.browser.close().await.unwrap();
    }

    #[tokio::test]
    async fn clicks_and_forms_are_events() {
        let visit = Visit::start().await;
        visit.goto("/stay").await;
        visit.click("#inner").await;
        let trial = visit.events("trial", 1).await.remove(0);
        assert_eq!(Value::from(trial.props.unwrap()), json!({"plan": "pro", "from-page": "a"}));
        visit.click("#outbound").await;
        let outbound = visit.events("outbound", 1).await.remove(0);
        assert_eq!(
            Value::from(outbound.props.unwrap()),
            json!({"href": "https://other.example/path"})
        );
        visit.click("#download").await;
        let download = visit.events("download", 1).await.remove(0);
        let href = format!("{}/files/Guide.PDF", visit.url);
        assert_eq!(Value::from(download.props.unwrap()), json!({"href": href}));
        visit.click("#next").await;
        visit.click("#send").await;
        let form = visit.events("form_submit", 1).await.remove(0);
        assert_eq!(Value::from(form.props.unwrap()), json!({"form": "letter", "list": "news"}));
        visit.settle().await;
        let names = visit.memory.names();
        let expected = ["page_view", "trial", "outbound", "download", "form_submit", "settled"];
        assert_eq!(names, expected, "and nothing else");
        visit.browser.close().await.unwrap();
    }

    #[tokio::test]
    async fn calls_before_the_script_are_kept_and_privacy_is_respected() {
        let visit = Visit::start().await;
        visit.goto("/early").await;
        let early = visit.events("early", 1).await.remove(0);
        assert_eq!((early.value, Value::from(early.props.unwrap())), (Some(2.0), json!({"a": 1})));
        visit.goto("/gpc").await;
        visit.run("wayfarer('never'); history.pushState({}, '', '/never')").await;
        visit.goto("/").await;
        visit.settle().await;
        // The header did not come with it, so the server counted the page; the script added nothing.
        assert_eq!(visit.memory.named("page_view").len(), 3);
        assert!(visit.memory.named("never").is_empty());
        visit.browser.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_site_without_a_layer_is_counted_by_the_script_alone() {
        let memory = Arc::new(Memory::default());
        let sink = memory.clone();
        let take = move |Query(query): Query<Value>, body: String| async move {
            assert_eq!(query, json!({"token": "a&b"}));
            let event: RawEvent = serde_json::from_str(&body).unwrap();
            Json(sink.send(vec![event]).await.unwrap())
        };
        let script = || async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) };
        let collector = serve(
            Router::new().route("/script.js", get(script)).route("/api/v1/events", post(take)),
        )
        .await;
        let element =
            format!(r#"<script defer src="{collector}/script.js" data-token="a&amp;b"></script>"#);
        let site =
            serve(Router::new().route("/", get(move || async move { page("", &element) }))).await;
        let browser = Browser::start("zh-CN").await.unwrap();
        browser.client().goto(&site).await.unwrap();
        let view = wait(&memory, "page_view", 1).await.remove(0);
        assert_eq!(view.url, Some(format!("{site}/")));
        assert_eq!(view.language.as_deref(), Some("zh-CN"));
        assert_eq!(view.title.as_deref(), Some("A title"));
        browser.client().goto("about:blank").await.unwrap();
        let engagement = wait(&memory, "engagement", 1).await.remove(0);
        assert_eq!(engagement.props.unwrap()["page"].as_str(), view.id.as_deref());
        browser.close().await.unwrap();
    }
}
