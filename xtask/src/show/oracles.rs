//! The reports against their oracles, over many more generated histories than an ordinary run tries.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::{run, test};

/// How many histories each property is tried on, unless the environment says it.
const CASES: &str = "10000";

/// Tries every property of `wayfarer-analysis` in a release build, and tells how many there were.
pub(crate) fn analysis() -> Result<Value> {
    let cases = std::env::var("WAYFARER_CASES").unwrap_or_else(|_| CASES.to_owned());
    let started = Instant::now();
    let mut tests = run::cargo(&["test", "--release", "-p", "wayfarer-analysis"]);
    let (count, ended_well) = test::count(tests.env("WAYFARER_CASES", &cases))?;
    if !ended_well || count.failed > 0 {
        bail!("{} tests failed over {cases} cases", count.failed);
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "cases": cases, "tests": count.passed, "seconds": seconds }))
}
