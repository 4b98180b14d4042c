//! `cargo xtask show lake`: what the lake survives, who reads beside it, how fast it takes in, and what that needs on disk.
//!
//! `WAYFARER_SHOW_PARTS=http,import` runs these alone; `WAYFARER_SHOW_FULL=1` makes each as long as its claim needs.

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::bench::{bench, parts, shared, size};
use crate::{run, test, tools};

/// A part of the proof: its name, and what runs it.
type Part = (&'static str, fn() -> Result<Value>);

const PARTS: &[Part] = &[
    ("survive", survive),
    ("readers", readers),
    ("in-process", in_process),
    ("http", http),
    ("import", import),
    ("bytes", bytes),
];

/// Runs the parts that are asked for; all of them where none is.
pub(super) fn lake() -> Result<Value> {
    let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
    let asked = parts(&names)?;
    tools::provide_for_benches()?;
    let mut figures = Map::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| asked.contains(name)) {
        figures.insert((*name).to_owned(), part()?);
    }
    Ok(Value::Object(figures))
}

/// The tests of kills at random points under load, of power losses at any operation with each sync left out once, and of a full
/// disk: each recounts what is there.
fn survive() -> Result<Value> {
    let (rounds, seeds) = (size("20", "200"), size("200", "10000"));
    let lake = ["test", "-p", "wayfarer-lake", "--test", "it"];
    let mut tests = run::cargo(&lake);
    tests.args(["--", "--nocapture", "kill::what", "power::", "full::", "--skip", SEEDS]);
    let mut passed_of_all = passed(tests.env("WAYFARER_KILL_ROUNDS", rounds))?;
    // So many that they need a build that is optimized. The others tell the places in the code that sync by their lines.
    let mut tests = run::cargo(&lake);
    tests.args(["--release", "--", "--nocapture", SEEDS]);
    passed_of_all += passed(tests.env("WAYFARER_SEEDS", seeds))?;
    Ok(json!({ "kill_rounds": rounds, "power_loss_seeds": seeds, "tests_passed": passed_of_all }))
}

/// The test that loses the power once for each seed.
const SEEDS: &str = "power::a_power_loss_loses_and_doubles_nothing";

/// The tests in which DuckDB reads the lake between seals, merges and erasures, and writes into it.
fn readers() -> Result<Value> {
    tools::provide()?;
    let rounds = size("4", "40");
    let mut tests = run::cargo(&["test", "-p", "wayfarer-lake", "--test", "it", "--"]);
    tests.args(["--nocapture", "real::duckdb", "real::readers"]);
    tests.env("WAYFARER_TEST_PYTHON", tools::python()?).env("WAYFARER_READ_ROUNDS", rounds);
    Ok(json!({ "read_rounds": rounds, "tests_passed": passed(&mut tests)? }))
}

/// Runs tests, which must all pass, and counts them.
fn passed(tests: &mut std::process::Command) -> Result<u64> {
    let (count, ended_well) = test::count(tests)?;
    ensure!(ended_well && count.failed == 0, "{} tests failed", count.failed);
    ensure!(count.passed > 0, "no test ran");
    Ok(count.passed)
}

/// Events per second in process. The recount opens the lake again and says how long that took: of more than a hundred
/// million events, where it is run in full.
fn in_process() -> Result<Value> {
    bench("ingest", &["in-process", "--seconds", size("15", "300")])
}

/// Events per second over HTTP: singles, then batches.
fn http() -> Result<Value> {
    let wayfarer = released()?;
    bench("ingest", &["http", "--seconds", size("15", "300"), "--wayfarer", &wayfarer])
}

/// An access log, beside GoAccess.
fn import() -> Result<Value> {
    let Some(log) = shared("data/access_logs/apache_combined.log") else {
        return Ok(json!("left out: there is no access log in ../shared/data"));
    };
    let (wayfarer, log) = (released()?, log.to_string_lossy().into_owned());
    let lines = size("500000", "5000000");
    bench("ingest", &["import", "--wayfarer", &wayfarer, "--log", &log, "--lines", lines])
}

/// Bytes at rest of a clickstream, beside chDB and DuckDB.
fn bytes() -> Result<Value> {
    let Some(scripts) = shared("bench").filter(|folder| folder.join("clickstream.py").exists())
    else {
        return Ok(json!("left out: there is no ../shared/bench/clickstream.py"));
    };
    let python = tools::bench_python()?.to_string_lossy().into_owned();
    let (scripts, rows) = (scripts.to_string_lossy(), size("2000000", "20000000"));
    bench(
        "analysis",
        &["--parts", "bytes", "--rows", rows, "--scripts", &scripts, "--python", &python],
    )
}

/// The binary as it is released.
fn released() -> Result<String> {
    run::run(&mut run::cargo(&["build", "--release", "-p", "wayfarer-cli"]))?;
    Ok(run::target()?.join("release/wayfarer").to_string_lossy().into_owned())
}
