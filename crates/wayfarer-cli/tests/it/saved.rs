//! Goals and segments from the command line: saved, used in reports, forgotten; on a folder and through its server.

use serde_json::{Value, json};

use crate::run::{House, Server};

/// Six visitors in two countries; the first two of each bought.
fn fill(server: &Server, token: &str) {
    let mut events = Vec::new();
    for nth in 0..6 {
        let visitor = format!("v{nth}");
        let event = |name: &str, minute: i64| {
            json!({
                "name": name, "visitor": visitor, "path": "/", "language": if nth % 2 == 0 { "de" } else { "fr" },
                "ts": 1_777_852_800_000_i64 + minute * 60_000,
            })
        };
        events.push(event("page_view", 0));
        if nth < 4 {
            events.push(event("purchase", 3));
        }
    }
    let (status, receipt) = server.post(token, &json!({ "events": events }).to_string()).unwrap();
    assert_eq!((status, &receipt["accepted"]), (202, &json!(10)), "{receipt}");
}

fn save(house: &House, what: &[&str]) -> Value {
    house.run(&[&["admin"], what, &["--site", "s", "--json"]].concat()).json()
}

fn visitors(house: &House, more: &[&str]) -> Value {
    let report = ["report", "overview", "--site", "s", "--json"];
    house.run(&[&report, more].concat()).json()["rows"][0]["visitors"].clone()
}

fn save_all(house: &House) {
    let goal = ["goal", "add", "--name", "bought", "--filter", "name = 'purchase'"];
    assert_eq!(save(house, &goal), json!({"name": "bought", "filter": "name = 'purchase'"}));
    let german = ["segment", "add", "--name", "german", "--filter", "language = 'de'"];
    save(house, &german);
    let part = ["segment", "add", "--name", "german buyers", "--segment", "german"];
    let saved = save(house, &[&part[..], &["--did", "name = 'purchase'"]].concat());
    assert_eq!(saved["segment"], json!(["german"]));
}

fn use_all(house: &House) {
    assert_eq!(visitors(house, &[]), json!(6));
    assert_eq!(visitors(house, &["--segment", "german"]), json!(3));
    assert_eq!(visitors(house, &["--segment", "german buyers"]), json!(2));
    let by_goal = ["report", "breakdown", "--site", "s", "--by", "goal", "--json"];
    let by_goal = house.run(&by_goal).json();
    assert_eq!(by_goal["rows"][0]["key"], "bought");
    assert_eq!(by_goal["rows"][0]["visitors"], json!(4));
    let overview = house.run(&["report", "overview", "--site", "s", "--json"]).json();
    assert_eq!(overview["rows"][0]["conversions"], json!(4));
    let listed = house.run(&["admin", "segment", "list", "--site", "s", "--json"]).json();
    assert_eq!(listed[0]["name"], "german");
    assert_eq!(listed[1]["did"], json!(["name = 'purchase'"]));
}

#[test]
fn goals_and_segments_are_saved_used_and_forgotten_here_and_through_a_server() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    fill(&server, &token);
    save_all(&house);
    use_all(&house);
    server.stop();
    // The folder itself, after a restart.
    use_all(&house);
    let unknown = house.run(&["report", "overview", "--site", "s", "--segment", "germn"]);
    assert!(unknown.complaint(2).contains("did you mean `german`"), "{unknown:?}");
    let add = ["admin", "segment", "add", "--site", "s", "--name"];
    let circle = house.run(&[&add[..], &["german", "--segment", "german buyers"]].concat());
    assert!(circle.complaint(2).contains("leads back to itself"), "{circle:?}");
    let wrong = house.run(&[&add[..], &["x", "--filter", "langage = 'de'"]].concat());
    assert!(wrong.complaint(2).contains("language"), "{wrong:?}");
    let remove = |what: &str, name: &str| {
        house.run(&["admin", what, "remove", "--site", "s", "--name", name])
    };
    assert!(remove("segment", "german").complaint(2).contains("german buyers"));
    assert!(remove("segment", "german buyers").text().contains("forgotten"));
    assert!(remove("segment", "german").text().contains("forgotten"));
    assert!(remove("goal", "bought").text().contains("forgotten"));
    assert!(remove("goal", "bought").complaint(1).contains("admin goal list"));
    let list = house.run(&["admin", "goal", "list", "--site", "s", "--json"]);
    assert_eq!(list.json(), json!([]));
}
