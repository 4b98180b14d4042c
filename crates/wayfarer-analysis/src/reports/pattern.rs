//! `pattern`: how often visits do a sequence of things. What a pattern is stands in [`crate::pattern`].

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Fold, History, MaskSlot, Plan, TestSlot, Visit},
    job::Job,
    metric::ratio,
    pattern::{Pattern, parse},
    times::{TIMES, median, p90},
};

pub(super) const REPORT: Report = Report {
    name: "pattern",
    doc: "How often visits do a sequence of things, such as /cart->[^purchase]*->/",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Pattern],
    fields: &[
        ("matches", "how often, in visits that start in the period"),
        ("visits", "visits that do it"),
        ("visitors", "visitors that do it"),
        ("rate", "share of all visits, 0-1"),
        ("visitor_rate", "share of all visitors with a visit, 0-1"),
        ("median_s", "median seconds from the first event of a match to its last"),
        ("p90_s", "seconds within which nine in ten matches are done"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let Some(text) = request.pattern.as_deref() else {
        return Err(Error::parameter("pattern", "is required: such as /cart->[^purchase]*->/"));
    };
    let pattern = parse(text)?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let count = Count {
        mask: plan.mask(&pattern.conditions),
        selected: job.filter.as_ref().map(|filter| plan.test(filter)),
        pattern,
    };
    let mut counted = job.walk(plan, &count)?;
    counted.times.sort_unstable();
    let mut row = Row::new();
    row.insert("matches".into(), json!(counted.times.len()));
    row.insert("visits".into(), json!(counted.visits));
    row.insert("visitors".into(), json!(counted.visitors));
    row.insert("rate".into(), ratio(counted.visits as f64, counted.all_visits));
    row.insert("visitor_rate".into(), ratio(counted.visitors as f64, counted.all_visitors));
    row.insert("median_s".into(), median(&counted.times));
    row.insert("p90_s".into(), p90(&counted.times));
    let mut meta = Row::new();
    meta.insert("visits".into(), json!(counted.all_visits));
    meta.insert("visitors".into(), json!(counted.all_visitors));
    Ok(job.answer(vec![row], meta))
}

/// Counts matches.
struct Count {
    pattern: Pattern,
    mask: MaskSlot,
    selected: Option<TestSlot>,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    all_visits: u64,
    all_visitors: u64,
    visits: u64,
    visitors: u64,
    /// How long each match took, in microseconds.
    times: Vec<i64>,
}

impl Count {
    /// The rows of a visit that count.
    fn rows(&self, history: &History<'_>, visit: &Visit) -> Vec<usize> {
        let selects = |row: &usize| history.selects(self.selected, *row);
        visit.rows.clone().filter(selects).collect()
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let (masks, times) = (history.mask(self.mask), history.times());
        let (mut has_visit, mut has_match) = (false, false);
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let rows = self.rows(history, &visit);
            if rows.is_empty() {
                continue;
            }
            let masks: Vec<u64> = rows.iter().map(|row| masks[*row]).collect();
            let matches = self.pattern.matches(&masks);
            counted.all_visits += 1;
            counted.visits += u64::from(!matches.is_empty());
            (has_visit, has_match) = (true, has_match || !matches.is_empty());
            let took =
                matches.iter().map(|found| times[rows[found.last]] - times[rows[found.first]]);
            counted.times.extend(took);
        }
        counted.all_visitors += u64::from(has_visit);
        counted.visitors += u64::from(has_match);
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.all_visits += other.all_visits;
        counted.all_visitors += other.all_visitors;
        counted.visits += other.visits;
        counted.visitors += other.visitors;
        counted.times.extend(other.times);
    }

    fn check(&self, counted: &Counted) -> Result<(), Error> {
        if counted.times.len() > TIMES {
            return Err(Error::TooMany { what: "matches", limit: TIMES });
        }
        Ok(())
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
