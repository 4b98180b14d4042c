//! `stickiness`: in how many intervals of the period visitors were active.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    activity::Activity,
    fold::{Fold, History, Plan},
    job::Job,
    metric::ratio,
    period::{Interval, Intervals},
};

pub(super) const REPORT: Report = Report {
    name: "stickiness",
    doc: "How many visitors were active in exactly one, two, … intervals of the period",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Interval],
    fields: &[
        ("intervals", "the number of intervals"),
        ("visitors", "visitors that were active in exactly so many"),
        ("rate", "their share of all, 0-1"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let intervals = job.period.intervals(Interval::of(request, Interval::Day)?)?;
    let mut plan = Plan::default();
    let count = Count { activity: Activity::new(&mut plan, &job), intervals };
    let counted = job.walk(plan, &count)?;
    let total: u64 = counted.visitors.iter().sum();
    let rows = counted.visitors.iter().zip(1..).map(|(visitors, intervals): (_, u64)| {
        let mut row = Row::new();
        row.insert("intervals".into(), json!(intervals));
        row.insert("visitors".into(), json!(visitors));
        row.insert("rate".into(), ratio(*visitors as f64, total));
        row
    });
    let mut meta = Row::new();
    meta.insert("excluded".into(), json!({"daily_visitors": counted.daily}));
    Ok(job.answer(rows.collect(), meta))
}

/// Counts visitors by how many intervals they were active in.
struct Count {
    activity: Activity,
    intervals: Intervals,
}

/// What was counted: the visitors of one interval, of two, …
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    visitors: Vec<u64>,
    daily: u64,
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted { visitors: vec![0; self.intervals.len()], daily: 0 }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let inside = history.inside();
        if inside.is_empty() {
            return Ok(());
        }
        if self.activity.is_daily(history, inside.start) {
            counted.daily += 1;
            return Ok(());
        }
        let active = self.activity.intervals(history, &self.intervals).len();
        if let Some(visitors) =
            active.checked_sub(1).and_then(|place| counted.visitors.get_mut(place))
        {
            *visitors += 1;
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.daily += other.daily;
        for (visitors, other) in counted.visitors.iter_mut().zip(other.visitors) {
            *visitors += other;
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
