//! `lifecycle`: who is new, came back, came back after a pause, or stayed away, interval by interval.
//!
//! Intervals that have not begun yet are not told: nobody stayed away from them. One that is not over is told as it stands.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    activity::Activity,
    fold::{Fold, History, Plan},
    job::Job,
    period::{Interval, Intervals},
};

pub(super) const REPORT: Report = Report {
    name: "lifecycle",
    doc: "Who is new, returning, resurrected or dormant, interval by interval",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Interval],
    fields: &[
        ("t", "the interval"),
        ("new", "visitors active for the first time ever"),
        ("returning", "visitors active in the interval before, too"),
        ("resurrecting", "visitors not active in the interval before, but earlier"),
        ("dormant", "visitors active in the interval before and not in this one"),
        ("complete", "false where the interval is not over, or the period ends within it"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let interval = Interval::of(request, Interval::Week)?;
    let wider = job.period.with_interval_before(interval)?;
    let intervals = wider.intervals(interval)?;
    let mut plan = Plan::default();
    plan.ever();
    let count = Count { activity: Activity::new(&mut plan, &job), intervals: intervals.clone() };
    // Who was there in the interval before and not in the period is dormant, and must be seen.
    let counted = job.over(wider.from, wider.until).walk(plan, &count)?;
    let (now, until) = (context.now.0, job.period.until.0);
    let mut rows: Vec<Row> = intervals
        .labels()
        .iter()
        .zip(&counted.states)
        .enumerate()
        .map(|(place, told)| (intervals.bounds(place), told))
        .take_while(|((start, _), _)| *start <= now)
        .map(|((_, end), (label, states))| row(label, states, end <= until.min(now)))
        .collect();
    // The first interval lies before the period: it only tells who was there before.
    rows.drain(..rows.len().min(1));
    let mut meta = Row::new();
    meta.insert("excluded".into(), json!({"daily_visitors": counted.daily}));
    Ok(job.answer(rows, meta))
}

fn row(label: &str, states: &States, complete: bool) -> Row {
    let counts = [
        ("t", Value::from(label)),
        ("new", json!(states.new)),
        ("returning", json!(states.returning)),
        ("resurrecting", json!(states.resurrecting)),
        ("dormant", json!(states.dormant)),
        ("complete", json!(complete)),
    ];
    counts.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

/// Counts who is in which state.
struct Count {
    activity: Activity,
    intervals: Intervals,
}

/// The visitors of one interval.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct States {
    new: u64,
    returning: u64,
    resurrecting: u64,
    dormant: u64,
}

/// What was counted: by interval.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    states: Vec<States>,
    daily: u64,
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted { states: vec![States::default(); self.intervals.len()], daily: 0 }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        if history.inside().is_empty() {
            return Ok(());
        }
        if self.activity.is_daily(history, 0) {
            counted.daily += 1;
            return Ok(());
        }
        let active = self.activity.intervals(history, &self.intervals);
        let mut was_there = self.activity.was_active_before(history, &self.intervals);
        let mut before = None;
        for &place in &active {
            let follows = place.checked_sub(1).is_some_and(|last| before == Some(last));
            let states = &mut counted.states[place];
            match (follows, was_there) {
                (true, _) => states.returning += 1,
                (false, true) => states.resurrecting += 1,
                (false, false) => states.new += 1,
            }
            if let (false, Some(last)) = (follows, before) {
                counted.states[last + 1].dormant += 1;
            }
            (was_there, before) = (true, Some(place));
        }
        if let Some(states) = before.and_then(|last| counted.states.get_mut(last + 1)) {
            states.dormant += 1;
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.daily += other.daily;
        for (states, other) in counted.states.iter_mut().zip(other.states) {
            states.new += other.new;
            states.returning += other.returning;
            states.resurrecting += other.resurrecting;
            states.dormant += other.dormant;
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
