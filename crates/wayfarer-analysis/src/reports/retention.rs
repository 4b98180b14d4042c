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
use wayfarer_event::Text;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    activity::Daily,
    filter::Expr,
    fold::{Cells, Fold, History, Plan, TestSlot},
    job::{Job, read},
    metric::ratio,
    period::{Interval, Intervals},
    visit_key::EventKey,
};

/// The most intervals of one report.
const INTERVALS: usize = 1000;
/// The most numbers of eight bytes that are held for all keys together: 80 MB.
const NUMBERS: usize = 10_000_000;
/// How many of them a key and a cohort take beside their visitors.
const KEY: usize = 6;
const COHORT: usize = 5;
/// The most rows of an answer.
const ROWS: usize = 1_000_000;

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
    let begun = (0..retain.intervals.len())
        .take_while(|place| retain.intervals.bounds(*place).0 <= context.now.0)
        .count();
    if counted.cohorts().map(|cohort| begun.saturating_sub(cohort.place)).sum::<usize>() > ROWS {
        return Err(Error::TooMany { what: "rows (a longer interval gives fewer)", limit: ROWS });
    }
    let mut rows = Vec::new();
    for (key, cohorts) in arranged(counted.keys) {
        let key = retain.by.map(|_| ("key".to_owned(), json!(key)));
        rows.extend(
            retain.rows(&cohorts, begun, &job).map(|row| key.iter().cloned().chain(row).collect()),
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
    let size = |cohorts: &Cohorts| cohorts.iter().map(|cohort| cohort.size).sum::<u64>();
    keys.sort_by_cached_key(|(key, cohorts)| (Reverse(size(cohorts)), key.clone()));
    keys
}

/// Counts who comes back.
struct Retain {
    by: Option<EventKey>,
    start: Option<TestSlot>,
    back: Option<TestSlot>,
    daily: Daily,
    intervals: Intervals,
    /// The first start event of all times counts, whether it lies in the period or before.
    first_ever: bool,
    /// Every interval with a start event is a cohort of the visitor.
    recurring: bool,
    unbounded: bool,
}

/// The cohorts of a key that have visitors, in order.
type Cohorts = Vec<Cohort>;

/// Those who began in one interval.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cohort {
    /// The interval.
    place: usize,
    size: u64,
    /// How many were back at each offset, up to the last at which somebody was.
    back: Vec<u64>,
}

/// What was counted: the cohorts of each key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    keys: Cells<Cohorts>,
    /// How many numbers the keys take.
    numbers: usize,
    /// Visitors that are known for one day only, so that nothing can be said of their coming back.
    daily: u64,
}

impl Counted {
    /// The cohorts of all keys.
    fn cohorts(&self) -> impl Iterator<Item = &Cohort> {
        self.keys.iter().flatten()
    }

    /// Takes what was counted of other visitors.
    fn add(&mut self, other: Counted) {
        self.daily += other.daily;
        self.numbers += other.numbers;
        // What both have is held once.
        let mut less = 0;
        self.keys.merge(other.keys, |cohorts, others| {
            less += numbers(&others);
            for other in &others {
                let (cohort, new) = cohort_at(cohorts, other.place);
                self.numbers += new + cohort.add(other);
            }
        });
        self.numbers = self.numbers.saturating_sub(less);
    }
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
        let daily = Daily::new(plan);
        Ok(Retain {
            by: EventKey::of(plan, job)?,
            start,
            back,
            daily,
            intervals,
            first_ever: job.request.first_ever,
            recurring: job.request.recurring,
            unbounded: job.request.unbounded,
        })
    }

    /// The rows of a key: those of the intervals that have begun.
    fn rows(
        &self,
        cohorts: &Cohorts,
        begun: usize,
        job: &Job<'_>,
    ) -> impl Iterator<Item = Row> + use<> {
        let is_complete = |place: usize| {
            let (start, end) = self.intervals.bounds(place);
            start >= job.period.from.0 && end <= job.period.until.0 && end <= job.context.now.0
        };
        let mut rows = Vec::new();
        for Cohort { place, size, back } in cohorts {
            for offset in 0..begun.saturating_sub(*place) {
                let visitors = back.get(offset).copied().unwrap_or(0);
                let mut row = Row::new();
                row.insert("cohort".into(), json!(self.intervals.labels()[*place]));
                row.insert("size".into(), json!(size));
                row.insert("offset".into(), json!(offset));
                row.insert("visitors".into(), json!(visitors));
                row.insert("rate".into(), ratio(visitors as f64, *size));
                row.insert(
                    "complete".into(),
                    json!(is_complete(*place) && is_complete(*place + offset)),
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
    fn seen(
        &self,
        history: &History<'_>,
        rows: Range<usize>,
        test: Option<TestSlot>,
    ) -> impl Iterator<Item = Seen> {
        self.intervals.cut(history.times(), rows).filter_map(move |(place, mut rows)| {
            let first = rows.find(|row| history.selects(test, *row))?;
            let last = rows.rfind(|row| history.selects(test, *row)).unwrap_or(first);
            Some(Seen { place, first, last })
        })
    }

    /// Counts a visitor that began with `start`, and came back then.
    fn count(
        &self,
        counted: &mut Counted,
        history: &History<'_>,
        start: &Seen,
        returns: impl Iterator<Item = Seen>,
    ) {
        let code = self.by.map_or(0, |by| by.at(history, start.first));
        let name = |code| self.by.and_then(|by| by.name(history, code));
        let (cohort, new) = cohort_at(counted.keys.of(code, name), start.place);
        counted.numbers += new + cohort.count(start, returns, self.unbounded);
    }
}

/// The cohort of this place, and how many numbers it took if it is new.
fn cohort_at(cohorts: &mut Cohorts, place: usize) -> (&mut Cohort, usize) {
    // Mostly there is one for each interval from the first on.
    let guess = place.wrapping_sub(cohorts.first().map_or(0, |first| first.place));
    let found = match cohorts.get(guess) {
        Some(cohort) if cohort.place == place => Ok(guess),
        _ => cohorts.binary_search_by_key(&place, |cohort| cohort.place),
    };
    let (at, took) = match found {
        Ok(at) => (at, 0),
        Err(at) => {
            let took = if cohorts.is_empty() { KEY + COHORT } else { COHORT };
            // No more room than is counted.
            cohorts.reserve_exact(1);
            cohorts.insert(at, Cohort { place, size: 0, back: Vec::new() });
            (at, took)
        }
    };
    (&mut cohorts[at], took)
}

impl Cohort {
    /// Makes room for so many offsets, and tells how many numbers that took.
    fn make_room(&mut self, offsets: usize) -> usize {
        let more = offsets.saturating_sub(self.back.len());
        self.back.reserve_exact(more);
        self.back.resize(self.back.len() + more, 0);
        more
    }

    /// Counts a visitor that began with `start`, and tells how many numbers that took.
    fn count(
        &mut self,
        start: &Seen,
        returns: impl Iterator<Item = Seen>,
        unbounded: bool,
    ) -> usize {
        self.size += 1;
        let is_later = |seen: &Seen| seen.place > start.place;
        let is_same = |seen: &Seen| seen.place == start.place && seen.last >= start.first;
        let (mut next, mut took) = (0, 0);
        for seen in returns.filter(|seen| is_later(seen) || is_same(seen)) {
            let offset = seen.place - start.place;
            if offset >= self.back.len() {
                took += self.make_room(offset + 1);
            }
            if unbounded {
                self.back[next..offset].iter_mut().for_each(|count| *count += 1);
                next = offset + 1;
            }
            self.back[offset] += 1;
        }
        took
    }

    /// Counts the visitors of another part, and tells how many numbers that took.
    fn add(&mut self, other: &Cohort) -> usize {
        self.size += other.size;
        let took = self.make_room(other.back.len());
        for (count, other) in self.back.iter_mut().zip(&other.back) {
            *count += other;
        }
        took
    }
}

/// How many numbers some cohorts of one key take.
fn numbers(cohorts: &Cohorts) -> usize {
    let each = cohorts.iter().map(|cohort| COHORT + cohort.back.len()).sum::<usize>();
    if cohorts.is_empty() { 0 } else { KEY + each }
}

impl Fold for Retain {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 3;

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
        if self.daily.is_at(history, first) {
            counted.daily += 1;
            return Ok(());
        }
        let mut cohorts = self.seen(history, first..inside.end, self.start);
        let returns = self.seen(history, first..inside.end, self.back);
        if self.recurring {
            let returns: Vec<Seen> = returns.collect();
            cohorts.for_each(|start| self.count(counted, history, &start, returns.iter().copied()));
        } else if let Some(start) = cohorts.next() {
            self.count(counted, history, &start, returns);
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.add(other);
    }

    fn check(&self, counted: &Counted) -> Result<(), Error> {
        if counted.numbers > NUMBERS {
            return Err(Error::TooMany { what: "numbers of all keys and cohorts", limit: NUMBERS });
        }
        Ok(())
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use super::*;

    fn seen(place: usize) -> Seen {
        Seen { place, first: 0, last: 0 }
    }

    /// How many bytes some cohorts take, without what the allocator adds.
    fn bytes(cohorts: &Cohorts) -> usize {
        let backs = cohorts.iter().map(|cohort| cohort.back.capacity() * size_of::<u64>());
        size_of::<(Option<Text>, Cohorts)>()
            + cohorts.capacity() * size_of::<Cohort>()
            + backs.sum::<usize>()
    }

    #[test]
    fn what_is_held_is_counted() {
        let mut cohorts = Cohorts::new();
        let mut took = 0;
        for (place, back) in [(995, 996), (995, 999), (3, 3), (998, 998), (995, 995)] {
            let (cohort, new) = cohort_at(&mut cohorts, place);
            took += new + cohort.count(&seen(place), once(seen(back)), false);
            assert_eq!(took, numbers(&cohorts));
            assert!(bytes(&cohorts) <= took * size_of::<u64>(), "{cohorts:?}");
        }
        assert_eq!(cohorts.iter().map(|cohort| cohort.place).collect::<Vec<_>>(), [3, 995, 998]);
        assert!(took < 50, "a key that is seen in the last days takes little: {took}");
    }

    #[test]
    fn what_two_parts_both_have_is_counted_once() {
        let part = |seen_at: &[(u32, usize, usize)]| {
            let mut counted = Counted::default();
            for &(code, place, back) in seen_at {
                let key = counted.keys.of(code, |code| Some(format!("key {code}").into()));
                let (cohort, new) = cohort_at(key, place);
                counted.numbers += new + cohort.count(&seen(place), once(seen(back)), false);
            }
            counted
        };
        let (one, other) = ([(0, 1, 4), (0, 7, 7), (2, 5, 5)], [(0, 1, 9), (0, 3, 3), (1, 0, 2)]);
        let mut both = part(&one);
        both.add(part(&other));
        let whole = part(&[one, other].concat());
        assert_eq!(both.numbers, whole.numbers);
        assert_eq!(both.numbers, both.keys.iter().map(numbers).sum::<usize>());
        assert_eq!(both.cohorts().map(|cohort| cohort.size).sum::<u64>(), 6);
    }
}
