//! A full disk: one sentence, status 1, and nothing lost that was acknowledged.
//!
//! The disk is a small tmpfs in a mount namespace of its own, so that nothing outside sees it and nothing stays behind.
//! As root that needs nothing; for other users the kernel must allow user namespaces.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use serde_json::json;

use crate::run::{Done, House, Server, clean, path};

/// A shell script in a world where `folder` is a disk of `bytes`; the binary and its arguments are `"$@"`.
fn on_small_disk(folder: &Path, bytes: usize, script: &str, arguments: &[&str]) -> Command {
    let mut command = clean(Command::new("unshare"));
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    let mount = format!("mount -t tmpfs -o size={bytes} tmpfs {} && {script}", path(folder));
    command.args(["--mount", "--propagation", "private", "sh", "-c", &mount, "sh"]);
    command.arg(env!("CARGO_BIN_EXE_wayfarer")).args(arguments);
    command
}

#[test]
fn an_import_that_fills_the_disk_says_so_in_one_sentence() {
    let house = House::new();
    fs::create_dir(&house.data).unwrap();
    let log = house.file("access.log");
    let mut lines = String::new();
    for line in 0..60_000 {
        lines.push_str(&format!(
            "198.51.100.{} - - [17/May/2015:10:{:02}:{:02} +0000] \"GET /page/{line}/{} HTTP/1.1\" 200 1 \"-\" \"Mozilla/5.0 Firefox/143.0\"\n",
            line % 250, line / 60 % 60, line % 60, line * 7919
        ));
    }
    fs::write(&log, lines).unwrap();
    let data = house.data.join("lake");
    let arguments = ["--data", path(&data), "import", path(&log), "--site", "s"];
    let mut command = on_small_disk(&house.data, 3 << 20, "exec \"$@\"", &arguments);
    let done: Done = command.output().unwrap().into();
    let complaint = done.complaint(1);
    assert!(complaint.contains("disk") && complaint.contains("full"), "{complaint}");
}

#[test]
fn an_export_that_fills_the_disk_leaves_no_half_file() {
    let house = House::with_site("s");
    let token = house.token("s");
    let server = house.serve();
    let props = json!({ "text": "x".repeat(4000) });
    for batch in 0..50 {
        let event = |n: i32| json!({"name": "a", "id": format!("{batch}.{n}"), "visitor": "v", "props": props});
        let body = json!({ "events": (0..10).map(event).collect::<Vec<_>>() }).to_string();
        assert_eq!(server.post(&token, &body).unwrap().0, 202);
    }
    server.stop();
    let disk = house.file("disk");
    fs::create_dir(&disk).unwrap();
    let target = disk.join("events.ndjson");
    let arguments = ["--data", path(&house.data), "export", path(&target)];
    let script = format!("\"$@\"; status=$?; ls -A {}; exit $status", path(&disk));
    let mut command = on_small_disk(&disk, 1 << 20, &script, &arguments);
    let done: Done = command.output().unwrap().into();
    // What `ls` found would stand on standard output, which must be empty.
    let complaint = done.complaint(1);
    assert!(complaint.contains(path(&target)) && complaint.contains("full"), "{complaint}");
}

#[test]
fn a_server_on_a_full_disk_keeps_what_it_acknowledged() {
    let house = House::with_site("s");
    let token = house.token("s");
    let disk = house.file("disk");
    fs::create_dir(&disk).unwrap();
    let data = disk.join("data");
    // The folder is copied onto the small disk, and back once the server is gone.
    let back = house.file("back");
    let arguments = ["--data", path(&data), "serve", "--listen", "127.0.0.1:0", "--json"];
    let script = format!("cp -rp {} {} && exec \"$@\"", path(&house.data), path(&data));
    let server = Server::start(on_small_disk(&disk, 4 << 20, &script, &arguments));

    let (mut acknowledged, mut refused) = (0, None);
    let props = json!({ "text": "x".repeat(8000) });
    for batch in 0..10_000 {
        let event = |n: i32| json!({"name": "a", "id": format!("{batch}.{n}"), "visitor": "v", "props": props});
        let body = json!({ "events": (0..10).map(event).collect::<Vec<_>>() }).to_string();
        match server.post(&token, &body).unwrap() {
            (202, receipt) => acknowledged += receipt["accepted"].as_u64().unwrap(),
            other => {
                refused = Some(other);
                break;
            }
        }
    }
    let (status, answer) = refused.expect("the disk never ran full");
    assert_eq!(status, 503, "{answer}");
    assert!(acknowledged > 0);

    // The disk lives as long as the server: read it from there.
    let root = format!("/proc/{}/root{}", server.id(), path(&data));
    let copied = Command::new("cp").args(["-rp", &root, path(&back)]).status().unwrap();
    assert!(copied.success());
    server.kill();
    let house = House::at(&back);
    let status = house.run(&["status", "--json"]).json();
    assert_eq!(status["lake"]["rows"], json!(acknowledged));
}
