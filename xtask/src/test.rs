//! `cargo xtask test`: every test of the workspace, and one line that counts them.
//!
//! Tests that drive a real foreign program (a database server, a browser, DuckDB) live in modules called `real`; `--fast`
//! leaves those out and nothing else.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use anyhow::{Context, Result, bail};

use crate::{run, tools};

/// Which tests run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    Everything,
    /// All that need no foreign program.
    Fast,
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Provides the tools, runs the tests, prints the count.
pub(crate) fn test(scope: Scope) -> Result<()> {
    let mut command = run::cargo(&["test", "--workspace", "--no-fail-fast"]);
    match scope {
        Scope::Everything => {
            tools::provide()?;
            command.env("WAYFARER_TEST_PYTHON", tools::python()?);
            every_django(&mut command)?;
        }
        Scope::Fast => {
            command.args(["--", "--skip", "real::"]);
        }
    }
    let (count, ended_well) = count(&mut command)?;
    println!("{} passed, {} failed", count.passed, count.failed);
    if !ended_well || count.failed > 0 {
        bail!("the tests did not pass");
    }
    if count.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Names the other versions of Django, or leaves the newest out by its name.
fn every_django(command: &mut std::process::Command) -> Result<()> {
    let oldest = tools::oldest_django()?;
    println!("Django 4.2: {}", oldest.display());
    command.env("WAYFARER_TEST_PYTHON_DJANGO_4_2", oldest);
    if let Some(newest) = tools::newest_django()? {
        println!("Django 6: {}", newest.display());
        command.env("WAYFARER_TEST_PYTHON_DJANGO_6", newest);
    } else {
        println!("Django 6: left out, as there is no Python 3.12 or newer here");
        command.args(["--", "--skip", "django_6::"]);
    }
    Ok(())
}

/// Runs tests and counts them; also whether the command itself ended well.
pub(crate) fn count(command: &mut std::process::Command) -> Result<(Count, bool)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("could not start cargo")?;
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let mut count = Count::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("could not read what cargo test prints")?;
        println!("{line}");
        if let Some(result) = parse_result(&line) {
            count.passed += result.passed;
            count.failed += result.failed;
        }
    }
    Ok((count, child.wait()?.success()))
}

/// Reads `test result: ok. 6 passed; 0 failed; …`.
fn parse_result(line: &str) -> Option<Count> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let number = |word: &str| {
        let part = counts.split("; ").find(|part| part.ends_with(word))?;
        part.split(' ').next()?.parse().ok()
    };
    Some(Count { passed: number(" passed")?, failed: number(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::parse_result;

    #[test]
    fn the_line_of_a_test_binary_is_counted() {
        let line = "test result: FAILED. 6 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out";
        let count = parse_result(line).unwrap();
        assert_eq!((count.passed, count.failed), (6, 2));
        assert!(parse_result("test a ... ok").is_none());
    }
}
