//! Bots told from browsers, against public collections of user agents where they are present.

use wayfarer_collect::{Collector, Door, DoorKind, Outcome, Site};
use wayfarer_event::{Client, RawEvent};

use crate::support::{NOW, collector, shared};

fn reason(collector: &Collector, agent: &str) -> Option<String> {
    let site = Site::new("s");
    let client = Client {
        ip: Some("192.0.2.1".parse().unwrap()),
        user_agent: Some(agent.into()),
        ..Client::default()
    };
    let door =
        Door { site: &site, kind: DoorKind::Browser, client: Some(&client), received_at: NOW };
    match collector.collect(RawEvent::new("page_view"), &door) {
        Outcome::Take(event) => event.bot_reason.map(Into::into),
        other => panic!("{other:?}"),
    }
}

#[test]
fn known_crawlers_are_found() {
    let Some(bytes) = shared("user_agents/crawler-user-agents.json") else { return };
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
    let collector = collector();
    let (mut all, mut found) = (0, 0);
    for agent in rows.iter().filter_map(|row| row["instances"].as_array()).flatten() {
        let agent = agent.as_str().unwrap();
        all += 1;
        match reason(&collector, agent) {
            Some(_) => found += 1,
            None => println!("missed: {agent}"),
        }
    }
    println!("{found} of {all} crawlers found");
    assert!(found * 100 >= all * 98, "{found} of {all}");
}

/// Families that are browsers.
#[rustfmt::skip]
static BROWSERS: &[&str] = &[
    "Chrome", "Firefox", "Safari", "Edge", "Opera", "IE", "Samsung Internet", "Mobile Safari", "Chrome Mobile",
    "Chrome Mobile iOS", "Chrome Mobile WebView", "Firefox Mobile", "Firefox iOS", "Opera Mobile", "Opera Mini", "Android", "UC Browser", "QQ Browser",
    "QQ Browser Mobile", "Yandex Browser", "IE Mobile", "BlackBerry WebKit", "Vivaldi", "Brave", "Chromium", "Edge Mobile", "Mobile Safari UI/WKWebView",
    "Facebook", "Instagram", "Konqueror", "Epiphany", "SeaMonkey", "Camino", "Iceweasel", "Pale Moon", "Maxthon",
    "Netscape", "Silk", "Amazon Silk", "Baidu Browser", "Sogou Explorer", "MiuiBrowser", "Whale", "DuckDuckGo Mobile", "Nokia Browser",
    "NetFront", "Opera Tablet", "Puffin", "Lynx", "Links", "Dolfin", "Polaris", "Obigo", "Teleca Browser",
];

#[test]
fn browsers_are_no_bots() {
    let Some(bytes) = shared("user_agents/test_ua.yaml") else { return };
    let text = String::from_utf8(bytes).unwrap();
    let collector = collector();
    let (mut all, mut wrong) = (0, 0);
    let mut agent = None;
    for line in text.lines() {
        if let Some(value) = line.trim().strip_prefix("- user_agent_string:") {
            agent = Some(unquote(value));
        } else if let Some(value) = line.trim().strip_prefix("family:") {
            let (family, agent) = (unquote(value), agent.take().unwrap());
            let found = reason(&collector, &agent);
            if std::env::var("SHOW_ALL").is_ok() && found.is_some() {
                println!("{family} | {} | {agent}", found.clone().unwrap());
            }
            if !BROWSERS.contains(&family.as_str()) {
                continue;
            }
            all += 1;
            if let Some(found) = found {
                wrong += 1;
                println!("wrong: {family} | {found} | {agent}");
            }
        }
    }
    println!("{wrong} of {all} browsers taken for bots");
    assert!(wrong * 100 <= all, "{wrong} of {all}");
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inside = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    inside.map(|value| value.replace("''", "'")).unwrap_or_else(|| value.trim_matches('"').into())
}
