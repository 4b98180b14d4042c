//! The care of a data folder: the same through a running server as on the folder itself.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::run::{House, Server, path};

/// A word that stands in no other event.
const WORD: &str = "zz-mary";

/// Two people in several batches, each sealed by itself.
fn fill(house: &House, token: &str) {
    for batch in 0..3 {
        let server = house.serve();
        let mary = |n: i32| {
            json!({
                "name": "page_view", "id": format!("{WORD}-{batch}.{n}"), "user": format!("{WORD}@s.example"),
                "visitor": format!("{WORD}-cookie"), "path": format!("/{WORD}/{n}"), "props": {"note": WORD},
            })
        };
        let before_log_in =
            json!({"name": "click", "visitor": format!("{WORD}-cookie"), "path": "/hello"});
        let john = |n: i32| json!({"name": "click", "id": format!("john-{batch}.{n}"), "user": "john", "visitor": "j"});
        let mut events: Vec<Value> = (0..5).flat_map(|n| [mary(n), john(n)]).collect();
        events.push(before_log_in);
        let (status, _) = server.post(token, &json!({ "events": events }).to_string()).unwrap();
        assert_eq!(status, 202);
        if batch < 2 {
            assert_eq!(server.stop().status, 0);
        } else {
            // What is only in the log has to go as well.
            server.kill();
        }
    }
}

/// Every file under a folder that holds the word.
fn traces(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() {
            found.extend(traces(&entry.path()));
        } else if file_type.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let word = WORD.as_bytes();
            if bytes.windows(word.len()).any(|window| window == word) {
                found.push(path(&entry.path()).to_owned());
            }
        }
    }
    found
}

fn house() -> (House, String) {
    let house = House::with_site("s");
    let token = house.token("s");
    fill(&house, &token);
    (house, token)
}

/// Compacts, checks, exports a person, erases her and looks for her; gives what was said, without times.
fn care(house: &House) -> Vec<Value> {
    let mut said = vec![
        house.run(&["compact", "--json"]).json(),
        house.run(&["check", "--json"]).json(),
        house.run(&["report", "breakdown", "--by", "name", "--site", "s", "--json"]).json()["rows"]
            .clone(),
    ];
    let file = house.file("mary.ndjson");
    let user = format!("{WORD}@s.example");
    said.push(
        house.run(&["export", path(&file), "--user", &user, "--json"]).json()["events"].clone(),
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("/hello") && !text.contains("john"), "{text}");
    assert!(!traces(&house.data).is_empty());
    let mut receipt = house.run(&["erase", "--user", &user, "--json"]).json();
    assert!(receipt["erased_at"].as_i64().unwrap() > 0);
    receipt["erased_at"] = Value::Null;
    receipt["snapshots"] = Value::Null;
    receipt["wal_segments"] = Value::Null;
    said.push(receipt);
    assert_eq!(traces(&house.data), [""; 0]);
    said.push(house.run(&["check", "--json"]).json()["problems"].clone());
    said
}

#[test]
fn a_server_and_the_folder_itself_care_alike() {
    let (here, _) = house();
    let from_folder = care(&here);
    let (there, token) = house();
    let server: Server = there.serve();
    // A seal of what the log held makes files that a compaction finds; so does a restart.
    let through_server = care(&there);
    assert_eq!(from_folder[2..], through_server[2..]);
    assert_eq!(from_folder[1]["problems"], json!([]));
    assert_eq!(through_server[1]["problems"], json!([]));
    assert_eq!(from_folder[3], 18);
    assert_eq!((&from_folder[4]["rows"], &from_folder[4]["visitors"]), (&json!(18), &json!(1)));

    // A spool sends an old event of hers again.
    let old = json!({
        "name": "page_view", "id": format!("{WORD}-0.1"), "user": format!("{WORD}@s.example"),
        "visitor": format!("{WORD}-cookie"), "ts": 1_700_000_000_000_i64,
    });
    assert_eq!(server.post(&token, &old.to_string()).unwrap().0, 202);
    assert_eq!(traces(&there.data), [""; 0]);
    assert_eq!(server.stop().status, 0);
    assert_eq!(there.events().len(), 15);
    assert_eq!(traces(&there.data), [""; 0]);
}

#[test]
fn events_are_kept_as_long_as_the_site_says() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    let old = json!({"name": "a", "id": "old", "visitor": "v", "ts": "2020-01-01T00:00:00Z"});
    let new = json!({"name": "a", "id": "new", "visitor": "v"});
    let body = json!({ "events": [old, new] }).to_string();
    assert_eq!(server.post(&token, &body).unwrap().0, 202);
    assert_eq!(server.stop().status, 0);
    house.run(&["compact"]).text();
    assert_eq!(house.events().len(), 2);
    house.run(&["admin", "site", "add", "s", "--keep-days", "30"]).text();
    assert_eq!(house.run(&["admin", "site", "list", "--json"]).json()[0]["keep_days"], 30);
    assert_eq!(house.run(&["compact", "--json"]).json()["expired"], 1);
    let left = house.events();
    assert_eq!((left.len(), &left[0]["id"]), (1, &json!("new")));
    assert_eq!(house.run(&["check", "--json"]).json()["problems"], json!([]));
    let wrong = house.run(&["admin", "site", "add", "s", "--keep-days", "0"]);
    assert!(wrong.complaint(2).contains("36525"), "{wrong:?}");
}

#[test]
fn a_damaged_file_is_named_and_stops_nothing_else() {
    let (house, token) = house();
    let events = house.data.join("lake/main/events");
    let file = fs::read_dir(events).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&file, bytes).unwrap();
    let done = house.run(&["check"]);
    assert_eq!(done.status, 1, "{done:?}");
    assert!(done.stdout.contains(path(&file)), "{done:?}");
    assert!(done.stderr.contains("one problem"), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    // Events are still taken, and whoever needs the file is told which it is.
    let server = house.serve();
    let event = json!({"name": "a", "visitor": "v"}).to_string();
    assert_eq!(server.post(&token, &event).unwrap().0, 202);
    let export = house.run(&["export", path(&house.file("all.csv"))]);
    assert!(export.complaint(1).contains(path(&file)), "{export:?}");
}

#[test]
fn nobody_is_erased_by_accident() {
    let house = House::with_site("s");
    let done = house.run(&["erase"]);
    assert!(done.complaint(2).contains("--user"), "{done:?}");
    assert_eq!(house.run(&["erase", "--user", "a", "--visitor", "0000000000000001"]).status, 2);
    let wrong = house.run(&["erase", "--visitor", "mary"]);
    assert!(wrong.status == 2 && wrong.stderr.contains("hexadecimal"), "{wrong:?}");
    let wrong = house.run(&["erase", "--user", "a", "--site", "t"]);
    assert!(wrong.complaint(2).contains('t'), "{wrong:?}");
    let none = house.run(&["erase", "--user", "a", "--json"]).json();
    assert_eq!((&none["rows"], &none["models"]), (&json!(0), &json!(0)));
}
