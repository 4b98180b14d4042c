//! The loop as a person sees it: a real browser in the demo's shop and on its dashboard.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, Locator};
use wayfarer_testkit::Browser;

use crate::run::House;

/// A running demo, killed at the end.
struct Demo {
    child: Child,
    shop: String,
    dashboard: String,
    _stdout: BufReader<ChildStdout>,
    _house: House,
}

impl Demo {
    fn start() -> Demo {
        let house = House::new();
        let mut command = house.command(&["demo", "--seed", "3", "--visitors-per-minute", "240"]);
        command.args(["--listen", "127.0.0.1:0", "--shop-listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut address = || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned()
        };
        let (shop, dashboard) = (address(), address());
        Demo { child, shop, dashboard, _stdout: stdout, _house: house }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the first element that matches, once there is one.
async fn text(page: &Client, css: &str) -> String {
    let found = page.wait().for_element(Locator::Css(css)).await;
    found.unwrap_or_else(|error| panic!("{css}: {error}"));
    texts(page, css).await.remove(0)
}

/// The texts of all elements that match, read in one step: the page changes while it is read.
async fn texts(page: &Client, css: &str) -> Vec<String> {
    let script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)";
    let texts = page.execute(script, vec![css.into()]).await.unwrap();
    serde_json::from_value(texts).unwrap()
}

/// Loads `url` again and again until a text of `css` is one that the caller waits for. The demo's visitors need a while.
async fn until(page: &Client, url: &str, css: &str, come: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        page.goto(url).await.unwrap();
        let found = texts(page, css).await;
        if let Some(text) = found.iter().find(|text| come(text)) {
            return text.clone();
        }
        assert!(Instant::now() < deadline, "{url} still shows {found:?}");
    }
}

#[tokio::test]
async fn a_new_visitor_sees_next_pages_that_follow_from_what_they_viewed() {
    let demo = Demo::start();
    let browser = Browser::start("en").await.unwrap();
    let page = browser.client();
    let home = format!("{}/", demo.shop);
    // The demo's visitors make enough visits for an answer.
    until(page, &home, ".hint li b", |name| !name.is_empty()).await;
    // The answer follows from what was viewed a moment ago, where enough visits were there; else it says what it rests on.
    let deadline = Instant::now() + Duration::from_secs(60);
    let products = [
        ("map", "Folded map"),
        ("tent", "Light tent"),
        ("mug", "Enamel mug"),
        ("compass", "Compass"),
    ]
    .into_iter()
    .cycle();
    for (product, name) in products {
        page.goto(&format!("{}/product/{product}", demo.shop)).await.unwrap();
        page.goto(&home).await.unwrap();
        let headline = text(page, ".hint h2").await;
        if headline.contains(name) {
            break;
        }
        assert!(Instant::now() < deadline, "after {product}: {headline}");
    }
    let visits: u64 = text(page, ".hint .note b").await.parse().unwrap();
    assert!(visits > 0);
    assert!(!texts(page, ".hint li a").await.is_empty());
    browser.close().await.unwrap();
}

#[tokio::test]
async fn the_dashboard_is_alive_in_both_languages() {
    let demo = Demo::start();
    let browser = Browser::start("en").await.unwrap();
    let page = browser.client();
    let positive = |text: &str| text.replace(',', "").parse::<u64>().is_ok_and(|number| number > 0);
    let dashboard = format!("{}/?lang=en", demo.dashboard);
    until(page, &dashboard, ".tiles .number", positive).await;
    assert!(page.find(Locator::Css(".chart svg")).await.is_ok());
    assert!(texts(page, ".tiles .name").await.contains(&"Visitors".to_owned()));
    // The live feed comes over server-sent events, without loading the page again.
    text(page, "#feed li").await;
    page.goto(&format!("{}/?lang=zh-CN", demo.dashboard)).await.unwrap();
    assert!(texts(page, ".tiles .name").await.contains(&"访客数".to_owned()));
    text(page, "#feed li").await;
    assert_eq!(
        page.execute("return document.documentElement.lang", vec![]).await.unwrap(),
        "zh-CN"
    );
    browser.close().await.unwrap();
}

#[tokio::test]
async fn the_tracker_in_the_shop_reports_what_a_person_did() {
    let demo = Demo::start();
    let browser = Browser::start("en").await.unwrap();
    let page = browser.client();
    // A page that no simulated visitor asks for, so that its numbers are this browser's alone.
    page.goto(&format!("{}/about?utm_source=browser-test", demo.shop)).await.unwrap();
    page.execute("wayfarer('looked_closely', { how: 'test' })", vec![]).await.unwrap();
    page.goto(&format!("{}/", demo.shop)).await.unwrap();
    let filtered = |filter: &str| format!("{}/?lang=en&filter={filter}", demo.dashboard);
    // One load of a page is one page view, though server and browser both saw it.
    let views = filtered("name%3D'page_view'%20and%20utm_source%3D'browser-test'");
    until(page, &views, ".tiles .number", |text| text == "1").await;
    until(page, &filtered("name%3D'looked_closely'"), ".tiles .number", |text| text == "1").await;
    // Leaving the page sent how long it was read.
    let read = filtered("name%3D'engagement'%20and%20path%3D'/about'");
    until(page, &read, ".tiles .number", |text| text != "0").await;
    browser.close().await.unwrap();
}
