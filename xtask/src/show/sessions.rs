//! The proofs of sessions: Django's vectors, the laws on every store, many writers at once, hostile bytes, then the benches.
//!
//! The tests that prove it append lines of JSON to the file that `WAYFARER_PROOFS` names (`Report::note` of the conformance
//! suite, the test kit's `sessions` and the servers that it starts, the walk over the vectors, the runs of `fuzz`). Here they become tables: on the screen, in
//! the figures, and the laws, with the versions of the servers, also in `docs/session-laws.md`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::bench;
use crate::{run, tools};

/// Every store and wrapper, in the order of the table. One that no test has noted, or that is not here, ends the proof.
const STORES: &[&str] = &[
    "MemoryStore",
    "FileStore",
    "SqliteStore",
    "PostgresStore",
    "MySqlStore",
    "RedisStore",
    "RedisStore, cluster",
    "RedisStore, Valkey",
    "RedisStore, Valkey cluster",
    "MemcachedStore",
    "DjangoFileStore",
    "DjangoSqliteStore",
    "DjangoPostgresStore",
    "DjangoMySqlStore",
    "DjangoRedisStore",
    "DjangoRedisStore, Valkey",
    "DjangoMemcachedStore",
    "CachedStore<MemoryStore, MemoryStore>",
    "CachedStore<MemoryStore, FileStore>",
    "CachedStore<MemoryStore, SqliteStore>",
    "CachedStore<RedisStore, SqliteStore>",
    "CachedStore<MemcachedStore, SqliteStore>",
    "CachedStore<RedisStore, PostgresStore>",
    "CachedStore<MemoryStore, MySqlStore>",
    "CachedStore, its cache away",
    "DjangoCachedStore<MemoryStore, MemoryStore>",
    "DjangoCachedStore<DjangoRedisStore, DjangoSqliteStore>",
    "DjangoCachedStore<DjangoMemcachedStore, DjangoSqliteStore>",
    "DjangoCachedStore<DjangoRedisStore, DjangoPostgresStore>",
    "DjangoCachedStore<DjangoRedisStore, DjangoMySqlStore>",
    "EncodedStore<MemoryStore>",
    "Arc<dyn SessionStore>",
    "MapStore, the example",
];

/// What stands below the table of laws.
const NOT_STORES: &str = "\
Sessions that lie in their cookies (`CookieSessions`) are in no store, so there is nothing to try laws on: nothing is deleted, nothing compared. \
What they promise instead stands in [sessions](sessions.md). \
The adapter of `wayfarer-tower-sessions` puts the trait of tower-sessions, which has no versions, over a store of this table: \
the store below keeps its laws, the trait cannot ask for them.
";

/// All proofs, short unless `WAYFARER_SHOW_FULL` is set.
pub(crate) fn sessions() -> Result<Value> {
    tools::provide()?;
    let lines = tests()?;
    let vectors = one(&lines, "vectors")?;
    println!("{}", vectors_table(&vectors)?);
    let laws = laws(&lines)?;
    let servers = servers(&lines)?;
    let markdown = laws_table(&laws, &servers);
    println!("{markdown}");
    std::fs::write(run::root().join("docs/session-laws.md"), &markdown)?;
    let parallel = with(&lines, "parallel");
    let parallel_stores: Vec<&str> = parallel.iter().filter_map(|l| l["store"].as_str()).collect();
    println!("200 keys, 200 counts, a late save stays out: {}", parallel_stores.join(", "));
    let fuzz = with(&lines, "fuzz");
    let bench = bench::sessions()?;
    Ok(json!({
        "vectors": vectors,
        "laws": laws,
        "servers": servers,
        "parallel": parallel,
        "fuzz": fuzz,
        "bench": bench,
    }))
}

/// Runs the tests that prove something and gives the lines that they noted.
fn tests() -> Result<Vec<Value>> {
    let python = tools::python()?;
    let folder = run::target()?.join("show");
    std::fs::create_dir_all(&folder)?;
    let proofs = folder.join("sessions-proofs.jsonl");
    if proofs.exists() {
        std::fs::remove_file(&proofs)?;
    }
    let seconds = bench::size("2", "60");
    let crates =
        ["session", "store-sql", "store-kv", "fuzz"].map(|part| format!("wayfarer-{part}"));
    let mut command = run::cargo(&["test", "--test", "it", "-p", "wayfarer"]);
    for name in &crates {
        command.args(["-p", name]);
    }
    command.args(["--", "law", "serialiser", "every_vector", "nothing_is_lost", "fuzz::"]);
    command.env("WAYFARER_TEST_PYTHON", python).env("WAYFARER_PROOFS", &proofs);
    run::run(command.env("WAYFARER_FUZZ_SECONDS", seconds))?;
    read(&proofs)
}

fn read(proofs: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(proofs).context("the tests noted no proofs")?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The lines that tell of this.
fn with(lines: &[Value], what: &str) -> Vec<Value> {
    lines.iter().filter(|line| !line[what].is_null()).cloned().collect()
}

fn one(lines: &[Value], what: &str) -> Result<Value> {
    let line = lines.iter().find(|line| !line[what].is_null());
    Ok(line.with_context(|| format!("no test noted {what}"))?[what].clone())
}

fn vectors_table(groups: &Value) -> Result<String> {
    let groups = groups.as_array().context("the vectors are no list")?;
    if groups.is_empty() {
        return Ok("no vectors: ../shared/django/vectors.json is not there".to_owned());
    }
    let mut table = format!("{:<20} {:>8} {:>4}\n", "vectors", "in file", "ran");
    let mut total = 0;
    for group in groups {
        let (there, ran) = (&group["in_file"], &group["ran"]);
        ensure!(there == ran, "{} of {there} vectors of the group {} ran", ran, group["group"]);
        total += ran.as_u64().unwrap_or(0);
        let name = group["group"].as_str().unwrap_or_default();
        writeln!(table, "{name:<20} {there:>8} {ran:>4}")?;
    }
    writeln!(table, "{:<20} {total:>8} {total:>4}", "all")?;
    Ok(table)
}

/// For each law, in the order of the suite, what each store of [`STORES`] says: `yes`, or `n/a` and the capability.
#[derive(Debug, serde::Serialize)]
struct Law {
    law: String,
    verdicts: Vec<String>,
}

fn laws(lines: &[Value]) -> Result<Vec<Law>> {
    let mut noted: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for line in lines {
        let (Some(store), Some(laws)) = (line["store"].as_str(), line["laws"].as_array()) else {
            continue;
        };
        let verdicts: Vec<(&str, String)> = laws.iter().map(verdict).collect::<Result<_>>()?;
        if let Some(before) = noted.insert(store, verdicts)
            && Some(&before) != noted.get(store)
        {
            bail!("{store} keeps other laws in another test");
        }
    }
    if let Some(unknown) = noted.keys().find(|store| !STORES.contains(store)) {
        bail!("{unknown} is not in the list of stores of xtask/src/show/sessions.rs");
    }
    let mut table: Vec<Law> = Vec::new();
    for store in STORES {
        let verdicts = noted.get(store).with_context(|| format!("no test tried {store}"))?;
        for (row, (law, verdict)) in verdicts.iter().enumerate() {
            if table.len() <= row {
                table.push(Law { law: (*law).to_owned(), verdicts: Vec::new() });
            }
            let Some(there) = table.get_mut(row) else { continue };
            ensure!(there.law == *law, "{store} was tried with other laws");
            there.verdicts.push(verdict.clone());
        }
    }
    Ok(table)
}

/// A law and its cell.
fn verdict(noted: &Value) -> Result<(&str, String)> {
    let word = |at: usize| noted[at].as_str().unwrap_or_default();
    let cell = match word(1) {
        "yes" => "yes".to_owned(),
        "n/a" => format!("n/a: `{}`", word(2)),
        _ => bail!("the law {} is broken: {}", word(0), word(2)),
    };
    Ok((word(0), cell))
}

/// The servers that were started, and the version of each.
fn servers(lines: &[Value]) -> Result<Vec<String>> {
    let noted = lines.iter().filter_map(|line| Some((line["server"].as_str()?, &line["version"])));
    let mut servers: BTreeMap<&str, &str> = BTreeMap::new();
    for (server, version) in noted {
        let version = version.as_str().context("a server has no version")?;
        if let Some(other) = servers.insert(server, version)
            && other != version
        {
            bail!("{server} was there in the versions {other} and {version}");
        }
    }
    Ok(servers.into_iter().map(|(server, version)| format!("{server} {version}")).collect())
}

/// The page of the docs: the stores by number, then a row a law.
fn laws_table(laws: &[Law], servers: &[String]) -> String {
    let mut page = String::from(
        "# The laws of session stores, and who keeps them\n\n\
         Made by `cargo xtask show sessions` from a run of `wayfarer_session::conformance` on real servers; not written by hand. Each law is one function of \
         `conformance::laws`, and each has a store that breaks it on purpose (`crates/wayfarer-session/tests/it/broken.rs`).\n\
         *n/a*: the law rests on a capability that the store does not declare.\n",
    );
    page += &format!("The servers were {}.\n\n", servers.join(", "));
    for (number, store) in STORES.iter().enumerate() {
        page += &format!("{}. `{store}`\n", number + 1);
    }
    page += "\n| law |";
    for number in 1..=STORES.len() {
        page += &format!(" {number} |");
    }
    page += &format!("\n| --- |{}\n", " --- |".repeat(STORES.len()));
    for Law { law, verdicts } in laws {
        page += &format!("| `{law}` | {} |\n", verdicts.join(" | "));
    }
    page + "\n" + NOT_STORES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(store: &str, word: &str) -> Value {
        json!({ "store": store, "laws": [["a_law", "yes", ""], ["another", word, "purge"]] })
    }

    #[test]
    fn a_server_is_there_in_one_version() {
        let noted = |version: &str| json!({ "server": "Redis", "version": version });
        let valkey = json!({ "server": "Valkey", "version": "9.1.2" });
        let mut lines = vec![valkey, noted("7.0.15"), noted("7.0.15"), json!({ "parallel": 1 })];
        assert_eq!(servers(&lines).unwrap(), ["Redis 7.0.15", "Valkey 9.1.2"]);
        lines.push(noted("6.2.0"));
        let twice = servers(&lines).unwrap_err().to_string();
        assert_eq!(twice, "Redis was there in the versions 7.0.15 and 6.2.0");
    }

    #[test]
    fn a_table_needs_every_store_and_no_broken_law() {
        let mut lines: Vec<Value> = STORES.iter().map(|store| noted(store, "n/a")).collect();
        let table = laws_table(&laws(&lines).unwrap(), &[]);
        let row = format!("| `another` |{}", " n/a: `purge` |".repeat(STORES.len()));
        assert!(table.contains(&row), "{table}");
        let last = lines.pop().unwrap();
        assert!(laws(&lines).unwrap_err().to_string().starts_with("no test tried"));
        lines.extend([last, noted("Another", "yes")]);
        assert!(laws(&lines).unwrap_err().to_string().starts_with("Another is not in the list"));
        lines.pop();
        lines.push(noted("MemoryStore", "BROKEN"));
        assert_eq!(laws(&lines).unwrap_err().to_string(), "the law another is broken: purge");
        lines.pop();
        lines.push(noted("MemoryStore", "yes"));
        let twice = laws(&lines).unwrap_err().to_string();
        assert_eq!(twice, "MemoryStore keeps other laws in another test");
    }
}
