//! What is told of a visit as a whole, as the key of whatever lies in it: where it came from, where it began and ended,
//! whether the visitor was new. `breakdown`, `funnel` and `retention` read it here, so that a dimension means the same in all.

use std::borrow::Cow;

use wayfarer_event::{Column, Text, VisitorKind};

use crate::{
    Error, VisitRule,
    dimension::Dimension,
    facts::PagesReader,
    filter::Field,
    fold::{Groups, History, KeySlot, NULL, Plan, Visit},
    job::{Job, event_field},
};

/// How the value of a visit is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VisitKey {
    how: How,
    slot: KeySlot,
    pages: PagesReader,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// At its first page view, or its first event where it has no page view.
    First,
    /// At its first page view.
    Entry,
    /// At its last page view.
    Exit,
    /// By whether it is the first of its visitor.
    NewReturning,
}

/// The texts of `new_returning`, by code.
const NEW_RETURNING: [Option<&str>; 3] = [None, Some("new"), Some("returning")];

impl VisitKey {
    /// Reads a dimension of visits; `None` where the dimension is not of visits. Asks the plan for whole visits.
    pub(crate) fn of(
        plan: &mut Plan,
        rule: VisitRule,
        dimension: &Dimension,
        groups: Option<&Groups>,
    ) -> Option<VisitKey> {
        let (how, column) = match dimension {
            Dimension::Visit(column) => (How::First, *column),
            Dimension::Entry => (How::Entry, Column::Path),
            Dimension::Exit => (How::Exit, Column::Path),
            Dimension::NewReturning => (How::NewReturning, Column::VisitorKind),
            Dimension::Event(_) | Dimension::Goal => return None,
        };
        plan.visits(rule);
        if matches!(how, How::NewReturning) {
            plan.ever();
        }
        let slot = plan.grouped(&Field::Column(column), groups);
        Some(VisitKey { how, slot, pages: PagesReader::new(plan) })
    }

    /// The code of a visit's value; `nth` is its place among all visits of the history.
    pub(crate) fn code(&self, history: &History<'_>, visit: &Visit, nth: usize) -> u32 {
        let page = match self.how {
            How::First => Some(self.pages.first_or_row(history, visit)),
            How::Entry => self.pages.first(history, visit),
            How::Exit => self.pages.last(history, visit),
            How::NewReturning => Some(visit.rows.start),
        };
        let code = page.map_or(NULL, |row| history.key(self.slot)[row]);
        if !matches!(self.how, How::NewReturning) {
            return code;
        }
        let kind = history.words(self.slot).get(code);
        let is_daily = kind.is_none_or(|kind| kind == VisitorKind::Daily.as_str());
        if is_daily { NULL } else { 1 + u32::from(nth > 0) }
    }

    /// The text of a code.
    pub(crate) fn name(&self, history: &History<'_>, code: u32) -> Option<Text> {
        match self.how {
            How::NewReturning => {
                NEW_RETURNING.get(code as usize).copied().flatten().map(Text::from)
            }
            How::First | How::Entry | How::Exit => history.words(self.slot).get(code).cloned(),
        }
    }
}

/// A dimension at single events: how its visit came, where that began and ended, and whether the visitor was new then, are of
/// the visit in which the event lies; every other field is the event's own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EventKey {
    Own(KeySlot),
    Visit(VisitKey),
}

impl EventKey {
    /// What `by` names, if it is given.
    pub(crate) fn of(plan: &mut Plan, job: &Job<'_>) -> Result<Option<EventKey>, Error> {
        let of_visit = job.request.by.as_deref().map(Dimension::named).and_then(Result::ok);
        if let Some(dimension) = of_visit.filter(Dimension::is_of_visit_alone) {
            let key = VisitKey::of(plan, job.context.visits, &dimension, None);
            return Ok(key.map(EventKey::Visit));
        }
        Ok(event_field(job.request)?.map(|field| EventKey::Own(plan.key(&field))))
    }

    /// The code at each row.
    pub(crate) fn codes<'h>(&self, history: &History<'h>) -> Cow<'h, [u32]> {
        match self {
            EventKey::Own(slot) => Cow::Borrowed(history.key(*slot)),
            EventKey::Visit(key) => {
                let mut codes = vec![NULL; history.times().len()];
                for (nth, visit) in history.visits().enumerate() {
                    codes[visit.rows.clone()].fill(key.code(history, &visit, nth));
                }
                Cow::Owned(codes)
            }
        }
    }

    /// The code at one row.
    pub(crate) fn at(&self, history: &History<'_>, row: usize) -> u32 {
        match self {
            EventKey::Own(slot) => history.key(*slot)[row],
            EventKey::Visit(key) => {
                let mut visits = history.visits().enumerate();
                let visit = visits.find(|(_, visit)| visit.rows.end > row);
                visit.map_or(NULL, |(nth, visit)| key.code(history, &visit, nth))
            }
        }
    }

    /// The text of a code.
    pub(crate) fn name(&self, history: &History<'_>, code: u32) -> Option<Text> {
        match self {
            EventKey::Own(slot) => history.words(*slot).get(code).cloned(),
            EventKey::Visit(key) => key.name(history, code),
        }
    }

    /// Whether what comes after an event decides.
    pub(crate) fn looks_ahead(&self) -> bool {
        matches!(self, EventKey::Visit(VisitKey { how: How::Exit, .. }))
    }
}
