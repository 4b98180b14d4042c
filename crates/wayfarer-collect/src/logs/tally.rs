//! What an import counted, over all its files.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use wayfarer_event::{Event, VisitorId};

/// What an import counted: the last line that `wayfarer import --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Lines read that tell something: empty ones and headings are left out.
    pub read: u64,
    /// Events that are new in the lake.
    pub imported: u64,
    /// Events that an earlier import had added already.
    pub duplicates: u64,
    /// Lines that were refused.
    pub rejected: u64,
    /// Events of visitors who asked not to be tracked; nothing of them is stored.
    pub declined: u64,
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
    pub(super) read: u64,
    pub(super) rejected: u64,
    pub(super) declined: u64,
    imported: u64,
    duplicates: u64,
    bots: u64,
    visitors: Distinct,
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
            read: self.read,
            imported: self.imported,
            duplicates: self.duplicates,
            rejected: self.rejected,
            declined: self.declined,
            bots: self.bots,
            visitors: self.visitors.count(),
            visitors_exact: self.visitors.halvings == 0,
            seconds,
        }
    }

    /// Notes an event that was read.
    pub(super) fn event(&mut self, event: &Event) {
        self.bots += u64::from(event.bot_reason.is_some());
        if !event.status.is_some_and(|status| (400..=499).contains(&status)) {
            self.visitors.insert(event.visitor);
        }
    }
}

/// Visitors that are counted one by one, at the most.
const COUNTED: usize = 1 << 22;

/// Counts distinct visitors: exactly up to [`COUNTED`], then by a sample. Visitors are hashes already, so those whose low
/// bits are zero are a fair sample; whenever it grows too large, one more bit must be zero.
#[derive(Debug, Default)]
struct Distinct {
    seen: HashSet<u64>,
    halvings: u32,
}

impl Distinct {
    fn insert(&mut self, visitor: VisitorId) {
        self.insert_into(visitor, COUNTED);
    }

    fn insert_into(&mut self, visitor: VisitorId, most: usize) {
        if visitor.0.trailing_zeros() < self.halvings {
            return;
        }
        self.seen.insert(visitor.0);
        while self.seen.len() > most && self.halvings < u64::BITS {
            self.halvings += 1;
            self.seen.retain(|visitor| visitor.trailing_zeros() >= self.halvings);
        }
    }

    fn count(&self) -> u64 {
        (self.seen.len() as u64)
            .saturating_mul(1_u64.checked_shl(self.halvings).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visitors_are_exact_and_then_estimated_in_bounded_memory() {
        let mut distinct = Distinct::default();
        // Multiplying by an odd number spreads the bits, as a hash does.
        let visitor =
            |i: u64| VisitorId((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17));
        for i in 0..1000 {
            distinct.insert_into(visitor(i), 1000);
            distinct.insert_into(visitor(i), 1000);
        }
        assert_eq!((distinct.count(), distinct.halvings), (1000, 0));
        for i in 0..100_000 {
            distinct.insert_into(visitor(i), 1000);
            assert!(distinct.seen.len() <= 1000);
        }
        assert!((90_000..110_000).contains(&distinct.count()), "{}", distinct.count());
        for _ in 0..10 {
            distinct.insert_into(VisitorId(0), 0);
        }
    }
}
