//! What a manager counts of its sessions: calls of the store by outcome, cookies that were refused, sessions that were purged.
//!
//! Counters only grow. An application hands them to its metrics from time to time; the spans of single calls are `tracing`'s.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

/// One counter of a [`SessionManager`](crate::SessionManager).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Count {
    /// What was done: `load`, `create`, `save`, `touch`, `rotate`, `delete`; `ticket` and `purge` for what is not
    /// one call.
    pub call: &'static str,
    /// What came of it, such as `found`, `conflict`, `failed`; `refused` for a ticket, `forgotten` for sessions of a purge.
    pub outcome: &'static str,
    /// So often since the manager was made.
    pub times: u64,
}

/// A cookie that is not ours, or damaged.
pub(crate) const REFUSED: (&str, &str) = ("ticket", "refused");
/// Sessions that a purge forgot.
pub(crate) const FORGOTTEN: (&str, &str) = ("purge", "forgotten");
/// Whatever has no counter of its own.
const OTHER: (&str, &str) = ("other", "other");

const KINDS: [(&str, &str); 26] = [
    ("load", "found"),
    ("load", "absent"),
    ("load", "failed"),
    ("save", "stored"),
    ("save", "conflict"),
    ("save", "gone"),
    ("save", "failed"),
    ("create", "stored"),
    ("create", "taken"),
    ("create", "failed"),
    ("touch", "moved"),
    ("touch", "conflict"),
    ("touch", "gone"),
    ("touch", "failed"),
    ("rotate", "stored"),
    ("rotate", "conflict"),
    ("rotate", "gone"),
    ("rotate", "taken"),
    ("rotate", "failed"),
    ("delete", "live"),
    ("delete", "gone"),
    ("delete", "failed"),
    REFUSED,
    FORGOTTEN,
    ("purge", "failed"),
    OTHER,
];

pub(crate) struct Counts([AtomicU64; KINDS.len()]);

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counts({})", self.0.len())
    }
}

impl Counts {
    pub(crate) fn new() -> Counts {
        Counts(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(crate) fn add(&self, kind: (&str, &str), times: u64) {
        let at = KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len() - 1);
        if let Some(counter) = self.0.get(at) {
            counter.fetch_add(times, Ordering::Relaxed);
        }
    }

    pub(crate) fn all(&self) -> Vec<Count> {
        let counted = KINDS.iter().zip(&self.0);
        let count = |(&(call, outcome), counter): (&(&'static str, &'static str), &AtomicU64)| {
            Count { call, outcome, times: counter.load(Ordering::Relaxed) }
        };
        counted.map(count).collect()
    }
}
