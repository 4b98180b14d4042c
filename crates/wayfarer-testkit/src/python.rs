//! The Python of the tests. `cargo xtask test` makes a virtual environment and names its interpreter.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

/// The interpreter that can `import` each of `modules`: the one that `WAYFARER_TEST_PYTHON` names, or else `python3`.
///
/// # Errors
/// When it cannot import one of them; the error says how to get them.
pub fn python(modules: &[&str]) -> Result<PathBuf> {
    let python = std::env::var_os("WAYFARER_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let imports = format!("import {}", modules.join(", "));
    let can = Command::new(&python).args(["-c", &imports]).output();
    if can.is_ok_and(|output| output.status.success()) {
        return Ok(python.into());
    }
    bail!(
        "{} cannot `{imports}`; run the tests with `cargo xtask test`, which installs it",
        python.display()
    )
}
