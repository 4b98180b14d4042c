//! `retention`: who comes back, and when.
//!
//! A visitor belongs to the cohort of the interval in which its first start event of the period lies (with `first_ever`:
//! its first one ever; with `recurring`: to that of every interval in which one lies, from the first one there on). It is back at offset k when it has a return event in the k-th interval after that one; at offset 0
//! when it has one in the same interval, at or after that start event. With `unbounded` it is back at every offset up to the
//! last at which it came.
//!
//! With `by`, a visitor counts in a cohort under the value of the dimension at the start event that brought it there.

use std::{cmp::Reverse, ops::Range};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Text, VisitorKind};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::{Expr, Field},
    fold::{Cells, Fold, History, KeySlot, Plan, TestSlot},
    job::{Job, read},
    metric::ratio,
    period::{Interval, Intervals},
    visit_key::EventKey,
};

/// The most intervals of one report.
const INTERVALS: usize = 1000;
/// The most numbers that one task holds for all keys together: 80 MB.
const NUMBERS: usize = 10_000_000;

pub(super) const REPORT: Report = Report {
    name: "retention",
    doc: "Who comes back, and when, by cohorts of those who came first in the same interval",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Start,
        Parameter::Return,
        Parameter::Interval,
        Parameter::FirstEver,
        Parameter::Recurring,
        Parameter::Unbounded,
    ],
    fields: &[
        (
            "key",
            "with `by`: the value of the dimension at the start event; channel, source, referrer, utm_…, click_id, entry, exit and new_returning are those of the visit that it lies in",
        ),
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
    let mut rows = Vec::new();
    for (key, cohorts) in arranged(counted.keys) {
        let key = retain.by.map(|_| ("key".to_owned(), json!(key)));
        rows.extend(
            retain.rows(&cohorts, &job).map(|row| key.iter().cloned().chain(row).collect()),
        );
    }
    let mut meta = Row::new();
    let mut excluded = Row::new();
    excluded.insert("daily_visitors".into(), json!(counted.daily));
    meta.insert("excluded".into(), serde_json::Value::Object(excluded));
    Ok(job.answer(rows, meta))
}

/// The keys, the one with the most visitors first.
fn arranged(keys: Cells<Cohorts>) -> Vec<(Option<Text>, Cohorts)> {
    let mut keys: Vec<(Option<Text>, Cohorts)> = keys.into_iter().collect();
    let size = |cohorts: &Cohorts| cohorts.iter().map(|(size, _)| size).sum::<u64>();
    keys.sort_by_cached_key(|(key, cohorts)| (Reverse(size(cohorts)), key.clone()));
    keys
}

/// Counts who comes back.
struct Retain {
    by: Option<EventKey>,
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

/// By cohort, its size and how many were back at each offset; a cohort without visitors has no offsets.
type Cohorts = Vec<(u64, Vec<u64>)>;

/// What was counted: the cohorts of each key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    keys: Cells<Cohorts>,
    /// How many numbers the keys have.
    numbers: usize,
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
            by: EventKey::of(plan, job)?,
            start,
            back,
            kind,
            intervals,
            first_ever: job.request.first_ever,
            recurring: job.request.recurring,
            unbounded: job.request.unbounded,
        })
    }

    fn rows(&self, cohorts: &Cohorts, job: &Job<'_>) -> impl Iterator<Item = Row> + use<> {
        let is_complete = |place: usize| {
            let (start, end) = self.intervals.bounds(place);
            start >= job.period.from.0 && end <= job.period.until.0 && end <= job.context.now.0
        };
        let mut rows = Vec::new();
        for (cohort, (size, back)) in cohorts.iter().enumerate().filter(|(_, c)| c.0 > 0) {
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
        rows.into_iter()
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

    /// Makes room for a cohort of a key, and tells how many numbers that took.
    fn make_room(&self, key: &mut Cohorts, cohort: usize) -> usize {
        let intervals = self.intervals.len();
        if key.is_empty() {
            key.resize(intervals, (0, Vec::new()));
        }
        let (_, back) = &mut key[cohort];
        let new = if back.is_empty() { intervals - cohort } else { 0 };
        back.resize(intervals - cohort, 0);
        new
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
    const VERSION: u32 = 2;

    fn start(&self) -> Counted {
        Counted::default()
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
            let code = self.by.map_or(0, |by| by.at(history, cohort.first));
            let name = |code| self.by.and_then(|by| by.name(history, code));
            let key = counted.keys.of(code, name);
            counted.numbers += self.make_room(key, cohort.place);
            self.count(&mut key[cohort.place], &cohort, &returns);
        }
        if counted.numbers > NUMBERS {
            return Err(Error::TooMany { what: "numbers of all keys and cohorts", limit: NUMBERS });
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.daily += other.daily;
        counted.numbers += other.numbers;
        counted.keys.merge(other.keys, |cohorts, other| {
            cohorts.resize(cohorts.len().max(other.len()), (0, Vec::new()));
            for ((size, back), (other_size, other_back)) in cohorts.iter_mut().zip(other) {
                *size += other_size;
                back.resize(back.len().max(other_back.len()), 0);
                for (count, other) in back.iter_mut().zip(other_back) {
                    *count += other;
                }
            }
        });
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
