//! What is known of one visit as a whole.

use wayfarer_event::{Column, name};

use crate::{
    filter::{Expr, named},
    fold::{History, NumberSlot, Plan, TestSlot, Visit},
    job::page_view,
    metric::{Metric, VisitTally},
};

/// Active time from which on a visit is engaged, in milliseconds.
const ENGAGED_MS: f64 = 10_000.0;

/// Names of events that nobody does on purpose: neither page views nor interactions.
const IDLE: [&str; 2] = [name::ENGAGEMENT, name::SESSION];

/// Reads facts from histories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactsReader {
    idle: TestSlot,
    page_view: Option<TestSlot>,
    active: Option<NumberSlot>,
    goal: Option<TestSlot>,
}

/// One visit as a whole. What a reader was not asked for is told as if there were none.
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
            page_view: Some(plan.test(&page_view())),
            active: Some(plan.number(Column::ActiveMs)),
            goal: goal.map(|goal| plan.test(goal)),
            ..FactsReader::of_bounces(plan)
        }
    }

    /// Reads what these metrics tell.
    pub(crate) fn telling(plan: &mut Plan, metrics: &[Metric], goal: Option<&Expr>) -> FactsReader {
        if metrics.iter().any(|metric| metric.of_activity()) {
            return FactsReader::new(plan, goal);
        }
        let with_pages = metrics.contains(&Metric::ViewsPerVisit);
        FactsReader {
            page_view: with_pages.then(|| plan.test(&page_view())),
            ..FactsReader::of_bounces(plan)
        }
    }

    fn of_bounces(plan: &mut Plan) -> FactsReader {
        let idle = plan.test(&Expr::Any(IDLE.map(named).to_vec()));
        FactsReader { idle, page_view: None, active: None, goal: None }
    }

    /// The facts of a visit.
    pub(crate) fn read(&self, history: &History<'_>, visit: &Visit) -> Facts {
        // Two tell as much as all would.
        let idle = &history.test(self.idle)[visit.rows.clone()];
        let acts = idle.iter().filter(|idle| !**idle).take(2).count();
        let active = self.active.and_then(|active| {
            let known = history.number(active)[visit.rows.clone()].iter().filter(|ms| !ms.is_nan());
            known.copied().reduce(|one, other| one + other)
        });
        let duration = visit.end - visit.start;
        let of = |test: Option<TestSlot>| {
            test.map_or(0, |test| count(&history.test(test)[visit.rows.clone()]))
        };
        let pageviews = of(self.page_view);
        Facts {
            pageviews,
            duration,
            active,
            bounce: acts == 1,
            engaged: active.unwrap_or(duration as f64 / 1e3) > ENGAGED_MS
                || pageviews >= 2
                || of(self.goal) > 0,
        }
    }
}

/// Finds the page views of visits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PagesReader {
    page_view: TestSlot,
}

impl PagesReader {
    pub(crate) fn new(plan: &mut Plan) -> PagesReader {
        PagesReader { page_view: plan.test(&page_view()) }
    }

    /// The row whose values hold for the whole visit: its first page view, or its first row where it has none.
    pub(crate) fn first_or_row(&self, history: &History<'_>, visit: &Visit) -> usize {
        self.first(history, visit).unwrap_or(visit.rows.start)
    }

    /// The first page view, if there is one.
    pub(crate) fn first(&self, history: &History<'_>, visit: &Visit) -> Option<usize> {
        let page_view = history.test(self.page_view);
        visit.rows.clone().find(|&row| page_view[row])
    }

    /// The last page view, if there is one.
    pub(crate) fn last(&self, history: &History<'_>, visit: &Visit) -> Option<usize> {
        let page_view = history.test(self.page_view);
        visit.rows.clone().rev().find(|&row| page_view[row])
    }
}

fn count(truths: &[bool]) -> u64 {
    truths.iter().map(|truth| u64::from(*truth)).sum()
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
