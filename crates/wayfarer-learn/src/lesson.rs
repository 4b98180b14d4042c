//! What one visit teaches.

use wayfarer_event::Micros;

/// A visit of more events is a machine's, and teaches nothing.
pub(crate) const LONGEST: usize = 1000;

/// What one visit teaches: the pages that it had, and which of them came right after which. Each counts once, however
/// often the visit had it. A page that is loaded again does not follow itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lesson {
    /// The day, counted from 1970 in UTC, in which the visit started.
    pub(crate) day: i64,
    pub(crate) pages: Vec<u32>,
    pub(crate) steps: Vec<(u32, u32)>,
}

impl Lesson {
    /// The lesson of a visit that started at `start`: its events in order, each with its page if it is a page view.
    /// `None` where it teaches nothing.
    pub(crate) fn of(
        start: i64,
        events: impl ExactSizeIterator<Item = Option<u32>>,
    ) -> Option<Lesson> {
        if events.len() > LONGEST {
            return None;
        }
        let mut seen: Vec<u32> = events.flatten().collect();
        seen.dedup();
        let mut steps: Vec<(u32, u32)> = seen.windows(2).map(|pair| (pair[0], pair[1])).collect();
        steps.sort_unstable();
        steps.dedup();
        seen.sort_unstable();
        seen.dedup();
        (!seen.is_empty()).then(|| Lesson { day: day(start), pages: seen, steps })
    }
}

/// What one event adds to what its visit teaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The day of the visit, counted from 1970 in UTC.
    pub(crate) day: i64,
    /// It is the visit's first page: only now it teaches anything.
    pub(crate) begins: bool,
    /// A page that the visit had not had before.
    pub(crate) page: Option<u32>,
    /// A step that it had not taken before.
    pub(crate) step: Option<(u32, u32)>,
}

impl Growth {
    /// The event teaches nothing new.
    pub(crate) fn nothing(start: i64) -> Growth {
        Growth { day: day(start), begins: false, page: None, step: None }
    }

    /// The event is the first of a visit.
    pub(crate) fn first(start: i64, page: Option<u32>) -> Growth {
        Growth { begins: page.is_some(), page, ..Growth::nothing(start) }
    }

    /// The event comes after those of a visit that had these pages, in order.
    pub(crate) fn next(
        start: i64,
        mut before: impl DoubleEndedIterator<Item = u32> + Clone,
        page: Option<u32>,
    ) -> Growth {
        let Some(page) = page else { return Growth::nothing(start) };
        let Some(last) = before.clone().next_back() else {
            return Growth::first(start, Some(page));
        };
        let steps = before.clone().zip(before.clone().skip(1));
        let step = (last, page);
        let is_new = last != page && !steps.into_iter().any(|taken| taken == step);
        let page = (!before.any(|other| other == page)).then_some(page);
        Growth { page, step: is_new.then_some(step), ..Growth::nothing(start) }
    }
}

/// The day of an instant, counted from 1970 in UTC.
pub(crate) fn day(ts: i64) -> i64 {
    ts.div_euclid(Micros::DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_counts_each_page_and_step_once() {
        let events = [Some(1), Some(1), None, Some(2), Some(1), Some(2), Some(3)];
        let lesson = Lesson::of(Micros::DAY + 5, events.into_iter()).unwrap();
        assert_eq!(lesson.day, 1);
        assert_eq!(lesson.pages, [1, 2, 3]);
        assert_eq!(lesson.steps, [(1, 2), (2, 1), (2, 3)]);
    }

    #[test]
    fn a_visit_without_pages_and_one_of_a_machine_teach_nothing() {
        assert_eq!(Lesson::of(0, [None, None].into_iter()), None);
        assert_eq!(Lesson::of(0, vec![Some(1); LONGEST + 1].into_iter()), None);
        assert!(Lesson::of(0, vec![Some(1); LONGEST].into_iter()).is_some());
    }
}
