//! SQL beside the reports, on more generated lakes than one. The only task that builds DataFusion, so the first run takes long.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::{run, test};

/// How many lakes each comparison is tried on, unless the environment says it.
const CASES: &str = "20";

/// Runs the tests of `wayfarer-query` with the engine in it, and tells how many there were.
pub(crate) fn sql() -> Result<Value> {
    let cases = std::env::var("WAYFARER_CASES").unwrap_or_else(|_| CASES.to_owned());
    let started = Instant::now();
    let mut tests = run::cargo(&["test", "-p", "wayfarer-query", "--features", "datafusion"]);
    let (count, ended_well) = test::count(tests.env("WAYFARER_CASES", &cases))?;
    if !ended_well || count.failed > 0 {
        bail!("{} tests failed over {cases} lakes", count.failed);
    }
    if count.passed == 0 {
        bail!("no test ran");
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "lakes": cases, "tests": count.passed, "seconds": seconds }))
}
