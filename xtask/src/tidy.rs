//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! - Imports between crates point down [`ARROWS`], the table of `ARCHITECTURE.md`.
//! - A source file is one thing: 500 lines at the most, its tests apart, and it opens by saying what it owns; a file of
//!   `tests` beside its module need not.
//! - Nothing half done is left behind: no ignored test, no `todo!`, no `matches!` whose answer nobody reads.
//! - One version of each crate that must not be there twice.
//! - A test that the docs name is there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::run;

/// Which of our crates a crate may know, for building; tests may know `wayfarer-testkit` and what they test against.
const ARROWS: &[(&str, &[&str])] = &[
    ("wayfarer-event", &[]),
    ("wayfarer-session", &[]),
    ("wayfarer-store-sql", &["wayfarer-session"]),
    ("wayfarer-store-kv", &["wayfarer-session"]),
    ("wayfarer-auth", &["wayfarer-session"]),
    ("wayfarer-track", &["wayfarer-event", "wayfarer-session"]),
    (
        "wayfarer",
        &[
            "wayfarer-auth",
            "wayfarer-event",
            "wayfarer-session",
            "wayfarer-store-kv",
            "wayfarer-store-sql",
            "wayfarer-track",
        ],
    ),
    ("wayfarer-tower-sessions", &["wayfarer"]),
    ("wayfarer-collect", &["wayfarer-event"]),
    ("wayfarer-lake", &["wayfarer-event"]),
    ("wayfarer-analysis", &["wayfarer-event", "wayfarer-lake"]),
    ("wayfarer-learn", &["wayfarer-analysis", "wayfarer-event", "wayfarer-lake"]),
    ("wayfarer-query", &["wayfarer-analysis", "wayfarer-event", "wayfarer-lake"]),
    ("wayfarer-chart", &[]),
    (
        "wayfarer-embedded",
        &[
            "wayfarer",
            "wayfarer-analysis",
            "wayfarer-collect",
            "wayfarer-event",
            "wayfarer-lake",
            "wayfarer-learn",
            "wayfarer-session",
        ],
    ),
    (
        "wayfarer-server",
        &[
            "wayfarer",
            "wayfarer-analysis",
            "wayfarer-chart",
            "wayfarer-collect",
            "wayfarer-embedded",
            "wayfarer-event",
            "wayfarer-lake",
            "wayfarer-learn",
            "wayfarer-query",
            "wayfarer-track",
        ],
    ),
    (
        "wayfarer-cli",
        &[
            "wayfarer",
            "wayfarer-analysis",
            "wayfarer-chart",
            "wayfarer-collect",
            "wayfarer-embedded",
            "wayfarer-event",
            "wayfarer-example-shop",
            "wayfarer-lake",
            "wayfarer-learn",
            "wayfarer-server",
            "wayfarer-session",
            "wayfarer-store-kv",
            "wayfarer-store-sql",
            "wayfarer-track",
        ],
    ),
    ("wayfarer-example-shop", &["wayfarer"]),
    ("wayfarer-testkit", &["wayfarer-session"]),
    (
        "wayfarer-fuzz",
        &[
            "wayfarer",
            "wayfarer-analysis",
            "wayfarer-collect",
            "wayfarer-event",
            "wayfarer-lake",
            "wayfarer-session",
            "wayfarer-store-kv",
            "wayfarer-store-sql",
            "wayfarer-tower-sessions",
        ],
    ),
    ("xtask", &[]),
];

/// A file longer than this, its tests apart, is more than one thing.
const LINES: usize = 500;

/// Crates that must be in the lock file once at the most: their types cross our crates.
const ONCE: &[&str] =
    &["arrow-array", "arrow-schema", "datafusion", "object_store", "parquet", "libsqlite3-sys"];

/// Checks every rule and reports all that is wrong, not only the first.
pub(crate) fn tidy() -> Result<()> {
    let mut wrong = arrows()?;
    wrong.extend(once()?);
    let mut functions = BTreeSet::new();
    for file in sources()? {
        let text = std::fs::read_to_string(run::root().join(&file))?;
        wrong.extend(source(&file, &text));
        functions.extend(text.lines().filter_map(function).map(str::to_owned));
    }
    for page in ["docs/sessions.md", "docs/session-laws.md"] {
        let text = std::fs::read_to_string(run::root().join(page))?;
        let missing = named_in_tables(&text).filter(|name| !functions.contains(*name));
        wrong.extend(missing.map(|name| format!("{page} names `{name}`, which is no function")));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("tidy:\n  {}", wrong.join("\n  "));
}

fn arrows() -> Result<Vec<String>> {
    let metadata = run::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            wrong.push(format!("{name} is in no row of the arrows of xtask/src/tidy.rs"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        let built = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
        for dependency in built.filter_map(|dependency| dependency["name"].as_str()) {
            if ours.contains(dependency) && !allowed.contains(&dependency) {
                wrong.push(format!("{name} may not know {dependency}"));
            }
        }
    }
    Ok(wrong)
}

fn once() -> Result<Vec<String>> {
    let lock = std::fs::read_to_string(run::root().join("Cargo.lock"))?;
    let times = |name: &str| lock.matches(&format!("\nname = \"{name}\"\n")).count();
    let twice = ONCE.iter().filter(|name| times(name) > 1);
    Ok(twice.map(|name| format!("{name} is in Cargo.lock more than once")).collect())
}

fn sources() -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"];
    let listed = run::output(&mut run::command("git", &list))?;
    let here = |file: &PathBuf| run::root().join(file).exists();
    Ok(listed.lines().map(PathBuf::from).filter(here).collect())
}

fn source(file: &Path, text: &str) -> Vec<String> {
    let shown = file.display();
    let mut wrong = Vec::new();
    let opens = text.starts_with("//!") || file.ends_with("tests.rs");
    if !opens {
        wrong.push(format!("{shown} does not open with a paragraph that says what it owns"));
    }
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
    if lines > LINES && !is_test(file) {
        wrong.push(format!("{shown} has {lines} lines: is it still one thing?"));
    }
    let mut before = "";
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if let Some(problem) = leftover(before, line) {
            wrong.push(format!("{shown}:{}: {problem}", number + 1));
        }
        before = line;
    }
    wrong
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// What tables of a page name as code and looks like a test: words with three underscores or more.
fn named_in_tables(page: &str) -> impl Iterator<Item = &str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    names.filter(|name| {
        let is_name =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        is_name && !name.starts_with('_') && name.matches('_').count() >= 3
    })
}

fn is_test(file: &Path) -> bool {
    let parts = || file.components().filter_map(|part| part.as_os_str().to_str());
    parts().any(|part| matches!(part, "tests" | "tests.rs" | "fuzz"))
}

fn leftover(before: &str, line: &str) -> Option<&'static str> {
    let is_statement = before.ends_with([';', '{', '}']);
    if line.starts_with("#[ignore") {
        Some("an ignored test tests nothing")
    } else if is_statement && line.starts_with("matches!(") && line.ends_with(';') {
        Some("nobody reads the answer of this `matches!`")
    } else if line.starts_with("todo!(") || line.starts_with("unimplemented!(") {
        Some("unfinished")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_the_docs_name_is_found_in_the_sources() {
        let page = "`not_in_a_table_row`\n| a | `the_test_is_there`, `a::path_of_no_test` | `short_name` |";
        assert_eq!(named_in_tables(page).collect::<Vec<_>>(), ["the_test_is_there"]);
        let lines =
            ["    async fn the_test_is_there() {", "pub fn generic_one<T>(t: T)", "let fn_ = 1;"];
        let found: Vec<_> = lines.iter().filter_map(|line| function(line)).collect();
        assert_eq!(found, ["the_test_is_there", "generic_one"]);
    }
}
