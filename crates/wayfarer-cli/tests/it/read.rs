//! What is read back: the same through a running server as from the folder itself, hot rows too.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::run::{House, Server, path};

const DAY: i64 = 86_400_000;
/// 2026-05-04T00:00:00Z in Unix milliseconds.
const START: i64 = 1_777_852_800_000;

/// Three days of two visitors and a bot; nothing here depends on the time of the test.
pub(crate) fn fill(server: &Server, token: &str) {
    let mut events = Vec::new();
    for day in 0..3 {
        for (place, path) in ["/", "/product/7", "/cart"].iter().enumerate() {
            for visitor in ["anna", "bo"] {
                events.push(json!({
                    "name": "page_view", "id": format!("{day}.{place}.{visitor}"),
                    "visitor": visitor, "path": path, "host": "shop.example",
                    "ts": START + day * DAY + place as i64 * 60_000, "status": 200,
                    "props": {"plan": "pro"},
                }));
            }
        }
        events.push(json!({
            "name": "purchase", "id": format!("{day}.purchase"), "visitor": "anna",
            "ts": START + day * DAY + 240_000, "value": 19.5, "currency": "EUR",
        }));
        events.push(json!({
            "name": "page_view", "id": format!("{day}.bot"), "path": "/",
            "ts": START + day * DAY,
            "client": {"ip": "198.51.100.9", "user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"},
        }));
    }
    let number = events.len();
    let (status, receipt) = server.post(token, &json!({ "events": events }).to_string()).unwrap();
    assert_eq!((status, &receipt["accepted"]), (202, &json!(number)), "{receipt}");
}

/// Everything that reads, on the folder as it is now; what depends on the moment is taken out.
fn read_all(house: &House) -> BTreeMap<String, String> {
    let export = |name: &str| path(&house.file(name)).to_owned();
    let files = ["all.csv", "all.ndjson", "day.csv"].map(export);
    let commands: [&[&str]; 8] = [
        &["report", "overview", "--site", "s", "--json"],
        &["report", "overview", "--site", "s", "--bots", "--csv"],
        &[
            "report",
            "trend",
            "--site",
            "s",
            "--interval",
            "day",
            "--from",
            "2026-05-04",
            "--to",
            "2026-05-06",
            "--json",
        ],
        &["report", "breakdown", "--site", "s", "--by", "path"],
        &["report", "visits", "--site", "s", "--limit", "2", "--json"],
        &["export", &files[0], "--json"],
        &["export", &files[1], "--site", "s", "--json"],
        &["export", &files[2], "--from", "2026-05-05", "--to", "2026-05-05", "--json"],
    ];
    let mut said = BTreeMap::new();
    for arguments in commands {
        said.insert(arguments.join(" "), without_moment(house.run(arguments).text()));
    }
    for file in files {
        said.insert(file.clone(), fs::read_to_string(file).unwrap());
    }
    said
}

/// Takes the position that an answer was read at out of it: a seal moves it and changes no row.
fn without_moment(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if let Some(meta) = value.get_mut("meta").and_then(Value::as_object_mut) {
        ["snapshot", "next_seq", "position", "seconds"]
            .iter()
            .for_each(|name| _ = meta.remove(*name));
    }
    value.to_string()
}

#[test]
fn a_server_and_the_folder_itself_give_the_same() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    let hot = house.run(&["status", "--json"]).json();
    let through_server = read_all(&house);
    let stopped = server.stop();
    assert_eq!((stopped.status, stopped.stderr.as_str()), (0, ""), "{stopped:?}");
    let sealed = house.run(&["status", "--json"]).json();
    let from_folder = read_all(&house);
    for (command, said) in &from_folder {
        assert_eq!(said, &through_server[command], "{command}");
    }
    assert_eq!(hot["lake"]["rows"], 24);
    assert_eq!(sealed["lake"]["rows"], 24);
    assert_eq!(sealed["lake"]["hot_rows"], 0);
    assert!(sealed["lake"]["duckdb"].as_str().unwrap().contains(path(&house.data)));
}

#[test]
fn a_killed_server_leaves_the_same_answers() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    let before = read_all(&house);
    server.kill();
    assert_eq!(read_all(&house), before);
}

#[test]
fn reports_are_right_and_readable() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    let report = |arguments: &[&str]| {
        let mut all = vec!["report"];
        all.extend(arguments);
        all.extend(["--site", "s"]);
        house.run(&all)
    };
    let overview = report(&["overview", "--json"]).json();
    assert_eq!(overview["report"], "overview");
    let row = &overview["rows"][0];
    assert_eq!(
        (&row["visitors"], &row["visits"], &row["pageviews"]),
        (&json!(2), &json!(6), &json!(18))
    );

    let trend = report(&["trend", "--metrics", "pageviews,visitors", "--interval", "day", "--csv"]);
    let lines: Vec<&str> = trend.text().lines().collect();
    assert_eq!(lines[0], "t,pageviews,visitors");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].starts_with("2026-05-04") && lines[1].ends_with(",6,2"), "{lines:?}");

    // Purchases have no path: they are a row of their own.
    let table = report(&["breakdown", "--by", "path", "--metrics", "visitors,pageviews"]);
    assert_eq!(table.text().lines().count(), 5, "{table:?}");
    assert!(table.text().contains("/product/7") && table.text().contains('—'), "{table:?}");
    let chinese =
        report(&["breakdown", "--by", "path", "--metrics", "visitors", "--lang", "zh-CN"]);
    assert!(chinese.text().contains("访客"), "{chinese:?}");

    let smallest = report(&["breakdown", "--by", "name", "--order", "-visitors", "--csv"]);
    assert!(smallest.text().lines().nth(1).unwrap().starts_with("purchase,1,"), "{smallest:?}");

    let empty =
        report(&["breakdown", "--by", "path", "--from", "2020-01-01", "--to", "2020-01-02"]);
    assert_eq!(empty.text().lines().count(), 1, "{empty:?}");

    let wrong = report(&["breakdown", "--by", "nothing"]);
    assert!(wrong.complaint(2).contains("nothing"), "{wrong:?}");
    let wrong = report(&["overview", "--filter", "path ="]);
    wrong.complaint(2);
    let wrong = house.run(&["report", "overview", "--site", "t"]);
    assert!(wrong.complaint(2).contains('t'), "{wrong:?}");
}

#[test]
fn exports_are_whole_and_hot_rows_are_in_them() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    let parquet = house.file("events.parquet");
    let done = house.run(&["export", path(&parquet), "--json"]).json();
    assert_eq!(done["events"], 24);
    assert!(fs::read(&parquet).unwrap().starts_with(b"PAR1"));
    let events = house.events();
    let ids: std::collections::BTreeSet<&str> =
        events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 24);
    assert!(
        events
            .iter()
            .all(|event| event.as_object().unwrap().len() == events[0].as_object().unwrap().len())
    );
    let purchase = events.iter().find(|event| event["id"] == "1.purchase").unwrap();
    assert_eq!((&purchase["value"], &purchase["currency"]), (&json!(19.5), &json!("EUR")));
    assert_eq!(purchase["ts"], "2026-05-05T00:04:00Z");

    let day = house.file("day.csv");
    let done = house.run(&[
        "export",
        path(&day),
        "--site",
        "s",
        "--from",
        "2026-05-05",
        "--to",
        "2026-05-05",
        "--json",
    ]);
    assert_eq!(done.json()["events"], 8);
    let unknown = house.run(&["export", path(&day), "--site", "t"]);
    assert!(unknown.complaint(2).contains('t'), "{unknown:?}");
    let lost = house.run(&["export", "/nowhere/events.csv"]);
    assert!(lost.complaint(1).contains("/nowhere/events.csv"), "{lost:?}");
}
