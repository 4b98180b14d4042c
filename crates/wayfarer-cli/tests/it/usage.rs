//! The command line itself: help, wrong usage, languages, a reader that goes away.

use std::{io::Read as _, process::Stdio};

use crate::run::{Done, House, wayfarer};

fn run(arguments: &[&str]) -> Done {
    wayfarer().args(arguments).output().unwrap().into()
}

/// After a change on purpose: `wayfarer --help > tests/it/help.txt`.
#[cfg(feature = "demo")]
#[test]
fn help_is_as_it_was() {
    assert_eq!(run(&["--help"]).text(), include_str!("help.txt"));
}

#[test]
fn help_is_made_from_the_tables() {
    let report = run(&["report", "--help"]);
    for name in ["overview", "trend", "breakdown", "visits"] {
        assert!(report.text().contains(&format!("\n  {name} ")), "{name}");
    }
    for flag in ["--from", "--filter", "--by", "--metrics", "--interval", "--bots", "--csv"] {
        assert!(report.text().contains(flag), "{flag}");
    }
    let import = run(&["import", "--help"]);
    assert!(import.text().contains("\n  combined ") && import.text().contains("\n  common "));
    let export = run(&["export", "--help"]);
    assert!(export.text().contains("\n  parquet ") && export.text().contains("\n  ndjson "));
}

#[test]
fn wrong_usage_is_status_2_and_says_what_is_right() {
    for (arguments, hint) in [
        (&[][..], "Usage:"),
        (&["sevre"], "serve"),
        (&["query"], "SQL"),
        (&["session", "list"], "--store"),
        (&["report", "overveiw", "--site", "s"], "overview"),
        (&["report", "overview"], "--site"),
        (&["report", "overview", "--site", "s", "--csv", "--json"], "cannot be used with"),
        (&["report", "overview", "--site", "s", "--limit", "many"], "--limit"),
        (&["serve", "--listen", "here"], "127.0.0.1:8080"),
        (&["import", "--site", "s"], "FILE"),
        (&["import", "x", "--site", "s", "--format", "xml"], "combined"),
        (&["import", "x", "--site", "s", "--tz", "Mars"], "Europe/Berlin"),
        (&["admin", "token", "create", "--site", "s", "--scope", "all"], "browser"),
        (&["status", "--lang", "tlh"], "zh-CN"),
        (&["export", "events.xml"], "parquet, csv, ndjson"),
    ] {
        let done = run(arguments);
        assert_eq!(done.status, 2, "{arguments:?}: {done:?}");
        assert_eq!(done.stdout, "", "{arguments:?}");
        assert!(done.stderr.contains(hint), "{arguments:?}: {}", done.stderr);
    }
}

/// The addresses under `/local/` are between programs of one version, which may be built with different features.
#[cfg(not(feature = "sql"))]
#[test]
fn a_server_without_sql_says_so() {
    use std::io::{Read as _, Write as _};

    let house = House::with_site("s");
    let _server = house.serve();
    let mut stream =
        std::os::unix::net::UnixStream::connect(house.data.join("wayfarer.sock")).unwrap();
    let head = "POST /local/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 501 ") && answer.contains("built without SQL"),
        "{answer}"
    );
}

#[cfg(not(feature = "sql"))]
#[test]
fn a_build_without_sql_says_how_to_get_it_and_what_duckdb_answers() {
    let house = House::with_site("s");
    let done = house.run(&["query", "select count(*) from lake.events"]);
    let said = done.complaint(1);
    assert!(said.contains("--features sql`, or ask DuckDB: INSTALL ducklake;"), "{said}");
    assert!(said.ends_with("select count(*) from lake.events"), "{said}");
    let chinese = house.run(&["--lang", "zh-CN", "query", "select 1"]);
    assert!(chinese.complaint(1).contains("或用 DuckDB"), "{chinese:?}");
    assert!(house.run(&["query", "select 1"]).stderr.contains(house.data.to_str().unwrap()));
}

#[test]
fn a_configuration_that_cannot_be_used_is_named() {
    let house = House::new();
    let file = house.file("wayfarer.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"").unwrap();
    let done = house.run(&["status", "--config", file.to_str().unwrap()]);
    assert!(done.complaint(2).contains("lisen"), "{done:?}");
    let done = house.run(&["status", "--config", "/nowhere/wayfarer.toml"]);
    assert!(done.complaint(1).contains("/nowhere/wayfarer.toml"), "{done:?}");
}

#[test]
fn errors_come_in_the_language_of_the_reader() {
    let house = House::new();
    let english = house.run(&["status"]);
    let chinese = house.run(&["status", "--lang", "zh-CN"]);
    let environment = house.command(&["status"]).env("LC_ALL", "zh_CN.UTF-8").output().unwrap();
    let environment = Done::from(environment);
    assert!(english.complaint(1).contains("--data"), "{english:?}");
    assert!(chinese.complaint(1).contains("--data"), "{chinese:?}");
    assert!(chinese.stderr.contains('，') && !english.stderr.contains('，'), "{chinese:?}");
    assert_eq!(chinese.stderr, environment.stderr);
}

/// Nobody reads: the command ends well and says nothing.
#[test]
fn a_closed_pipe_is_no_failure() {
    let house = House::with_site("s");
    let arguments: [&[&str]; 4] = [
        &["status"],
        &["status", "--json"],
        &["report", "overview", "--site", "s"],
        &["admin", "site", "list"],
    ];
    for arguments in arguments {
        let mut command = house.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
