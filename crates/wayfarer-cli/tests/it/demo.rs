//! The demo: the whole loop over real HTTP, ended with counts that agree.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::run::{Done, House, clean, wayfarer};

fn counts(line: &str) -> Value {
    let counts: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(counts["acknowledged"], counts["counted"], "{counts}");
    assert_eq!(counts["dropped"], 0, "{counts}");
    assert_eq!(counts["failed_requests"], 0, "{counts}");
    let number = |name: &str| counts[name].as_u64().unwrap();
    assert_eq!(
        number("sent"),
        number("acknowledged") + number("declined") + number("rejected") + number("dropped"),
        "{counts}"
    );
    counts
}

#[test]
fn a_short_demo_ends_with_equal_counts() {
    let house = House::new();
    let arguments = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--shop-listen",
        "127.0.0.1:0",
        "--exit-after",
        "6",
        "--seed",
        "1",
    ];
    let done = house.run(&arguments);
    let lines: Vec<&str> = done.text().lines().collect();
    let first = counts(lines.last().unwrap());
    assert!(first["sent"].as_u64().unwrap() > 200, "{first}");
    assert_eq!(
        lines.iter().filter(|line| line.contains("http://127.0.0.1:")).count(),
        2,
        "{lines:?}"
    );

    // The folder stays, and a second demo on it counts what it added itself.
    let status = house.run(&["status", "--json"]).json();
    assert_eq!(status["lake"]["rows"], first["counted"]);
    let mut again = arguments.to_vec();
    again.push("--json");
    let done = house.run(&again);
    let second = counts(done.text().trim_end());
    let status = house.run(&["status", "--json"]).json();
    let both = first["counted"].as_u64().unwrap() + second["counted"].as_u64().unwrap();
    assert_eq!(status["lake"]["rows"].as_u64(), Some(both));

    let names = house.run(&["report", "breakdown", "--site", "shop", "--by", "name", "--csv"]);
    for name in ["page_view", "engagement", "add_to_cart", "login", "login_failed", "purchase"] {
        assert!(names.text().contains(&format!("\n{name},")), "{name}: {}", names.text());
    }
}

#[test]
fn ctrl_c_ends_a_demo_well() {
    let mut command = wayfarer();
    command.args([
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--shop-listen",
        "127.0.0.1:0",
        "--seed",
        "2",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    let id = child.id().to_string();
    assert!(
        clean(std::process::Command::new("kill")).args(["-INT", &id]).status().unwrap().success()
    );
    let last = stdout.lines().map(Result::unwrap).last().unwrap();
    counts(&last);
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{done:?}");
}

#[test]
fn a_demo_on_a_taken_port_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flags in [
        ["--listen", &address, "--shop-listen", "127.0.0.1:0"],
        ["--shop-listen", &address, "--listen", "127.0.0.1:0"],
    ] {
        let done = Done::from(wayfarer().arg("demo").args(flags).output().unwrap());
        assert!(done.complaint(1).contains(&address), "{done:?}");
    }
}
