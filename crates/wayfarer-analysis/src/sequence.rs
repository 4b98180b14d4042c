//! What a visit went through, one after another: what `paths`, `step-matrix` and `transitions` rest on.
//!
//! A visit goes through pages. With `by` it goes through another field's values: those of its page views, or with `name` of all
//! its events. Rules in `group` make one of many. What has no value takes no part.

use wayfarer_event::{Column, Text};

use crate::{
    Error, Request,
    filter::{Expr, Field},
    fold::{Groups, History, KeySlot, NULL, Plan, TestSlot, Visit},
    job::{event_field, page_view, read},
};

/// Where a visit can be: which events take it there, and what the place is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) test: TestSlot,
    pub(crate) key: KeySlot,
}

impl Places {
    /// The places that a request asks for, as far as `events` selects them.
    pub(crate) fn new(
        plan: &mut Plan,
        request: &Request,
        events: Option<&Expr>,
    ) -> Result<Places, Error> {
        let field = event_field(request)?.unwrap_or(Field::Column(Column::Path));
        let of_pages = field != Field::Column(Column::Name);
        let tests = events.cloned().into_iter().chain(of_pages.then(page_view)).collect();
        let groups = Groups::read("group", &request.group)?;
        Ok(Places {
            test: plan.test(&Expr::All(tests)),
            key: plan.grouped(&field, groups.as_ref()),
        })
    }
}

/// Reads the places of visits, repeats in a row as one.
pub(crate) struct Sequence {
    places: Places,
    anchor: Option<TestSlot>,
    backwards: bool,
}

impl Sequence {
    /// All places that `events` selects: from the first one that the request's `start` selects on, or backwards from the last
    /// one that its `end` selects.
    pub(crate) fn new(
        plan: &mut Plan,
        request: &Request,
        events: Option<&Expr>,
    ) -> Result<Sequence, Error> {
        let start = read("start", request.start.as_deref())?;
        let end = read("end", request.end.as_deref())?;
        if start.is_some() && end.is_some() {
            return Err(Error::parameter("end", "cannot be given beside `start`"));
        }
        let backwards = end.is_some();
        Ok(Sequence {
            places: Places::new(plan, request, events)?,
            anchor: start.or(end).map(|anchor| plan.test(&anchor)),
            backwards,
        })
    }

    /// The field whose codes a sequence is made of.
    pub(crate) fn key(&self) -> KeySlot {
        self.places.key
    }

    /// The codes of a visit's places, from the anchor on. Empty where the visit does not have it.
    pub(crate) fn read(&self, history: &History<'_>, visit: &Visit) -> Vec<u32> {
        let (test, key) = (history.test(self.places.test), history.key(self.places.key));
        let mut rows: Vec<usize> =
            visit.rows.clone().filter(|&row| test[row] && key[row] != NULL).collect();
        if self.backwards {
            rows.reverse();
        }
        let is_anchor = |row: &usize| history.selects(self.anchor, *row);
        let first = rows.iter().position(is_anchor).unwrap_or(rows.len());
        let mut pages: Vec<u32> = rows[first..].iter().map(|row| key[*row]).collect();
        pages.dedup();
        pages
    }
}

/// The most frequent pages; of equally frequent ones, those that come first by name.
pub(crate) fn most_frequent(
    counts: impl Iterator<Item = (Text, u64)>,
    top: usize,
) -> impl Iterator<Item = Text> {
    let mut pages: Vec<(Text, u64)> = counts.filter(|(_, count)| *count > 0).collect();
    pages.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    pages.into_iter().take(top).map(|(page, _)| page)
}
