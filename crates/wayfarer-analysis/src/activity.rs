//! In which intervals a visitor was active, and of whom that can be said: what `lifecycle`, `stickiness` and `retention`
//! rest on.

use std::ops::Range;

use wayfarer_event::{Column, VisitorKind};

use crate::{
    filter::{Expr, Field, Literal, Op, Test},
    fold::{History, Plan, TestSlot},
    job::Job,
    period::Intervals,
};

/// Reads activity from histories.
pub(crate) struct Activity {
    selected: Option<TestSlot>,
    daily: Daily,
}

/// Tells which visitors are known for one day only, or nobody knows for how long: nothing can be said of their coming back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Daily(TestSlot);

impl Daily {
    pub(crate) fn new(plan: &mut Plan) -> Daily {
        let daily = Literal::Text(VisitorKind::Daily.as_str().to_owned());
        let tests = [Test::IsNull, Test::Compare(Op::Eq, daily)];
        let kind = |test| Expr::Test(Field::Column(Column::VisitorKind), test);
        Daily(plan.test(&Expr::Any(tests.map(kind).to_vec())))
    }

    /// Whether the visitor, at this row, is one of them.
    pub(crate) fn is_at(&self, history: &History<'_>, row: usize) -> bool {
        history.test(self.0).get(row).copied().unwrap_or(true)
    }
}

impl Activity {
    pub(crate) fn new(plan: &mut Plan, job: &Job<'_>) -> Activity {
        Activity {
            selected: job.filter.as_ref().map(|filter| plan.test(filter)),
            daily: Daily::new(plan),
        }
    }

    /// Whether the visitor, at this row, is known for one day only, so that nothing can be said of its coming back.
    pub(crate) fn is_daily(&self, history: &History<'_>, row: usize) -> bool {
        self.daily.is_at(history, row)
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
