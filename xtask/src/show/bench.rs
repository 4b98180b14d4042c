//! The benches beside peers, from the workspace in `bench/`: built as released, run, and read back.
//!
//! They are short unless `WAYFARER_SHOW_FULL` is set; then they are as long as their claims need.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{run, tools};

/// Sessions: what a request costs, concurrent writers, overlapping requests, beside tower-sessions, actix-session and Django;
/// and how readers fare beside a purge.
pub(crate) fn sessions() -> Result<Value> {
    let python = tools::bench_python()?;
    let (rounds, purge) = (size("9", "31"), size("100000", "1000000"));
    let python = python.to_string_lossy();
    bench("sessions", &["--rounds", rounds, "--purge", purge, "--python", &python])
}

/// The lake: what it survives; then events per second in process, over HTTP and from an access log, each with a recount.
pub(crate) fn lake() -> Result<Value> {
    tools::provide_for_benches()?;
    let survived = survive()?;
    run::run(&mut run::cargo(&["build", "--release"]))?;
    let wayfarer = run::target()?.join("release/wayfarer");
    let wayfarer = wayfarer.to_string_lossy();
    let seconds = size("15", "300");
    let in_process = bench("ingest", &["in-process", "--seconds", seconds])?;
    let http = bench("ingest", &["http", "--seconds", seconds, "--wayfarer", &wayfarer])?;
    let log = shared("data/access_logs/apache_combined.log");
    let import = match log {
        Some(log) => {
            let lines = size("500000", "5000000");
            let log = log.to_string_lossy();
            bench("ingest", &["import", "--wayfarer", &wayfarer, "--log", &log, "--lines", lines])?
        }
        None => json!("left out: there is no access log in ../shared/data"),
    };
    Ok(json!({ "survived": survived, "in_process": in_process, "http": http, "import": import }))
}

/// Kills at random points under load, and power losses at any operation; each sync is left out once.
fn survive() -> Result<Value> {
    let (rounds, seeds) = (size("20", "200"), size("200", "10000"));
    let mut tests = run::cargo(&["test", "-p", "wayfarer-lake", "--test", "it", "--"]);
    tests.args(["--nocapture", "kill::what", "power::", "full::"]);
    run::run(tests.env("WAYFARER_KILL_ROUNDS", rounds).env("WAYFARER_SEEDS", seeds))?;
    Ok(json!({ "kill_rounds": rounds, "power_loss_seeds": seeds, "lost": 0, "doubled": 0 }))
}

/// Analysis: the reports beside chDB and DuckDB, cold and warm; then what more events and more steps cost.
///
/// `WAYFARER_SHOW_PARTS` names the parts to run (`beside,size,steps`), `WAYFARER_SHOW_LAKE` a folder that keeps the lake for the
/// next time.
pub(crate) fn analysis() -> Result<Value> {
    let Some(scripts) = shared("bench").filter(|folder| folder.join("peers.py").exists()) else {
        bail!("the peers' queries are not there: ../shared/bench/clickstream.py and peers.py");
    };
    let (python, rows) = (tools::bench_python()?, size("2000000", "20000000"));
    let (scripts, python) = (scripts.to_string_lossy(), python.to_string_lossy());
    let parts = std::env::var("WAYFARER_SHOW_PARTS").unwrap_or("beside,size,steps".into());
    let sizes = size("200000,2000000", "2000000,20000000,100000000");
    let lake = std::env::var("WAYFARER_SHOW_LAKE").ok();
    let mut arguments = vec!["--rows", rows, "--scripts", &scripts, "--python", &python];
    arguments.extend(["--parts", &parts, "--sizes", sizes]);
    arguments.extend(lake.iter().flat_map(|lake| ["--lake", lake]));
    bench("analysis", &arguments)
}

pub(super) fn size(short: &'static str, full: &'static str) -> &'static str {
    if std::env::var_os("WAYFARER_SHOW_FULL").is_some() { full } else { short }
}

/// Data that lie beside the project, where they do.
fn shared(path: &str) -> Option<PathBuf> {
    let path = run::root().parent()?.join("shared").join(path);
    path.exists().then_some(path)
}

/// Builds a bench, runs it, and gives the figures that it wrote.
fn bench(name: &str, arguments: &[&str]) -> Result<Value> {
    let target = run::target()?;
    let folder = target.join("show");
    std::fs::create_dir_all(&folder)?;
    let package = format!("wayfarer-bench-{name}");
    let mut build = run::cargo(&["build", "--release", "--manifest-path", "bench/Cargo.toml"]);
    run::run(build.args(["-p", &package, "--target-dir"]).arg(&target))?;
    let json = folder.join(format!("bench-{name}.json"));
    let binary = target.join("release").join(&package);
    let mut command = run::command(&binary.to_string_lossy(), arguments);
    run::run(command.arg("--folder").arg(&folder).arg("--json").arg(&json))?;
    let text = std::fs::read_to_string(&json)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", json.display()))
}
