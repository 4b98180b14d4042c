//! What an import counted, over all its files.

use serde::{Deserialize, Serialize};

/// What an import counted: the last line that `wayfarer import --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Lines read, empty ones left out.
    pub read: u64,
    /// Events that are new in the lake.
    pub imported: u64,
    /// Events that an earlier import had added already.
    pub duplicates: u64,
    /// Lines that were refused.
    pub rejected: u64,
    /// Events of bots, duplicates included.
    pub bots: u64,
    /// Distinct visitors of all lines whose status is not 4xx, bots included.
    pub visitors: u64,
    /// Whether `visitors` is exact: above some millions it is estimated, in bounded memory.
    pub visitors_exact: bool,
    /// How long it took.
    pub seconds: f64,
}

/// Counts over one import of any number of files. Its memory is bounded.
#[derive(Debug, Default)]
pub struct Tally {
    imported: u64,
    duplicates: u64,
}

impl Tally {
    /// Notes what the lake did with a batch.
    pub fn appended(&mut self, stored: u64, duplicates: u64) {
        self.imported += stored;
        self.duplicates += duplicates;
    }

    /// The counts up to now.
    #[must_use]
    pub fn counts(&self, seconds: f64) -> ImportCounts {
        ImportCounts {
            imported: self.imported,
            duplicates: self.duplicates,
            seconds,
            ..ImportCounts::default()
        }
    }
}
