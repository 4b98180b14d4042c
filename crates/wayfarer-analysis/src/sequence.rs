//! The pages of a visit as a sequence: what `paths` and `step-matrix` rest on.
//!
//! Page views without a path take no part, and repeats in a row are one.

use wayfarer_event::{Column, Text};

use crate::{
    Error, Request,
    filter::{Expr, Field},
    fold::{History, KeySlot, NULL, Plan, TestSlot, Visit},
    job::{page_view, read},
};

/// Reads the pages of visits.
pub(crate) struct Sequence {
    page: TestSlot,
    path: KeySlot,
    anchor: Option<TestSlot>,
    backwards: bool,
}

impl Sequence {
    /// All pages that `pages` selects: from the first one that the request's `start` selects on, or backwards from the last
    /// one that its `end` selects.
    pub(crate) fn new(
        plan: &mut Plan,
        request: &Request,
        pages: Option<&Expr>,
    ) -> Result<Sequence, Error> {
        let start = read("start", request.start.as_deref())?;
        let end = read("end", request.end.as_deref())?;
        if start.is_some() && end.is_some() {
            return Err(Error::parameter("end", "cannot be given beside `start`"));
        }
        let backwards = end.is_some();
        let pages = pages.cloned().into_iter().chain([page_view()]).collect();
        Ok(Sequence {
            page: plan.test(&Expr::All(pages)),
            path: plan.key(&Field::Column(Column::Path)),
            anchor: start.or(end).map(|anchor| plan.test(&anchor)),
            backwards,
        })
    }

    /// The field whose codes a sequence is made of.
    pub(crate) fn path(&self) -> KeySlot {
        self.path
    }

    /// The codes of a visit's pages, from the anchor on. Empty where the visit does not have it.
    pub(crate) fn read(&self, history: &History<'_>, visit: &Visit) -> Vec<u32> {
        let (page, path) = (history.test(self.page), history.key(self.path));
        let mut rows: Vec<usize> =
            visit.rows.clone().filter(|&row| page[row] && path[row] != NULL).collect();
        if self.backwards {
            rows.reverse();
        }
        let is_anchor = |row: &usize| self.anchor.is_none_or(|anchor| history.test(anchor)[*row]);
        let first = rows.iter().position(is_anchor).unwrap_or(rows.len());
        let mut pages: Vec<u32> = rows[first..].iter().map(|row| path[*row]).collect();
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
