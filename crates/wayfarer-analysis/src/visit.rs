//! The rule of visits: which of a visitor's events belong together.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wayfarer_event::Micros;

/// When a visit ends. Durations in microseconds.
///
/// An event belongs to the visit before it when it comes no more than [`gap`](VisitRule::gap) after the event before, and
/// no more than [`cap`](VisitRule::cap) after the first event of the visit. Nothing else ends a visit: no midnight, no change
/// of campaign. A visit belongs to the period in which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitRule {
    /// The longest pause inside a visit.
    pub gap: i64,
    /// The longest visit.
    pub cap: i64,
}

/// Thirty minutes, twenty-four hours.
impl Default for VisitRule {
    fn default() -> VisitRule {
        VisitRule { gap: 30 * Micros::MINUTE, cap: Micros::DAY }
    }
}

impl VisitRule {
    /// Whether an event at `ts` belongs to the visit that started at `start` and had its latest event at `last`.
    #[must_use]
    pub fn continues(&self, start: i64, last: i64, ts: i64) -> bool {
        // Times ascend, so their distance is never negative, and fits where a signed number would not.
        let within = |from: i64, most: i64| ts.wrapping_sub(from) as u64 <= most.max(0) as u64;
        within(last, self.gap) && within(start, self.cap)
    }

    /// Cuts one visitor's times, in order, into visits: ranges of places, none empty.
    pub fn cut<'a>(&self, times: &'a [i64]) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let rule = *self;
        let mut start = 0;
        std::iter::from_fn(move || {
            let &first = times.get(start)?;
            let (mut end, mut last) = (start + 1, first);
            while let Some(&ts) = times.get(end).filter(|ts| rule.continues(first, last, **ts)) {
                (end, last) = (end + 1, ts);
            }
            Some(std::mem::replace(&mut start, end)..end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: VisitRule = VisitRule { gap: 30, cap: 100 };

    fn cut(times: &[i64]) -> Vec<Range<usize>> {
        RULE.cut(times).collect()
    }

    #[test]
    fn a_gap_of_just_the_limit_does_not_end_a_visit() {
        assert!(cut(&[]).is_empty());
        assert_eq!(cut(&[0, 30, 61, 61]), [0..2, 2..4]);
        assert_eq!(cut(&[5, 90]), [0..1, 1..2]);
    }

    #[test]
    fn a_visit_is_no_longer_than_the_cap() {
        assert_eq!(cut(&[0, 25, 50, 75, 100, 101, 131]), [0..5, 5..7]);
        assert_eq!(cut(&[0, 25, 50, 75, 101]), [0..4, 4..5]);
    }
}
