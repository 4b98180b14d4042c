//! The loop in one process, from outside: what goes into the sink comes out of reports and insights.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

use std::{path::Path, sync::Arc};

use wayfarer_embedded::{ErrorKind, OpenError, Options, Request, Wayfarer};
use wayfarer_event::{Client, EventSink, InsightSource, RawEvent, Rests, SinkError, Who};
use wayfarer_session::{Clock, ManualClock};

fn view(session: &str, path: &str) -> RawEvent {
    let mut event = RawEvent::new("page_view");
    event.session = Some(session.to_owned());
    event.path = Some(path.to_owned());
    event
}

async fn open(folder: &Path) -> Wayfarer {
    Wayfarer::open(folder, Options::default()).await.unwrap()
}

async fn overview(wayfarer: &Wayfarer, site: &str) -> serde_json::Map<String, serde_json::Value> {
    let request = Request { report: "overview".into(), site: site.into(), ..Request::default() };
    wayfarer.report(request).await.unwrap().rows.remove(0)
}

/// Sends so many visits of `/` and `/next`.
async fn visits(sink: &dyn EventSink, visits: usize) {
    let events = (0..visits).flat_map(|n| ["/", "/next"].map(|path| view(&format!("s{n}"), path)));
    let receipt = sink.send(events.collect()).await.unwrap();
    assert_eq!(receipt.accepted, visits * 2);
}

/// Asks until the models know this visitor's pages: they follow the lake in a task of their own.
async fn knows(
    source: &dyn InsightSource,
    session: &str,
    pages: &[&str],
) -> wayfarer_event::Insights {
    let who = Who::Session(session.to_owned());
    loop {
        let insights = source.insights(&who).await.unwrap();
        if insights.pages == pages {
            return insights;
        }
        tokio::task::yield_now().await;
    }
}

/// A server that is too busy to show the models each event trains them from the lake instead.
#[tokio::test]
async fn what_the_models_could_not_follow_they_learn_from_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let lake = wayfarer_lake::Options { live_events: 2, ..Default::default() };
    let options = Options { lake, ..Options::default() };
    let wayfarer = Wayfarer::open(folder.path(), options).await.unwrap();
    let (sink, source) = (wayfarer.sink("shop"), wayfarer.insight_source("shop"));
    visits(&*sink, 1).await;
    knows(&*source, "s0", &["/", "/next"]).await;
    // Of a batch that is cut into hundreds of pieces most are thrown away before anybody looks.
    visits(&*sink, 400).await;
    let who = Who::Session("s399".into());
    let learnt = async {
        while source.insights(&who).await.unwrap().visits < 400 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), learnt).await.unwrap();
    let insights = source.insights(&who).await.unwrap();
    assert_eq!((insights.pages, insights.visits), (vec!["/".into(), "/next".into()], 400));
    wayfarer.close().await.unwrap();
}

#[tokio::test]
async fn the_loop_closes_and_closes_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = open(folder.path()).await;
    let (sink, source) = (wayfarer.sink("shop"), wayfarer.insight_source("shop"));
    let nobody = source.insights(&Who::Session("me".into())).await.unwrap();
    assert_eq!(nobody.rests_on, Rests::TooFew);
    visits(&*sink, 60).await;
    sink.send(vec![view("me", "/")]).await.unwrap();
    let insights = knows(&*source, "me", &["/"]).await;
    assert_eq!(insights.rests_on, Rests::Transitions);
    assert_eq!(insights.next_pages[0].path, "/next");
    wayfarer.close().await.unwrap();
    wayfarer.close().await.unwrap();
    drop((wayfarer, sink, source));

    let wayfarer = open(folder.path()).await;
    let again = knows(&*wayfarer.insight_source("shop"), "me", &["/"]).await;
    assert_eq!(again, insights, "trained is what was learnt live");
    assert_eq!(overview(&wayfarer, "shop").await["visitors"], 61);
    let (active, all) = wayfarer.presence().count("shop", wayfarer.now().into());
    assert_eq!((active, all), (61, true), "who is there is known after a restart");
    wayfarer.close().await.unwrap();
}

#[tokio::test]
async fn what_the_visitor_does_next_is_in_the_next_answer() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = open(folder.path()).await;
    let (sink, source) = (wayfarer.sink("shop"), wayfarer.insight_source("shop"));
    visits(&*sink, 60).await;
    for (n, path) in ["/", "/next", "/last"].into_iter().enumerate() {
        sink.send(vec![view("me", path)]).await.unwrap();
        knows(&*source, "me", &["/", "/next", "/last"][..=n]).await;
    }
    wayfarer.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_folder_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = open(folder.path()).await;
    let sink = wayfarer.sink("shop");
    sink.send(vec![view("a", "/")]).await.unwrap();
    wayfarer.close().await.unwrap();
    let error = sink.send(vec![view("a", "/")]).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_folder_is_held_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = open(folder.path()).await;
    let error = Wayfarer::open(folder.path(), Options::default()).await.unwrap_err();
    let OpenError::Held { process, .. } = error else { panic!("{error}") };
    assert_eq!(process, Some(std::process::id()));
    wayfarer.close().await.unwrap();
}

#[tokio::test]
async fn a_report_of_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = open(folder.path()).await;
    let request =
        Request { report: "overview".into(), site: "nobody".into(), ..Request::default() };
    let error = wayfarer.report(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownSite);
    wayfarer.close().await.unwrap();
}

#[tokio::test]
async fn no_address_and_no_salt_of_a_past_day_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new("2026-05-04T12:00:00Z".parse().unwrap()));
    let options = Options { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Options::default() };
    let wayfarer = Wayfarer::open(folder.path(), options.clone()).await.unwrap();
    let mut event = RawEvent::new("page_view");
    event.path = Some("/".to_owned());
    let ip = "203.0.113.77".parse().ok();
    event.client = Some(Client { ip, user_agent: Some("Firefox".into()), ..Client::default() });
    wayfarer.sink("shop").send(vec![event]).await.unwrap();
    wayfarer.close().await.unwrap();
    drop(wayfarer);
    assert_eq!(holding(folder.path(), b"203.0.113.77"), Vec::<String>::new());
    let control = "wayfarer.sqlite".to_owned();
    assert!(holding(folder.path(), b"2026-05-04").contains(&control), "the day of the salt");

    clock.set("2026-05-06T13:00:00Z".parse().unwrap());
    let wayfarer = Wayfarer::open(folder.path(), options).await.unwrap();
    wayfarer.close().await.unwrap();
    assert!(!holding(folder.path(), b"2026-05-04").contains(&control));
}

/// The files under a folder that hold these bytes, by name. A file that goes away meanwhile (a journal of SQLite) holds
/// nothing any more.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let holds = |file: Vec<u8>| file.windows(bytes.len()).any(|window| window == bytes);
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if std::fs::read(&path).is_ok_and(holds) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}
