//! The shared vectors of real Django, all of them, where they are there: `../shared/django/vectors.json`.
//!
//! The walk goes over the **file** and asks [`run`] for the group of each vector, so that none can be left out: a kind that
//! no group knows ends it. What a vector says in which we do otherwise on purpose is told from what we do in its group, by
//! name, and stands in `docs/sessions.md`.
//!
//! The project passes without the file: then the facts that the tests of each part hold are all that is tried.

mod codec;
mod life;
mod servers;
mod stores;

use std::collections::BTreeMap;

use serde_json::Value;
use wayfarer::session::jiff::Timestamp;

/// The kinds whose vectors speak of what lies on a server.
const ON_SERVERS: [&str; 3] = ["cache_key", "cache_timeout", "memcached_flags"];

/// Does what a vector describes and holds the outcome against it.
async fn run(kind: &str, vector: &Value) {
    match kind {
        "encode" => codec::encode(vector).await,
        "decode" => codec::decode(vector),
        "signed_cookie_load" => codec::signed_cookie(vector).await,
        "auth_hash" => codec::auth_hash(vector),
        "cache_value" => codec::cache_value(vector),
        "cache_value_reject" => codec::cache_value_refused(vector),
        "expiry" => life::expiry(vector).await,
        "login" => life::login(vector).await,
        "concurrency" => life::concurrency(vector).await,
        "middleware" => crate::django::check(vector).await,
        "db_row" => stores::row(vector).await,
        "file" => stores::file(vector).await,
        "file_bad_key" => stores::file_of_a_bad_key(vector).await,
        "file_expiry" => stores::end_of_a_file(vector).await,
        "cached_db" => stores::cached_db(vector).await,
        "cache_key" => servers::key(vector).await,
        "cache_timeout" => servers::timeout(vector).await,
        "memcached_flags" => servers::flags(vector).await,
        unknown => panic!("no group runs {} of the kind {unknown}", vector["id"]),
    }
}

/// Runs the vectors of the kinds that `wanted` names, and gives for each kind in the file how many are there and how many
/// ran. Nothing, and a line that says so, where there is no file.
async fn walk(wanted: impl Fn(&str) -> bool) -> BTreeMap<String, (usize, usize)> {
    let path =
        std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/../../../shared/django/vectors.json";
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!(
            "no shared vectors at {path}: only the facts in the tests of each part were tried"
        );
        return groups;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(file["count"], vectors.len(), "the file is whole");
    for vector in vectors {
        let kind = vector["kind"].as_str().unwrap();
        let (there, ran) = groups.entry(kind.to_owned()).or_default();
        *there += 1;
        if wanted(kind) {
            // The name of the vector stands above a panic.
            println!("{}", vector["id"]);
            run(kind, vector).await;
            *ran += 1;
        }
    }
    groups
}

#[tokio::test]
async fn every_vector_holds_that_needs_no_server() {
    for (kind, (there, ran)) in walk(|kind| !ON_SERVERS.contains(&kind)).await {
        let expected = if ON_SERVERS.contains(&kind.as_str()) { 0 } else { there };
        assert_eq!(ran, expected, "{kind}");
    }
}

mod real {
    use std::{fs::OpenOptions, io::Write as _};

    use serde_json::json;

    /// The table goes to the file of proofs, where `cargo xtask show sessions` names one.
    #[tokio::test]
    async fn every_vector_of_the_file_holds() {
        let groups = super::walk(|_| true).await;
        println!("{:<20} {:>8} {:>4}", "group", "in file", "ran");
        for (kind, (there, ran)) in &groups {
            println!("{kind:<20} {there:>8} {ran:>4}");
            assert_eq!(there, ran, "{kind}");
        }
        if let Some(path) = std::env::var_os("WAYFARER_PROOFS") {
            let rows = groups
                .iter()
                .map(|(kind, (there, ran))| json!({ "group": kind, "in_file": there, "ran": ran }));
            let line = json!({ "vectors": rows.collect::<Vec<_>>() });
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{} has no text {name}", vector["id"]))
}

/// A time in Unix seconds, to the microsecond.
fn instant(seconds: &Value) -> Timestamp {
    Timestamp::from_microsecond((seconds.as_f64().unwrap() * 1e6).round() as i64).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
