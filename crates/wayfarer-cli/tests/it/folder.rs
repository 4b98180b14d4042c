//! What stands in the way of a data folder, and of an address: one sentence and status 1.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpListener,
};

use crate::run::{House, path};

#[test]
fn a_port_in_use_is_one_sentence() {
    let house = House::with_site("s");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = house.run(&["serve", "--listen", &address]);
    assert!(done.complaint(1).contains(&address), "{done:?}");
    house.run(&["status"]).text();
}

#[test]
fn a_server_without_accounts_stays_on_loopback() {
    let house = House::new();
    let done = house.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(done.complaint(1).contains("0.0.0.0:0"), "{done:?}");
    assert!(!house.data.exists());
}

#[test]
fn a_folder_that_is_not_there_is_not_made_by_who_reads() {
    let house = House::new();
    let export = house.file("x.csv");
    let commands: [&[&str]; 6] = [
        &["status"],
        &["report", "overview", "--site", "s"],
        &["export", path(&export)],
        &["admin", "site", "list"],
        &["admin", "token", "list"],
        &["admin", "token", "create", "--site", "s", "--scope", "server"],
    ];
    for arguments in commands {
        let done = house.run(arguments);
        assert!(done.complaint(1).contains(path(&house.data)), "{done:?}");
        assert!(!house.data.exists() && !export.exists());
    }
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let house = House::new();
    fs::create_dir(&house.data).unwrap();
    fs::write(house.data.join("thesis.txt"), "mine").unwrap();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["admin", "site", "add", "s"]] {
        let done = house.run(arguments);
        assert!(done.complaint(1).contains(path(&house.data)), "{done:?}");
    }
    assert_eq!(fs::read_dir(&house.data).unwrap().count(), 1);
}

#[test]
fn a_file_where_the_folder_should_be_is_named() {
    let house = House::new();
    fs::write(&house.data, "").unwrap();
    let done = house.run(&["admin", "site", "add", "s"]);
    assert!(done.complaint(1).contains(path(&house.data)), "{done:?}");
}

#[test]
fn a_folder_of_a_newer_version_is_refused_by_name() {
    let house = House::with_site("s");
    let file = house.data.join("wayfarer.sqlite");
    let mut store = fs::File::options().read(true).write(true).open(&file).unwrap();
    // SQLite keeps `PRAGMA user_version` there, big-endian.
    let mut version = [0; 4];
    store.seek(SeekFrom::Start(60)).unwrap();
    store.read_exact(&mut version).unwrap();
    let newer = u32::from_be_bytes(version) + 1;
    store.seek(SeekFrom::Start(60)).unwrap();
    store.write_all(&newer.to_be_bytes()).unwrap();
    for arguments in [&["status"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let done = house.run(arguments);
        let complaint = done.complaint(1);
        assert!(complaint.contains(path(&file)), "{complaint}");
        assert!(complaint.contains(&newer.to_string()), "{complaint}");
    }
}

#[test]
fn tokens_and_sites_are_listed_and_taken_back() {
    let house = House::with_site("s");
    house
        .run(&["admin", "site", "add", "t", "--tz", "Asia/Shanghai", "--host", "T.example"])
        .text();
    let sites = house.run(&["admin", "site", "list", "--json"]).json();
    assert_eq!(sites[1]["name"], "t");
    assert_eq!(sites[1]["timezone"], "Asia/Shanghai");
    assert_eq!(sites[1]["hosts"][0], "t.example");

    let token = house.token("t");
    let tokens = house.run(&["admin", "token", "list", "--json"]);
    assert!(!tokens.text().contains(&token), "a list shows a secret");
    let id = tokens.json()[0]["id"].as_str().unwrap().to_owned();
    let revoked = house.run(&["admin", "token", "revoke", &id, "--json"]).json();
    assert_eq!(revoked["revoked"], id.as_str());
    assert!(house.run(&["admin", "token", "revoke", &id]).complaint(1).contains(&id));
    assert_eq!(house.run(&["admin", "token", "list", "--json"]).json(), serde_json::json!([]));

    let unknown = house.run(&["admin", "token", "create", "--site", "nope", "--scope", "browser"]);
    assert!(unknown.complaint(2).contains("nope"), "{unknown:?}");
    let wrong = house.run(&["admin", "site", "add", "t", "--tz", "Mars/Olympus"]);
    assert!(wrong.complaint(2).contains("Mars/Olympus"), "{wrong:?}");
}
