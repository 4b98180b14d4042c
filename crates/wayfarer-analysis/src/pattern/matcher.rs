//! Finds the matches of a pattern in one pass over events.
//!
//! The search stands at several places of the pattern at once. Of all ways to stand at a place, the one that began last is
//! kept: whatever any of them can still match, this one can, and it is the shortest. Time is events × places.

use super::{Pattern, Times};

/// One match, by its first and last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Pattern {
    /// The matches among events, given by which conditions each meets.
    pub(crate) fn matches(&self, masks: &[u64]) -> Vec<Match> {
        let mut found = Vec::new();
        let mut stand = vec![None; self.places.len() + 1];
        let mut next = stand.clone();
        for (event, &mask) in masks.iter().enumerate() {
            self.begin(&mut stand, event);
            self.step(&stand, mask, &mut next);
            std::mem::swap(&mut stand, &mut next);
            let is_over = !self.at_end || event + 1 == masks.len();
            if let Some(first) = stand.last().copied().flatten().filter(|_| is_over) {
                found.push(Match { first, last: event });
                stand.fill(None);
            }
        }
        found
    }

    /// An attempt may begin with this event.
    fn begin(&self, stand: &mut [Option<usize>], event: usize) {
        if self.at_start && event > 0 {
            return;
        }
        // No attempt that is under way began later.
        for (place, began) in stand.iter_mut().enumerate() {
            *began = Some(event);
            let passes = self.places.get(place).is_some_and(|place| place.times != Times::One);
            if !passes {
                return;
            }
        }
    }

    /// Where the attempts stand after an event.
    fn step(&self, stand: &[Option<usize>], mask: u64, next: &mut [Option<usize>]) {
        next.fill(None);
        for (place, (item, began)) in self.places.iter().zip(stand).enumerate() {
            if began.is_some() && item.set.fits(mask) {
                let to = if item.times == Times::Any { place } else { place + 1 };
                next[to] = next[to].max(*began);
            }
        }
        // Places that may stay empty are passed by.
        for (place, item) in self.places.iter().enumerate() {
            if item.times != Times::One {
                next[place + 1] = next[place + 1].max(next[place]);
            }
        }
    }
}
