//! `kill -9` in the middle of a stream of events: what was acknowledged is there once, and nothing is there twice.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::mpsc,
    thread,
};

use serde_json::{Value, json};

use crate::run::{House, post};

/// Senders at one time.
const SENDERS: usize = 4;
/// Events in a batch.
const BATCH: usize = 7;

/// What a sender knows of a batch when the server is dead.
enum Fate {
    /// 202 came, whole.
    Acknowledged(Vec<String>),
    /// No answer came: nobody may say whether it was stored.
    Unknown(Vec<String>),
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_stored_twice() {
    let rounds = std::env::var("WAYFARER_KILL_ROUNDS");
    let rounds: usize = rounds.map_or(3, |rounds| rounds.parse().unwrap());
    let house = House::with_site("s");
    let token = house.token("s");
    let (mut acknowledged, mut unknown) = (HashSet::new(), Vec::new());
    let mut rng = fastrand::Rng::with_seed(20);
    for round in 0..rounds {
        for fate in stream_until_killed(&house, &token, round, rng.usize(1..60)) {
            match fate {
                Fate::Acknowledged(ids) => acknowledged.extend(ids),
                Fate::Unknown(ids) => unknown.push(ids),
            }
        }
        check(&house, &acknowledged, &unknown);
    }
    assert!(acknowledged.len() >= rounds * BATCH);

    // A sender that got no answer sends again: everything is there then, still once.
    let server = house.serve();
    for ids in unknown {
        let (status, receipt) = server.post(&token, &body(&ids)).unwrap();
        assert_eq!((status, &receipt["accepted"]), (202, &json!(BATCH)));
        acknowledged.extend(ids);
    }
    server.kill();
    check(&house, &acknowledged, &[]);
}

/// Streams batches from several senders and kills the server after `acknowledged` of them were acknowledged, while others
/// are under way.
fn stream_until_killed(house: &House, token: &str, round: usize, acknowledged: usize) -> Vec<Fate> {
    let server = house.serve();
    let address = server.address;
    let (fates, seen) = mpsc::channel();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let fates = fates.clone();
            scope.spawn(move || send_on(address, token, (round, sender), &fates));
        }
        drop(fates);
        let mut all: Vec<Fate> = seen.iter().take(acknowledged).collect();
        server.kill();
        all.extend(seen);
        all
    })
}

/// Sends batch after batch until no answer comes any more.
fn send_on(
    address: SocketAddr,
    token: &str,
    (round, sender): (usize, usize),
    fates: &mpsc::Sender<Fate>,
) {
    for batch in 0.. {
        let ids: Vec<String> =
            (0..BATCH).map(|event| format!("{round}.{sender}.{batch}.{event}")).collect();
        let Ok((status, receipt)) = post(address, token, &body(&ids)) else {
            let _ = fates.send(Fate::Unknown(ids));
            return;
        };
        assert_eq!((status, &receipt["accepted"]), (202, &json!(BATCH)), "{receipt}");
        if fates.send(Fate::Acknowledged(ids)).is_err() {
            return;
        }
    }
}

fn body(ids: &[String]) -> String {
    let event = |id: &String| json!({"name": "click", "id": id, "visitor": "v", "path": "/"});
    json!({ "events": ids.iter().map(event).collect::<Vec<Value>>() }).to_string()
}

/// Reads the folder back: every acknowledged event once, a batch without an answer whole or not at all, nothing else.
fn check(house: &House, acknowledged: &HashSet<String>, unknown: &[Vec<String>]) {
    let mut stored: HashMap<String, usize> = HashMap::new();
    for event in house.events() {
        *stored.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains_key(*id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let mut expected = acknowledged.len();
    for ids in unknown {
        let there = ids.iter().filter(|id| stored.contains_key(*id)).count();
        assert!(there == 0 || there == BATCH, "{there} of a batch are there: {ids:?}");
        expected += there;
    }
    assert_eq!(stored.len(), expected, "there are events that nobody sent");
    let status = house.run(&["status", "--json"]).json();
    assert_eq!(status["lake"]["rows"], json!(expected));
}
