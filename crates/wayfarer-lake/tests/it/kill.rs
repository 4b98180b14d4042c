//! `kill -9` in the middle of acknowledged appends, seals and all. The child is this test binary itself.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use wayfarer_lake::{Ids, Lake, Options};

use crate::{
    simulator::Dice,
    support::{all, event_with_id, open},
};

/// Where the child works; it does nothing when this is not set.
const FOLDER: &str = "WAYFARER_TEST_CHILD_FOLDER";
/// The number of its first event.
const FIRST: &str = "WAYFARER_TEST_CHILD_FIRST";

/// Appends for ever from four tasks, with a seal every few milliseconds, and prints each event that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let options = Options {
        seal_after: Duration::from_millis(5),
        compact_after: Duration::from_millis(20),
        keep_snapshots: Duration::ZERO,
        segment_bytes: 20_000,
        ..Options::default()
    };
    let lake = Lake::open(Path::new(&folder), options).await.unwrap();
    let tasks = (0..4).map(|task| {
        let lake = lake.clone();
        tokio::spawn(async move {
            for batch in 0.. {
                let numbers = (0..7).map(|n| first + task + 4 * (batch * 7 + n));
                let events = numbers.clone().map(|n| event_with_id("a.example", n)).collect();
                lake.append(events, Ids::Window).await.unwrap();
                let lines: String = numbers.map(|n| format!("acknowledged {n}\n")).collect();
                println!("{lines}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Starts the child, kills it after so many acknowledged events, and answers which they were.
fn kill_after(folder: &Path, first: u64, acknowledged: u64) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut numbers = Vec::new();
    let mut killed = false;
    for line in out.lines() {
        // A line may be cut off by the kill; whole ones end with a line end and have all digits.
        let line = line.unwrap();
        numbers.extend(line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok()));
        if numbers.len() as u64 >= acknowledged && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(killed, "the child ended by itself");
    numbers
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_once() {
    let rounds: u64 =
        std::env::var("WAYFARER_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(rounds);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let numbers = kill_after(folder.path(), round * 1_000_000, 1 + dice.below(3000));
        acknowledged.extend(numbers);
        let lake = open(folder.path()).await;
        let mut times: HashMap<String, usize> = HashMap::new();
        for row in all(&lake.view()) {
            *times.entry(row.event.id.unwrap().to_string()).or_default() += 1;
        }
        for n in &acknowledged {
            assert_eq!(times.get(&format!("id-{n}")), Some(&1), "round {round}, event {n}");
        }
        assert!(times.values().all(|&times| times == 1), "round {round}");
    }
}
