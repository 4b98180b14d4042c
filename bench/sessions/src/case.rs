//! What is asked of every system: the routes, the stores, and the session that all of them hold.
//!
//! | route | handler |
//! | --- | --- |
//! | `/seed` | puts [`payload`] into the session |
//! | `/untouched` | answers without a look at the session |
//! | `/read` | reads `user` |
//! | `/write` | sets `n` to a number that is new each time |
//! | `/own/{key}` | reads, waits until all overlapping requests have read, sets `own-{key}` |
//! | `/count` | reads, waits likewise, adds 1 to `count` |
//! | `/slow` | reads, says so, waits until it may go on, sets `late` |
//! | `/logout` | ends the session |
//! | `/look` | answers how many `own-…` there are, `count`, and whether `user` is there |

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

/// What a request does with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Case {
    /// It brings no cookie, and the handler does not look at the session.
    NoCookie,
    /// It brings its cookie, and the handler does not look at the session.
    Untouched,
    /// The handler reads one value.
    Read,
    /// The handler sets one value.
    Write,
}

impl Case {
    /// Every case.
    pub(crate) const ALL: [Case; 4] = [Case::NoCookie, Case::Untouched, Case::Read, Case::Write];

    /// The route that it asks for.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Case::NoCookie | Case::Untouched => "/untouched",
            Case::Read => "/read",
            Case::Write => "/write",
        }
    }

    /// Whether the request brings a session.
    pub(crate) fn has_cookie(self) -> bool {
        self != Case::NoCookie
    }

    /// How a table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Case::NoCookie => "no cookie",
            Case::Untouched => "untouched",
            Case::Read => "read",
            Case::Write => "write",
        }
    }
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Store {
    /// In the memory of the process.
    Memory,
    /// In SQLite, with a write-ahead log; every write is on the disk before it is answered.
    SqliteFull,
    /// In SQLite, with a write-ahead log; a power cut may take the last writes back.
    SqliteNormal,
    /// In a PostgreSQL server on this machine.
    Postgres,
    /// In a Redis server on this machine.
    Redis,
    /// In a Valkey server on this machine, which can compare and set by one plain command.
    Valkey,
    /// In a signed cookie.
    Cookie,
}

impl Store {
    /// Every store.
    pub(crate) const ALL: [Store; 7] = [
        Store::Memory,
        Store::SqliteFull,
        Store::SqliteNormal,
        Store::Postgres,
        Store::Redis,
        Store::Valkey,
        Store::Cookie,
    ];

    /// How a table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Store::Memory => "memory",
            Store::SqliteFull => "sqlite, full",
            Store::SqliteNormal => "sqlite, normal",
            Store::Postgres => "postgresql",
            Store::Redis => "redis",
            Store::Valkey => "valkey",
            Store::Cookie => "signed cookie",
        }
    }

    /// SQLite's word for how durable a write is.
    pub(crate) fn synchronous(self) -> &'static str {
        if self == Store::SqliteFull { "FULL" } else { "NORMAL" }
    }
}

/// What the session holds: what a log-in leaves, and a small cart.
pub(crate) fn payload() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("user", json!("4217")),
        ("backend", json!("shop.accounts.backends.EmailBackend")),
        ("hash", json!("a3f1c2d4e5b60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90")),
        ("language", json!("zh-hans")),
        ("csrf", json!("Zk3vQ9xT2mB7cR5nL8wY1pD4")),
        ("cart", json!([{"sku": "tea-01", "n": 2}, {"sku": "cup-07", "n": 1}])),
        ("n", json!(0)),
    ])
}

/// How long [`payload`] is as JSON, in bytes.
pub(crate) fn payload_bytes() -> usize {
    serde_json::to_vec(&payload()).map_or(0, |text| text.len())
}
