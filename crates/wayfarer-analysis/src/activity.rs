//! In which intervals a visitor was active: what `lifecycle` and `stickiness` rest on.

use std::ops::Range;

use wayfarer_event::{Column, VisitorKind};

use crate::{
    filter::Field,
    fold::{History, KeySlot, Plan, TestSlot},
    job::Job,
    period::Intervals,
};

/// Reads activity from histories.
pub(crate) struct Activity {
    selected: Option<TestSlot>,
    kind: KeySlot,
}

impl Activity {
    pub(crate) fn new(plan: &mut Plan, job: &Job<'_>) -> Activity {
        Activity {
            selected: job.filter.as_ref().map(|filter| plan.test(filter)),
            kind: plan.key(&Field::Column(Column::VisitorKind)),
        }
    }

    /// Whether the visitor, at this row, is known for one day only, so that nothing can be said of its coming back.
    pub(crate) fn is_daily(&self, history: &History<'_>, row: usize) -> bool {
        let kind = history.key(self.kind).get(row).copied();
        let kind = kind.and_then(|code| history.words(self.kind).get(code));
        kind.is_none_or(|kind| kind == VisitorKind::Daily.as_str())
    }

    /// Whether the visitor was active before the first interval.
    pub(crate) fn was_active_before(&self, history: &History<'_>, intervals: &Intervals) -> bool {
        let (start, _) = intervals.bounds(0);
        let before = history.times().partition_point(|ts| *ts < start);
        (0..before).any(|row| history.selects(self.selected, row))
    }

    /// The intervals of the period in which the visitor was active, in order, each once. What was read before the period is
    /// not of it, though it may be of its first interval.
    pub(crate) fn intervals(&self, history: &History<'_>, intervals: &Intervals) -> Vec<usize> {
        let was_active =
            |rows: &Range<usize>| rows.clone().any(|row| history.selects(self.selected, row));
        let cut = intervals.cut(history.times(), history.inside());
        cut.filter(|(_, rows)| was_active(rows)).map(|(place, _)| place).collect()
    }
}
