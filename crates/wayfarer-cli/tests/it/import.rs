//! Imports: counts that are known, and the same file twice.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::run::{House, path};

/// Ten lines, of which one is there twice, one is by a bot, one has a 404, and two are no log lines at all.
const SMALL: &str = include_str!("small.log");

fn import(house: &House, file: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["import", path(file), "--site", "s", "--json"];
    arguments.extend(more);
    let mut counts = house.run(&arguments).json();
    let seconds = counts.as_object_mut().unwrap().remove("seconds").unwrap();
    assert!(seconds.as_f64().unwrap() > 0.0);
    counts
}

fn counted(counts: &Value) -> (u64, u64, u64, u64) {
    let count = |name: &str| counts[name].as_u64().unwrap();
    (count("read"), count("imported"), count("rejected"), count("visitors"))
}

fn written(house: &House, name: &str, bytes: &[u8]) -> PathBuf {
    let file = house.file(name);
    fs::write(&file, bytes).unwrap();
    file
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_small_log_is_counted_line_by_line() {
    let house = House::new();
    let log = written(&house, "small.log", SMALL.as_bytes());
    let rejects = house.file("rejects.txt");
    let counts = import(&house, &log, &["--rejects", path(&rejects)]);
    assert_eq!(counted(&counts), (10, 8, 2, 4), "{counts}");
    assert_eq!(counts["bots"], 1);

    let events = house.events();
    assert_eq!(events.len(), 8);
    assert!(events.iter().all(|event| event["site"] == "s" && event["id"].is_string()));
    assert_eq!(events.iter().filter(|event| event["status"] == 404).count(), 1);
    assert_eq!(events.iter().filter(|event| event["bot_reason"].is_string()).count(), 1);

    let rejects = fs::read_to_string(rejects).unwrap();
    let lines: Vec<Vec<&str>> = rejects.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 2, "{rejects}");
    assert_eq!((lines[0][0], lines[0][1]), (path(&log), "5"));
    assert_eq!(lines[1][1], "9");
    assert!(lines.iter().all(|line| !line[2].is_empty()));
    assert!(!rejects.contains("203.0.113."), "an address is on disk: {rejects}");
}

#[test]
fn no_address_of_a_log_is_in_the_folder() {
    let house = House::new();
    let log = written(&house, "small.log", SMALL.as_bytes());
    import(&house, &log, &[]);
    let mut folders = vec![house.data.clone()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                files += 1;
                let bytes = fs::read(entry.path()).unwrap();
                let found = bytes.windows(10).any(|window| window == b"203.0.113.");
                assert!(!found, "an address is in {}", entry.path().display());
            }
        }
    }
    assert!(files > 2);
}

#[test]
fn the_same_lines_again_add_nothing_however_they_come() {
    let house = House::new();
    let log = written(&house, "small.log", SMALL.as_bytes());
    let first = import(&house, &log, &[]);
    assert_eq!(first["imported"], 8);
    let gzip = written(&house, "small.log.gz", &packed(SMALL.as_bytes()));
    let mut lines: Vec<&str> = SMALL.lines().collect();
    lines.reverse();
    let reversed = written(&house, "reversed.log", (lines.join("\n") + "\n").as_bytes());
    for file in [&log, &gzip, &reversed] {
        let counts = import(&house, file, &[]);
        assert_eq!(counted(&counts), (10, 0, 2, 4), "{}", file.display());
        assert_eq!(counts["duplicates"], 8);
    }
    let stdin =
        house.feed(&["import", "-", "--site", "s", "--json"], &packed(SMALL.as_bytes())).json();
    assert_eq!(counted(&stdin), (10, 0, 2, 4));
    assert_eq!(house.events().len(), 8);
}

#[test]
fn several_files_are_one_import() {
    let house = House::new();
    let (head, tail) = SMALL.split_at(SMALL.find("\n203.0.113.9").unwrap() + 1);
    let (one, two) = (written(&house, "1.log", head.as_bytes()), house.file("2.log.gz"));
    fs::write(&two, packed(tail.as_bytes())).unwrap();
    let counts = import(&house, &one, &[path(&two)]);
    assert_eq!((counts["read"].as_u64(), counts["visitors"].as_u64()), (Some(10), Some(4)));
}

#[test]
fn an_import_through_a_server_counts_the_same() {
    let (alone, served) = (House::new(), House::new());
    let server = served.serve();
    let counts = |house: &House| {
        let log = written(house, "small.log", &packed(SMALL.as_bytes()));
        let rejects = house.file("rejects.txt");
        let counts = import(house, &log, &["--tz", "Asia/Tokyo", "--rejects", path(&rejects)]);
        let rejects = fs::read_to_string(rejects).unwrap();
        (counts, rejects.replace(path(&log), "small.log"), house.events())
    };
    let (mut here, mut there) = (counts(&alone), counts(&served));
    assert_eq!((&here.0, &here.1), (&there.0, &there.1));
    // Salts, writers and the time of arrival differ between two folders, and ids are keyed; the rest must not differ.
    let bare = |events: &mut Vec<Value>| {
        for event in events.iter_mut().map(|event| event.as_object_mut().unwrap()) {
            ["visitor", "id", "writer", "seq", "received_at"].iter().for_each(|name| {
                event.remove(*name).unwrap();
            });
        }
        events.sort_by_key(Value::to_string);
    };
    bare(&mut here.2);
    bare(&mut there.2);
    assert_eq!(here.2, there.2);
    assert_eq!(
        served.run(&["admin", "site", "list", "--json"]).json()[0]["timezone"],
        "Asia/Tokyo"
    );
    assert_eq!(server.stop().status, 0);
}

#[test]
fn what_cannot_be_read_is_named_before_anything_is_done() {
    let house = House::new();
    let log = written(&house, "small.log", SMALL.as_bytes());
    let missing = house.file("missing.log");
    let done = house.run(&["import", path(&log), path(&missing), "--site", "s"]);
    assert!(done.complaint(1).contains(path(&missing)), "{done:?}");
    assert!(!house.data.exists());
    let folder = house.run(&["import", "/", "--site", "s"]);
    assert!(folder.complaint(1).contains('/'), "{folder:?}");
    let rejects = house.run(&["import", path(&log), "--site", "s", "--rejects", "/nowhere/r"]);
    assert!(rejects.complaint(1).contains("/nowhere/r"), "{rejects:?}");
}

#[test]
fn what_is_no_log_and_a_damaged_file_are_one_sentence() {
    let house = House::new();
    let noise = written(&house, "noise.bin", &[0xff; 5000]);
    house.run(&["import", path(&noise), "--site", "s"]).complaint(1);
    let mut cut = packed(SMALL.repeat(50).as_bytes());
    cut.truncate(cut.len() - 20);
    let cut = written(&house, "cut.log.gz", &cut);
    house.run(&["import", path(&cut), "--site", "s"]).complaint(1);
}

#[test]
fn people_read_the_counts_too() {
    let house = House::new();
    let log = written(&house, "small.log", SMALL.as_bytes());
    let english = house.run(&["import", path(&log), "--site", "s"]);
    assert!(english.text().contains("10") && english.text().contains("8"), "{english:?}");
    assert_eq!(english.stderr, "");
}

/// The real log, where it lies beside the project, with the numbers that are known of it.
#[test]
fn the_real_log_has_its_known_numbers() {
    let log = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../../shared/data/access_logs/apache_combined.log");
    if !log.exists() {
        println!("{} is absent: the small log has to do", log.display());
        return;
    }
    let text = fs::read(&log).unwrap();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    fastrand::Rng::with_seed(5).shuffle(&mut lines);
    let shuffled = lines.concat();

    for (name, bytes) in [("plain", text.clone()), ("shuffled", shuffled), ("gz", packed(&text))] {
        let house = House::new();
        let file = written(&house, name, &bytes);
        let counts = import(&house, &file, &[]);
        assert_eq!(counted(&counts), (10_000, 10_000, 0, 2_095), "{name}");
        let again = import(&house, &log, &[]);
        assert_eq!(counted(&again), (10_000, 0, 0, 2_095), "{name}");
        check_days(&house);
    }
}

/// The known numbers are of lines whose status is not 4xx, so the report leaves those out too.
fn check_days(house: &House) {
    let mut arguments = vec!["report", "trend", "--site", "s", "--metrics", "visitors"];
    arguments.extend(["--interval", "day", "--bots", "--json"]);
    arguments.extend(["--filter", "status < 400 or status >= 500"]);
    let answer = house.run(&arguments).json();
    assert_eq!(answer["exact"], true);
    let days: Vec<&Value> =
        answer["rows"].as_array().unwrap().iter().map(|row| &row["visitors"]).collect();
    assert_eq!(days, [359, 643, 570, 523]);
}
