//! Two minutes of the demo as a newcomer starts it, and the size of what they built.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::run;

/// Builds the release binary, runs the demo, and checks that what was acknowledged was counted.
pub(crate) fn two_minutes() -> Result<Value> {
    let building = Instant::now();
    run::run(&mut run::cargo(&["build", "--release"]))?;
    let build_seconds = building.elapsed().as_secs_f64();
    let binary = run::target()?.join("release/wayfarer");
    let printed = run::output(&mut run::command(
        &binary.to_string_lossy(),
        &["demo", "--exit-after", "120", "--listen", "127.0.0.1:0", "--shop-listen", "127.0.0.1:0"],
    ))?;
    let last = printed.lines().last().context("the demo printed nothing")?;
    let counts: Value = serde_json::from_str(last).context("the demo's last line is no JSON")?;
    ensure!(counts["acknowledged"] == counts["counted"], "counted is not acknowledged: {last}");
    let bytes = std::fs::metadata(&binary)?.len();
    Ok(json!({ "counts": counts, "binary_bytes": bytes, "build_seconds": build_seconds }))
}
