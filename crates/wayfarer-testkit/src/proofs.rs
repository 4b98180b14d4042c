//! What a test run saw, for `cargo xtask show`: lines of JSON in the file that the environment variable `WAYFARER_PROOFS` names.

use std::{fs::OpenOptions, io::Write as _};

use anyhow::Result;
use serde_json::Value;

/// Appends a line, if somebody asked for proofs.
pub(crate) fn note(line: impl FnOnce() -> Result<Value>) -> Result<()> {
    let Some(path) = std::env::var_os("WAYFARER_PROOFS") else { return Ok(()) };
    let line = format!("{}\n", line()?);
    // One write a line: several tests write at once.
    OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    Ok(())
}
