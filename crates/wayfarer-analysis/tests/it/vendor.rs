//! Real data with known answers, where it is there: a month of a web site as another vendor counted it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;
use wayfarer_analysis::{Answer, Context, Request, answer};
use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{Ids, Lake, Options};

fn folder() -> Option<PathBuf> {
    let path =
        std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/../../../shared/data/plausible_markosaric";
    let path = PathBuf::from(path);
    if !path.exists() {
        println!("skipped: no shared data at {}", path.display());
    }
    path.exists().then_some(path)
}

/// The records of a CSV file whose texts are in quotes.
fn records(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(fields);
    let header = lines.next().unwrap();
    lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let (mut quoted, mut chars) = (false, line.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                fields.last_mut().unwrap().extend(chars.next());
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

fn event(record: &BTreeMap<String, String>) -> Event {
    let text =
        |field: &str| Some(record[field].as_str()).filter(|text| !text.is_empty()).map(Into::into);
    let name = if record["name"] == "pageview" { "page_view" } else { &record["name"] };
    let ts = Micros::parse(&format!("{}Z", record["timestamp"].replace(' ', "T"))).unwrap();
    Event {
        site: "markosaric.com".into(),
        visitor: VisitorId(record["user_id"].parse().unwrap()),
        visitor_kind: VisitorKind::Daily,
        name: name.into(),
        ts,
        received_at: ts,
        path: text("pathname"),
        source: text("referrer_source"),
        country: text("country_code"),
        device: text("screen_size"),
        os: text("operating_system"),
        browser: text("browser"),
        ..Event::default()
    }
}

async fn lake(folder: &std::path::Path) -> Option<Lake> {
    let csv = fs::read_to_string(self::folder()?.join("events.csv")).unwrap();
    let events: Vec<Event> = records(&csv).iter().map(event).collect();
    let lake = Lake::open(folder, Options::default()).await.unwrap();
    let half = events.len() / 2;
    lake.append(events[..half].to_vec(), Ids::Window).await.unwrap();
    lake.seal().await.unwrap();
    lake.append(events[half..].to_vec(), Ids::Window).await.unwrap();
    Some(lake)
}

fn ask(lake: &Lake, request: Request) -> Answer {
    let now = Micros::parse("2024-05-01T00:00:00Z").unwrap();
    let context = Context::new(lake.view(), jiff::tz::TimeZone::UTC, now);
    answer(&context, &Request { site: "markosaric.com".into(), ..request }).unwrap()
}

/// A breakdown as a map from key to one metric.
fn breakdown(lake: &Lake, by: &str, metric: &str) -> BTreeMap<String, u64> {
    let request = Request {
        report: "breakdown".into(),
        by: Some(by.into()),
        metrics: vec![metric.into()],
        ..Request::default()
    };
    let key = |key: &Value| key.as_str().unwrap_or("Direct / None").to_owned();
    ask(lake, request)
        .rows
        .iter()
        .map(|row| (key(&row["key"]), row[metric].as_u64().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_month_is_counted_as_the_vendor_counted_it() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(lake) = lake(temporary.path()).await else { return };
    let expected = fs::read_to_string(folder().unwrap().join("EXPECTED.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();

    let overview = ask(&lake, Request { report: "overview".into(), ..Request::default() });
    let row = &overview.rows[0];
    for total in ["visits", "visitors", "pageviews", "events"] {
        assert_eq!(row[total], expected[total], "{total}");
    }
    let near = |field: &str, of: &str, scale: f64, digit: f64| {
        let (found, wanted) =
            (row[field].as_f64().unwrap() * scale, expected[of].as_f64().unwrap());
        assert!((found - wanted).abs() <= digit / 2.0 + 1e-9, "{field} is {found}, not {wanted}");
    };
    near("bounce_rate", "bounce_rate", 100.0, 0.01);
    near("visit_duration_s", "avg_visit_duration_s", 1.0, 0.01);
    near("views_per_visit", "views_per_visit", 1.0, 0.0001);

    for (top, by, metric) in [
        ("top_sources", "source", "visits"),
        ("top_entry", "entry", "visits"),
        ("top_exit", "exit", "visits"),
        ("top_pages_pageviews", "path", "pageviews"),
        ("devices", "device", "visits"),
        ("browsers", "browser", "visits"),
        ("os", "os", "visits"),
        ("countries", "country", "visits"),
    ] {
        let found = breakdown(&lake, by, metric);
        let expected = expected[top].as_object().unwrap();
        for (key, count) in expected {
            assert_eq!(found.get(key), count.as_u64().as_ref(), "{top}: {key}");
        }
        // What is not in a list of the most frequent is no more frequent than its last; what is not known is in no list.
        let least = expected.values().filter_map(Value::as_u64).min();
        let others =
            found.iter().filter(|(key, _)| *key != "Direct / None" && !expected.contains_key(*key));
        assert!(others.map(|(_, count)| Some(*count)).max().flatten() <= least, "{top}");
    }
    let names = breakdown(&lake, "name", "events");
    for (name, count) in expected["events_by_name"].as_object().unwrap() {
        let name = if name == "pageview" { "page_view" } else { name };
        assert_eq!(names.get(name), count.as_u64().as_ref(), "{name}");
    }
    assert_eq!(names.len(), expected["events_by_name"].as_object().unwrap().len());
    let days =
        Request { report: "trend".into(), metrics: vec!["visits".into()], ..Request::default() };
    let days: BTreeMap<String, u64> = ask(&lake, days)
        .rows
        .iter()
        .map(|row| (row["t"].as_str().unwrap().to_owned(), row["visits"].as_u64().unwrap()))
        .collect();
    let vendor = expected["visits_by_start_day"].as_object().unwrap();
    assert_eq!(serde_json::json!(days), Value::Object(vendor.clone()));
    // The vendor counts a visitor on the day on which a visit starts, we on each day with an event: one visitor's visit of
    // 11 April ran over midnight.
    let mut by_start: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in ask(&lake, Request { report: "visits".into(), ..Request::default() }).rows {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        by_start.entry(text("start")[..10].to_owned()).or_default().insert(text("visitor"));
    }
    let trend =
        Request { report: "trend".into(), metrics: vec!["visitors".into()], ..Request::default() };
    for row in ask(&lake, trend).rows {
        let day = row["t"].as_str().unwrap();
        let vendor = expected["visitors_by_day"][day].as_u64().unwrap();
        assert_eq!(by_start[day].len() as u64, vendor, "{day}");
        assert_eq!(row["visitors"], vendor + u64::from(day == "2024-04-12"), "{day}");
    }
}

#[tokio::test]
async fn every_visit_is_that_of_the_vendor() {
    let temporary = tempfile::tempdir().unwrap();
    let Some(lake) = lake(temporary.path()).await else { return };
    let csv = fs::read_to_string(folder().unwrap().join("sessions.csv")).unwrap();
    let mut expected: Vec<[String; 6]> = records(&csv)
        .iter()
        .map(|record| {
            let instant = |field: &str| format!("{}Z", record[field].replace(' ', "T"));
            let visitor = format!("{:016x}", record["user_id"].parse::<u64>().unwrap());
            let bounce = (record["is_bounce"] == "1").to_string();
            [
                visitor,
                instant("start"),
                instant("timestamp"),
                record["pageviews"].clone(),
                record["events"].clone(),
                bounce,
            ]
        })
        .collect();
    let visits = ask(&lake, Request { report: "visits".into(), ..Request::default() });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    let mut found: Vec<[String; 6]> = visits
        .rows
        .iter()
        .map(|row| {
            ["visitor", "start", "end", "pageviews", "events", "bounce"]
                .map(|field| text(&row[field]))
        })
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found.len(), 1352);
    assert_eq!(found, expected);
}
