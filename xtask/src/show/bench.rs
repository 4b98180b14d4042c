//! The benches beside peers, from the workspace in `bench/`: built as released, run, and read back.
//!
//! They are short unless `WAYFARER_SHOW_FULL` is set; then they are as long as their claims need.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{run, tools};

/// Sessions: what a request costs, concurrent writers, overlapping requests, beside tower-sessions, actix-session and Django;
/// and how readers fare beside a purge.
pub(crate) fn sessions() -> Result<Value> {
    let python = tools::bench_python()?;
    let (rounds, purge) = (size("9", "31"), size("100000", "1000000"));
    let python = python.to_string_lossy();
    bench("sessions", &["--rounds", rounds, "--purge", purge, "--python", &python])
}

/// Analysis: the reports beside chDB and DuckDB, cold and warm; then what more events and more steps cost.
///
/// It runs these of the parts `beside`, `size` and `steps`. `WAYFARER_SHOW_LAKE` names a folder that keeps the lake for the next time.
pub(crate) fn analysis(parts: &[&str]) -> Result<Value> {
    let Some(scripts) = shared("bench").filter(|folder| folder.join("peers.py").exists()) else {
        bail!("the peers' queries are not there: ../shared/bench/clickstream.py and peers.py");
    };
    let (python, rows) = (tools::bench_python()?, size("2000000", "20000000"));
    let (scripts, python) = (scripts.to_string_lossy(), python.to_string_lossy());
    let parts = parts.join(",");
    let sizes = size("200000,2000000", "2000000,20000000,100000000");
    let lake = std::env::var("WAYFARER_SHOW_LAKE").ok();
    let mut arguments = vec!["--rows", rows, "--scripts", &scripts, "--python", &python];
    arguments.extend(["--parts", &parts, "--sizes", sizes]);
    arguments.extend(lake.iter().flat_map(|lake| ["--lake", lake]));
    bench("analysis", &arguments)
}

/// The parts of a proof that `WAYFARER_SHOW_PARTS` names (`http,import`), in the proof's own order; all of them where it is not
/// set.
///
/// # Errors
///
/// Where it names a part that the proof does not have, or none.
pub(super) fn parts(known: &[&'static str]) -> Result<Vec<&'static str>> {
    let Ok(asked) = std::env::var("WAYFARER_SHOW_PARTS") else { return Ok(known.to_vec()) };
    let asked: Vec<&str> = asked.split(',').map(str::trim).collect();
    if let Some(strange) = asked.iter().find(|part| !known.contains(part)) {
        bail!("WAYFARER_SHOW_PARTS names `{strange}`; there is {}", known.join(", "));
    }
    Ok(known.iter().copied().filter(|part| asked.contains(part)).collect())
}

/// The first where the proof is to be short, the second where `WAYFARER_SHOW_FULL` is set.
pub(super) fn size(short: &'static str, full: &'static str) -> &'static str {
    if std::env::var_os("WAYFARER_SHOW_FULL").is_some() { full } else { short }
}

/// Data that lie beside the project, where they do.
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let path = run::root().parent()?.join("shared").join(path);
    path.exists().then_some(path)
}

/// Builds a bench, runs it, and gives the figures that it wrote.
pub(super) fn bench(name: &str, arguments: &[&str]) -> Result<Value> {
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
