//! `cargo xtask show NAME`: the proofs that take too long for every run. Each writes what it saw, with the commit and the
//! machine, to `target/show/NAME.json`.

mod bench;
mod demo;
mod lake;
mod oracles;
mod sessions;
mod sql;

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{run, tools};

/// A proof: its name, and what runs it.
type Proof = (&'static str, fn() -> Result<Value>);

const PROOFS: &[Proof] = &[
    ("loop", the_loop),
    ("sessions", sessions::sessions),
    ("lake", lake::lake),
    ("analysis", the_analysis),
    ("sql", sql::sql),
];

/// Runs the proof of this name and writes its figures.
pub(crate) fn show(name: &str) -> Result<()> {
    let Some((_, proof)) = PROOFS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = PROOFS.iter().map(|(name, _)| *name).collect();
        bail!("there is no proof `{name}` yet; there is {}", known.join(", "));
    };
    let started = Instant::now();
    let figures = proof()?;
    let shown = json!({
        "show": name,
        "commit": run::output(&mut run::command("git", &["rev-parse", "HEAD"]))?.trim(),
        "clean": run::output(&mut run::command("git", &["status", "--porcelain"]))?.is_empty(),
        "machine": machine(),
        "seconds": started.elapsed().as_secs_f64(),
        "figures": figures,
    });
    let folder = run::target()?.join("show");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&shown)?;
    std::fs::write(&file, &text).with_context(|| format!("could not write {}", file.display()))?;
    println!("{text}");
    eprintln!("written to {}", file.display());
    Ok(())
}

/// The reports: right, by their oracles, then fast, beside their peers.
fn the_analysis() -> Result<Value> {
    let asked = bench::parts(&["oracles", "beside", "size", "steps"])?;
    let (oracles, measured): (Vec<&str>, Vec<&str>) =
        asked.into_iter().partition(|part| *part == "oracles");
    let told = if oracles.is_empty() { None } else { Some(oracles::analysis()?) };
    let mut figures = if measured.is_empty() { json!({}) } else { bench::analysis(&measured)? };
    if let Some(told) = told {
        figures["oracles"] = told;
    }
    Ok(figures)
}

fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": model.map(|(_, model)| model),
        "os": std::env::consts::OS,
    })
}

/// The loop: kill rounds, the answers to a real log, a foreign reader, and two minutes of the demo.
fn the_loop() -> Result<Value> {
    tools::provide()?;
    let python = tools::python()?;
    let mut rounds = run::cargo(&["test", "-p", "wayfarer-cli", "--test", "it"]);
    run::run(rounds.env("WAYFARER_KILL_ROUNDS", "20").env("WAYFARER_TEST_PYTHON", &python))?;
    let mut lake = run::cargo(&["test", "-p", "wayfarer-lake", "--test", "it"]);
    run::run(lake.env("WAYFARER_TEST_PYTHON", &python))?;
    let demo = demo::two_minutes()?;
    Ok(json!({ "kill_rounds": 20, "demo": demo }))
}
