//! SQL beside the reports, on more generated lakes than one, and through the command line. The only task that builds DataFusion,
//! so the first run takes long.

use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::{run, test};

/// How many lakes each comparison is tried on, unless the environment says it.
const CASES: &str = "20";

/// What is built with the engine in it: both at once, so that it is built once.
const TESTS: &[&str] =
    &["test", "-p", "wayfarer-query", "-p", "wayfarer-cli", "--features", "wayfarer-cli/sql"];

/// Runs the tests of `wayfarer-query` and of the command line with the engine in them, and tells how many there were.
pub(crate) fn sql() -> Result<Value> {
    let cases = std::env::var("WAYFARER_CASES").unwrap_or_else(|_| CASES.to_owned());
    let started = Instant::now();
    let mut tests = run::cargo(TESTS);
    tests.args(["--", "--skip", "real::"]);
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
