//! What a lake did since it was opened, stage by stage: for people, for metrics, and to see back-pressure.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counts since the lake was opened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        /// The same, while they grow.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Events that were stored.
    appended,
    /// Events whose id was there already.
    duplicates,
    /// Events of a person who was erased, from before that.
    declined,
    /// Batches that were refused since too much waited.
    refused_busy,
    /// Batches that were refused since the disk was full.
    refused_full,
    /// Batches that were refused since they were too large.
    refused_too_large,
    /// Batches that failed for another reason, such as an I/O error.
    failed,
    /// Groups of batches that were written to the log together, each with one sync.
    log_syncs,
    /// Bytes that were written to the log.
    log_bytes,
    /// Seals that were committed.
    seals,
    /// Rows that they moved into files.
    sealed_rows,
    /// Seals that failed and were tried again.
    seals_failed,
    /// Events that another node had sealed under the same id, and that this node's seals left out. They were counted as stored
    /// before.
    settled,
    /// Merges that were committed.
    merges,
    /// Rows that they wrote again.
    merged_rows,
    /// Compactions and retentions that failed and were tried again.
    merges_failed,
    /// Changes of the catalog that somebody else's change came before; they were worked out anew.
    conflicts,
    /// Rows that were dropped since their site does not keep them so long.
    expired_rows,
    /// Rows that were erased.
    erased_rows,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

impl Counters {
    /// Counts a batch that was not taken.
    pub(crate) fn refuse(&self, error: &Error) {
        let counter = match error.kind() {
            ErrorKind::Busy => &self.refused_busy,
            ErrorKind::StorageFull => &self.refused_full,
            ErrorKind::TooLarge => &self.refused_too_large,
            _ => &self.failed,
        };
        counter.add(1);
    }
}
