//! What is known of one visit as a whole.

use std::ops::Range;

use wayfarer_event::{Column, name};

use crate::{
    filter::{Expr, named},
    fold::{History, NumberSlot, Plan, TestSlot, Visit},
    job::page_view,
    metric::VisitTally,
};

/// Active time from which on a visit is engaged, in milliseconds.
const ENGAGED_MS: f64 = 10_000.0;

/// Names of events that nobody does on purpose: they are no interaction.
const PASSIVE: [&str; 3] = [name::PAGE_VIEW, name::ENGAGEMENT, name::SESSION];

/// Reads facts from histories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactsReader {
    page_view: TestSlot,
    passive: TestSlot,
    active: Option<NumberSlot>,
    goal: Option<TestSlot>,
}

/// One visit as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Facts {
    /// How many page views it has.
    pub(crate) pageviews: u64,
    /// From its first event to its last, in microseconds.
    pub(crate) duration: i64,
    /// Active time in milliseconds, if any of its events tells one.
    pub(crate) active: Option<f64>,
    /// One page view and no interaction; or one interaction alone, of which no page view is known.
    pub(crate) bounce: bool,
    /// Over ten seconds of active time, or two page views, or a goal. Where no active time is known, the time between its
    /// first and last event stands in.
    pub(crate) engaged: bool,
}

impl FactsReader {
    pub(crate) fn new(plan: &mut Plan, goal: Option<&Expr>) -> FactsReader {
        FactsReader {
            active: Some(plan.number(Column::ActiveMs)),
            goal: goal.map(|goal| plan.test(goal)),
            ..FactsReader::without_activity(plan)
        }
    }

    /// For those who tell neither active time nor engagement: what these facts follow from is not read.
    pub(crate) fn without_activity(plan: &mut Plan) -> FactsReader {
        FactsReader {
            page_view: plan.test(&page_view()),
            passive: plan.test(&Expr::Any(PASSIVE.map(named).to_vec())),
            active: None,
            goal: None,
        }
    }

    /// The facts of a visit.
    pub(crate) fn read(&self, history: &History<'_>, visit: &Visit) -> Facts {
        let page_view = &history.test(self.page_view)[visit.rows.clone()];
        let passive = &history.test(self.passive)[visit.rows.clone()];
        let (mut pageviews, mut interactions) = (0, 0);
        for (page_view, passive) in page_view.iter().zip(passive) {
            pageviews += u64::from(*page_view);
            interactions += u64::from(!passive);
        }
        let active = self.active.and_then(|active| {
            let known = history.number(active)[visit.rows.clone()].iter().filter(|ms| !ms.is_nan());
            known.copied().reduce(|one, other| one + other)
        });
        let duration = visit.end - visit.start;
        let goals = self.goal.map_or(0, |goal| count(history.test(goal), &visit.rows));
        Facts {
            pageviews,
            duration,
            active,
            bounce: pageviews + interactions == 1,
            engaged: active.unwrap_or(duration as f64 / 1e3) > ENGAGED_MS
                || pageviews >= 2
                || goals > 0,
        }
    }

    /// The row whose values hold for the whole visit: its first page view, or its first row where it has none.
    pub(crate) fn first(&self, history: &History<'_>, visit: &Visit) -> usize {
        let page_view = history.test(self.page_view);
        visit.rows.clone().find(|&row| page_view[row]).unwrap_or(visit.rows.start)
    }

    /// The last page view, if there is one.
    pub(crate) fn last_page(&self, history: &History<'_>, visit: &Visit) -> Option<usize> {
        let page_view = history.test(self.page_view);
        visit.rows.clone().rev().find(|&row| page_view[row])
    }

    /// The first page view, if there is one.
    pub(crate) fn first_page(&self, history: &History<'_>, visit: &Visit) -> Option<usize> {
        let page_view = history.test(self.page_view);
        visit.rows.clone().find(|&row| page_view[row])
    }
}

fn count(truths: &[bool], rows: &Range<usize>) -> u64 {
    truths[rows.clone()].iter().map(|truth| u64::from(*truth)).sum()
}

impl VisitTally {
    /// Counts one visit.
    pub(crate) fn count(&mut self, facts: &Facts) {
        self.count += 1;
        self.bounces += u64::from(facts.bounce);
        self.engaged += u64::from(facts.engaged);
        self.pageviews += facts.pageviews;
        self.duration += if facts.bounce { 0 } else { u128::from(facts.duration.unsigned_abs()) };
        if let Some(active) = facts.active {
            self.timed += 1;
            self.active += active as u64;
        }
    }
}
