//! `goals`: who reached what the site's owner wants to happen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Fold, History, MaskSlot, Plan, TestSlot},
    job::{Job, goal_filters},
    metric::ratio,
};

/// What is told where there is nothing to reach.
pub(super) const NO_GOALS: &str = "no goals are set up for this site: `wayfarer admin goal add`";

pub(super) const REPORT: Report = Report {
    name: "goals",
    doc: "Who reached what the site's owner wants to happen",
    looks_at_now: false,
    parameters: &[Parameter::Unit],
    fields: &[
        ("goal", "its name"),
        ("events", "events that reached it in the period"),
        ("visitors", "visitors with such an event"),
        ("visits", "visits that start in the period and have such an event"),
        ("rate", "share of all visitors, 0-1"),
        ("visit_rate", "share of all visits, 0-1"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let goals = &context.goals;
    let filters = goal_filters(context)?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let reach = Reach {
        goals: filters.len(),
        mask: plan.mask(&filters),
        selected: job.filter.as_ref().map(|filter| plan.test(filter)),
    };
    let counted = job.walk(plan, &reach)?;
    let rows = goals.iter().zip(&counted.goals).map(|(goal, count)| {
        let mut row = Row::new();
        row.insert("goal".into(), json!(goal.name));
        row.insert("events".into(), json!(count.events));
        row.insert("visitors".into(), json!(count.visitors));
        row.insert("visits".into(), json!(count.visits));
        row.insert("rate".into(), ratio(count.visitors as f64, counted.visitors));
        row.insert("visit_rate".into(), ratio(count.visits as f64, counted.visits));
        row
    });
    let mut meta = Row::new();
    meta.insert("visitors".into(), json!(counted.visitors));
    meta.insert("visits".into(), json!(counted.visits));
    if goals.is_empty() {
        meta.insert("note".into(), Value::from(NO_GOALS));
    }
    Ok(job.answer(rows.collect(), meta))
}

/// Counts who reached goals.
struct Reach {
    goals: usize,
    mask: MaskSlot,
    selected: Option<TestSlot>,
}

/// What was counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Counted {
    visitors: u64,
    visits: u64,
    goals: Vec<Count>,
}

/// What was counted of one goal.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Count {
    events: u64,
    visitors: u64,
    visits: u64,
}

impl Fold for Reach {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted { visitors: 0, visits: 0, goals: vec![Count::default(); self.goals] }
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let masks = history.mask(self.mask);
        let (mut is_seen, mut reached) = (false, 0);
        for row in history.inside().filter(|row| history.selects(self.selected, *row)) {
            is_seen = true;
            reached |= masks[row];
            for (bit, goal) in counted.goals.iter_mut().enumerate() {
                goal.events += masks[row] >> bit & 1;
            }
        }
        counted.visitors += u64::from(is_seen);
        for (bit, goal) in counted.goals.iter_mut().enumerate() {
            goal.visitors += reached >> bit & 1;
        }
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let selected = visit.rows.filter(|row| history.selects(self.selected, *row));
            let reached = selected.map(|row| masks[row]).reduce(|one, other| one | other);
            counted.visits += u64::from(reached.is_some());
            for (bit, goal) in counted.goals.iter_mut().enumerate() {
                goal.visits += reached.unwrap_or(0) >> bit & 1;
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.visitors += other.visitors;
        counted.visits += other.visits;
        for (count, other) in counted.goals.iter_mut().zip(other.goals) {
            count.events += other.events;
            count.visitors += other.visitors;
            count.visits += other.visits;
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
