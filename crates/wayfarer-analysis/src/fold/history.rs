//! What a fold sees of one visitor.

use std::ops::Range;

use wayfarer_event::VisitorId;

use super::{KeySlot, MaskSlot, NumberSlot, Rows, TestSlot, Words};
use crate::VisitRule;

/// One visitor's rows, in the order (ts, arrival), as columns of equal length.
///
/// With [`Plan::visits`](super::Plan::visits) there are rows before and after the period, too:
/// [`inside`](History::inside) tells which rows lie in it. A history always has a row in it, or a hidden one.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub(super) visitor: u64,
    pub(super) rows: Rows<'a>,
    pub(super) words: &'a [Words],
    pub(super) kept: (usize, usize),
    pub(super) hidden: (usize, usize),
    pub(super) period: (i64, i64),
    pub(super) rule: VisitRule,
}

impl<'a> History<'a> {
    /// Whose rows these are.
    #[must_use]
    pub fn visitor(&self) -> VisitorId {
        VisitorId(self.visitor)
    }

    /// The times, ascending.
    #[must_use]
    pub fn times(&self) -> &'a [i64] {
        &self.rows.times[self.range()]
    }

    /// The codes of a key: [`NULL`](super::NULL) where it is not known.
    #[must_use]
    pub fn key(&self, slot: KeySlot) -> &'a [u32] {
        &self.rows.columns.keys[slot.0][self.range()]
    }

    /// The texts of a key's codes. The same codes mean the same texts for all visitors of a state.
    #[must_use]
    pub fn words(&self, slot: KeySlot) -> &'a Words {
        &self.words[slot.0]
    }

    /// The values of a number: NaN where it is not known.
    #[must_use]
    pub fn number(&self, slot: NumberSlot) -> &'a [f64] {
        &self.rows.columns.numbers[slot.0][self.range()]
    }

    /// Which rows a filter selects.
    #[must_use]
    pub fn test(&self, slot: TestSlot) -> &'a [bool] {
        &self.rows.columns.tests[slot.0][self.range()]
    }

    /// Whether a filter selects a row. Where there is no filter, every row is selected.
    #[must_use]
    pub fn selects(&self, filter: Option<TestSlot>, row: usize) -> bool {
        filter.is_none_or(|slot| self.test(slot)[row])
    }

    /// Whether a filter selects any row of a visit.
    #[must_use]
    pub fn selects_visit(&self, filter: Option<TestSlot>, visit: &Visit) -> bool {
        filter.is_none_or(|slot| self.test(slot)[visit.rows.clone()].contains(&true))
    }

    /// Which of several filters select each row, as bits.
    #[must_use]
    pub fn mask(&self, slot: MaskSlot) -> &'a [u64] {
        &self.rows.columns.masks[slot.0][self.range()]
    }

    /// Which rows lie in the period.
    #[must_use]
    pub fn inside(&self) -> Range<usize> {
        let times = self.times();
        let (from, until) = self.period;
        match (times.first(), times.last()) {
            (Some(first), Some(last)) if *first >= from && *last < until => 0..times.len(),
            _ => times.partition_point(|ts| *ts < from)..times.partition_point(|ts| *ts < until),
        }
    }

    /// The visits that have a row in the period or after it, in order. Those that start in the period are whole.
    pub fn visits(&self) -> impl Iterator<Item = Visit> + use<'a> {
        let times = self.times();
        let (from, until) = self.period;
        self.rule.cut(times).map(move |rows| {
            let (start, end) = (times[rows.start], times[rows.end - 1]);
            Visit { rows, start, end, starts_inside: (from..until).contains(&start) }
        })
    }

    /// The rows that are left out as those of bots.
    #[must_use]
    pub fn hidden(&self) -> History<'a> {
        History { kept: self.hidden, hidden: (self.hidden.1, self.hidden.1), ..*self }
    }

    fn range(&self) -> Range<usize> {
        self.kept.0..self.kept.1
    }
}

/// One visit of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Its rows.
    pub rows: Range<usize>,
    /// The time of its first row.
    pub start: i64,
    /// The time of its last row.
    pub end: i64,
    /// Whether it belongs to the period.
    pub starts_inside: bool,
}
