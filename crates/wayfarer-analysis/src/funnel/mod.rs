//! Funnels: how far a visitor goes through a sequence of steps.
//!
//! **Definition.** Steps are conditions on rows. An *attempt* of depth k is k rows, no row twice, that meet the first k steps
//! ([`Order::Sequential`]: in the order of the rows, other rows between; [`Order::Strict`]: right after one another), or any
//! k of the steps in whatever order ([`Order::Any`]). Its first row lies in the period; all lie within the
//! [`Window`], which may reach beyond the period. Rows that do not count (by the filter, or the value of a dimension) are as
//! if they were not there. Rows of equal time follow each other in the order of their arrival. The depth of a visitor is that
//! of its deepest attempt, whichever possible first row that one begins with.
//!
//! The **time** of a depth is told of the first row at which an attempt of that depth ends, and of the latest start of such
//! an attempt: how long the visitor took when it first got there.
//!
//! An attempt that is not through **waits** while a row that came now could take it on: its window is not over, which for
//! [`Window::Step`] is that of its last row, and (strict) no row that counts, or is excluded, has come after it.
//!
//! A visitor with an **excluded** row while an attempt of its waits, before any is through, is left out: it counts for no step.
//! Excluded rows are no steps, whether they count or not, and elsewhere they do nothing else.
//!
//! [`ordered`] tells sequential and strict funnels in one pass, with one place for each step: of all attempts that have
//! reached a step, the one that began last leaves the most time, so it stands for all. [`any`] slides a window over the rows
//! and finds how many steps can be met at once. [`asked`] reads a funnel from a request.

mod any;
mod asked;
mod ordered;
#[cfg(test)]
mod tests;

pub(crate) use asked::{Asked, adjacent};

/// The most steps of a funnel: one bit of 64 is for excluded rows.
pub(crate) const STEPS: usize = 63;

/// The bit of rows that are excluded.
pub(crate) const EXCLUDED: u64 = 1 << 63;

/// In which order steps must be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Sequential,
    Strict,
    Any,
}

/// How long an attempt may take, in microseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// From its first row to its last.
    Whole(i64),
    /// From each row to the next.
    Step(i64),
}

/// A funnel, apart from what its steps are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Funnel {
    pub(crate) steps: usize,
    pub(crate) order: Order,
    pub(crate) window: Window,
}

/// One depth that was reached: the rows of the attempt that told its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The rows of a visitor: their times, the steps that each meets as bits (and no bits beside those of steps and
/// [`EXCLUDED`]), and where attempts may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) times: &'a [i64],
    pub(crate) masks: &'a [u64],
    /// Which rows count; `None` where all do, or where it makes no difference: rows that do not count meet no step.
    pub(crate) counts: Option<&'a [bool]>,
    pub(crate) entry: (usize, usize),
}

impl Rows<'_> {
    fn may_begin(&self, row: usize) -> bool {
        (self.entry.0..self.entry.1).contains(&row)
    }
}

/// How it stands with a visitor after its last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It is through.
    Through,
    /// It is not. An attempt whose window runs from this instant, the latest of all, may wait.
    Short { since: Option<i64> },
    /// It did what is excluded: it counts for nothing.
    LeftOut,
}

impl Stand {
    /// Whether an attempt waits, if those do whose windows run from later than this instant.
    pub(crate) fn waits(self, open_from: i64) -> bool {
        matches!(self, Stand::Short { since: Some(since) } if since > open_from)
    }
}

impl Funnel {
    /// The depths that a visitor reached: `reached` becomes as long as the deepest is deep, and empty if it is left out.
    pub(crate) fn follow(&self, rows: Rows<'_>, reached: &mut Vec<Reached>) -> Stand {
        reached.clear();
        let stand = match self.order {
            Order::Any => any::follow(self, rows, reached),
            Order::Sequential | Order::Strict => ordered::follow(self, rows, reached),
        };
        if stand == Stand::LeftOut {
            reached.clear();
        }
        stand
    }

    /// Whether a row at `now` comes within a window that runs from `since`.
    fn is_in_time(&self, since: i64, now: i64) -> bool {
        now.saturating_sub(since) <= self.patience()
    }

    /// How long an attempt waits for its next row.
    pub(crate) fn patience(&self) -> i64 {
        let (Window::Whole(micros) | Window::Step(micros)) = self.window;
        micros
    }

    /// How long an attempt can take at most.
    pub(crate) fn longest(&self) -> i64 {
        match self.window {
            Window::Whole(micros) => micros,
            Window::Step(micros) => micros.saturating_mul(self.steps.saturating_sub(1) as i64),
        }
    }
}
