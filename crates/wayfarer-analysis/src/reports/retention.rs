//! `retention`: who comes back, and when.
//!
//! A visitor belongs to the cohort of the interval in which its first start event of the period lies (with `first_ever`:
//! its first one ever; with `recurring`: to that of every interval in which one lies, from the first one there on). It is back at offset k when it has a return event in the k-th interval after that one; at offset 0
//! when it has one in the same interval, at or after that start event. With `unbounded` it is back at every offset up to the
//! last at which it came.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, VisitorKind};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::{Expr, Field},
    fold::{Fold, History, KeySlot, Plan, TestSlot},
    job::{Job, read},
    metric::ratio,
    period::{Interval, Intervals},
};

/// The most intervals of one report.
const INTERVALS: usize = 1000;

pub(super) const REPORT: Report = Report {
    name: "retention",
    doc: "Who comes back, and when, by cohorts of those who came first in the same interval",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::Start,
        Parameter::Return,
        Parameter::Interval,
        Parameter::FirstEver,
        Parameter::Recurring,
        Parameter::Unbounded,
    ],
    fields: &[
        ("cohort", "the interval in which its visitors began"),
        ("size", "its visitors"),
        ("offset", "how many intervals later, from 0"),
        ("visitors", "those that were back then"),
        ("rate", "their share of the cohort, 0-1"),
        ("complete", "false where an interval is not over or not wholly in the period"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let intervals = job.period.intervals(Interval::of(request, Interval::Week)?)?;
    if intervals.len() > INTERVALS {
        return Err(Error::TooMany { what: "intervals", limit: INTERVALS });
    }
    let mut plan = Plan::default();
    let retain = Retain::new(&mut plan, &job, intervals)?;
    let counted = job.walk(plan, &retain)?;
    let rows = retain.rows(&counted, &job);
    let mut meta = Row::new();
    let mut excluded = Row::new();
    excluded.insert("daily_visitors".into(), json!(counted.daily));
    meta.insert("excluded".into(), serde_json::Value::Object(excluded));
    Ok(job.answer(rows, meta))
}

/// Counts who comes back.
struct Retain {
    start: Option<TestSlot>,
    back: Option<TestSlot>,
    kind: KeySlot,
    intervals: Intervals,
    /// The first start event of all times counts, whether it lies in the period or before.
    first_ever: bool,
    /// Every interval with a start event is a cohort of the visitor.
    recurring: bool,
    unbounded: bool,
}

/// What was counted: by cohort, its size and how many were back at each offset.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    cohorts: Vec<(u64, Vec<u64>)>,
    /// Visitors that are known for one day only, so that nothing can be said of their coming back.
    daily: u64,
}

impl Retain {
    fn new(plan: &mut Plan, job: &Job<'_>, intervals: Intervals) -> Result<Retain, Error> {
        if job.request.first_ever {
            plan.ever();
        }
        if job.request.first_ever && job.request.recurring {
            return Err(Error::parameter("recurring", "cannot be given beside `first_ever`"));
        }
        let mut test = |parameter, text: Option<&str>| -> Result<Option<TestSlot>, Error> {
            let expr = read(parameter, text)?;
            let both: Vec<Expr> = job.filter.iter().cloned().chain(expr).collect();
            Ok((!both.is_empty()).then(|| plan.test(&Expr::All(both))))
        };
        let start = test("start", job.request.start.as_deref())?;
        let back = test("return", job.request.returning.as_deref())?;
        let kind = plan.key(&Field::Column(Column::VisitorKind));
        Ok(Retain {
            start,
            back,
            kind,
            intervals,
            first_ever: job.request.first_ever,
            recurring: job.request.recurring,
            unbounded: job.request.unbounded,
        })
    }

    fn rows(&self, counted: &Counted, job: &Job<'_>) -> Vec<Row> {
        let is_complete = |place: usize| {
            let (start, end) = self.intervals.bounds(place);
            start >= job.period.from.0 && end <= job.period.until.0 && end <= job.context.now.0
        };
        let mut rows = Vec::new();
        for (cohort, (size, back)) in counted.cohorts.iter().enumerate().filter(|(_, c)| c.0 > 0) {
            for (offset, visitors) in back.iter().enumerate() {
                let (start, _) = self.intervals.bounds(cohort + offset);
                if start > job.context.now.0 {
                    break;
                }
                let mut row = Row::new();
                row.insert("cohort".into(), json!(self.intervals.labels()[cohort]));
                row.insert("size".into(), json!(size));
                row.insert("offset".into(), json!(offset));
                row.insert("visitors".into(), json!(visitors));
                row.insert("rate".into(), ratio(*visitors as f64, *size));
                row.insert(
                    "complete".into(),
                    json!(is_complete(cohort) && is_complete(cohort + offset)),
                );
                rows.push(row);
            }
        }
        rows
    }
}

/// An interval in which a visitor did something: the first and the last row with it.
#[derive(Clone, Copy)]
struct Seen {
    place: usize,
    first: usize,
    last: usize,
}

impl Retain {
    /// The intervals in which a visitor did something, in order.
    fn seen(&self, history: &History<'_>, rows: Range<usize>, test: Option<TestSlot>) -> Vec<Seen> {
        let mut seen: Vec<Seen> = Vec::new();
        let mut place = 0;
        for row in rows.filter(|row| history.selects(test, *row)) {
            place = self.intervals.find(place, history.times()[row]);
            match seen.last_mut() {
                Some(known) if known.place == place => known.last = row,
                _ => seen.push(Seen { place, first: row, last: row }),
            }
        }
        seen
    }

    /// Counts a visitor in one cohort.
    fn count(&self, (size, back): &mut (u64, Vec<u64>), cohort: &Seen, returns: &[Seen]) {
        *size += 1;
        let is_later = |seen: &&Seen| seen.place > cohort.place;
        let is_same = |seen: &&Seen| seen.place == cohort.place && seen.last >= cohort.first;
        let mut next = 0;
        for seen in returns.iter().filter(|seen| is_later(seen) || is_same(seen)) {
            let offset = seen.place - cohort.place;
            let newly = if self.unbounded { next } else { offset };
            back[newly..=offset].iter_mut().for_each(|count| *count += 1);
            next = offset + 1;
        }
    }
}

impl Fold for Retain {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        let intervals = self.intervals.len();
        Counted {
            cohorts: (0..intervals).map(|cohort| (0, vec![0; intervals - cohort])).collect(),
            daily: 0,
        }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let inside = history.inside();
        let earliest = if self.first_ever { 0 } else { inside.start };
        let Some(first) = (earliest..inside.end).find(|row| history.selects(self.start, *row))
        else {
            return Ok(());
        };
        if first < inside.start {
            return Ok(());
        }
        let kind = history.words(self.kind).get(history.key(self.kind)[first]);
        if kind.is_none_or(|kind| kind == VisitorKind::Daily.as_str()) {
            counted.daily += 1;
            return Ok(());
        }
        let mut cohorts = self.seen(history, first..inside.end, self.start);
        if !self.recurring {
            cohorts.truncate(1);
        }
        let returns = self.seen(history, first..inside.end, self.back);
        for cohort in cohorts {
            self.count(&mut counted.cohorts[cohort.place], &cohort, &returns);
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.daily += other.daily;
        for ((size, back), (other_size, other_back)) in
            counted.cohorts.iter_mut().zip(other.cohorts)
        {
            *size += other_size;
            for (count, other) in back.iter_mut().zip(other_back) {
                *count += other;
            }
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
