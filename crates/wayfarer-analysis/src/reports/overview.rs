//! `overview`: the numbers of a period at a glance.

use serde_json::{Value, json};
use wayfarer_event::Micros;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::{Fold, History, Plan, TestSlot},
    job::Job,
    measure::{Measure, is_bot},
    metric::{Metric, Tally, currencies},
};

/// How long ago a visitor may have done something and still count as there.
const ACTIVE: i64 = 5 * Micros::MINUTE;

const METRICS: &[Metric] = &[
    Metric::Visitors,
    Metric::Visits,
    Metric::Pageviews,
    Metric::Events,
    Metric::BounceRate,
    Metric::EngagedRate,
    Metric::VisitDuration,
    Metric::Active,
    Metric::ViewsPerVisit,
    Metric::Conversions,
    Metric::Revenue,
];

pub(super) const REPORT: Report = Report {
    name: "overview",
    doc: "The numbers of a period at a glance",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Compare],
    fields: &[
        ("visitors", "distinct visitors with an event in the period"),
        ("visits", "visits that start in the period"),
        ("pageviews", "page views"),
        ("events", "events of every name"),
        (
            "bounce_rate",
            "share of visits with one page view, or one interaction, and nothing else, 0-1",
        ),
        ("engaged_rate", "share of visits of over 10 s active time, two page views or a goal, 0-1"),
        ("visit_duration_s", "mean seconds from a visit's first event to its last, bounces as 0"),
        ("active_s", "mean active seconds of the visits of which they are known"),
        ("views_per_visit", "mean page views of a visit"),
        ("conversions", "distinct visitors that reached a goal; null where no goals are set up"),
        (
            "revenue",
            "sum of `value`; null where no event has one, or they are of several currencies",
        ),
        ("active_now", "distinct visitors with an event in the last five minutes"),
        ("bots", "events of bots in the period, whether they are counted in the rest or not"),
        ("previous", "with `compare`: the same of the period before"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let (mut row, tally) = measure(&job)?;
    row.insert("active_now".into(), json!(active_now(&job)?));
    if let Some(bots) = row.shift_remove("bots") {
        row.insert("bots".into(), bots);
    }
    if let Some(previous) = job.previous()? {
        row.insert("previous".into(), Value::Object(measure(&previous)?.0));
    }
    let mut meta = Row::new();
    if let Some(currencies) = currencies(&tally) {
        meta.insert("revenue".into(), currencies);
    }
    Ok(job.answer(vec![row], meta))
}

/// The numbers of one period.
fn measure(job: &Job<'_>) -> Result<(Row, Tally), Error> {
    let mut plan = Plan::default();
    let measure = Measure::whole(&mut plan, job, METRICS);
    let bots = Count {
        filter: job.filter.as_ref().map(|filter| plan.test(filter)),
        is_bot: plan.test(&is_bot()),
    };
    let (cells, (_, bots)) = job.walk(plan, &(measure, bots))?;
    let tally = cells.into_iter().next().map(|(_, tally)| tally).unwrap_or_default();
    let mut row = Metric::tell_all(METRICS, &tally, job.goal.is_some());
    row.insert("bots".into(), json!(bots));
    Ok((row, tally))
}

/// Distinct visitors with a selected event in the last five minutes.
fn active_now(job: &Job<'_>) -> Result<u64, Error> {
    let now = job.context.now;
    let mut plan = Plan::default();
    let count = Count {
        filter: job.filter.as_ref().map(|filter| plan.test(filter)),
        is_bot: plan.test(&is_bot()),
    };
    let recent = job.over(now.plus(1 - ACTIVE), now.plus(1));
    Ok(recent.walk(plan, &count)?.0)
}

/// Counts visitors with a selected event, and events of bots.
struct Count {
    filter: Option<TestSlot>,
    is_bot: TestSlot,
}

impl Fold for Count {
    type State = (u64, u64);
    type Output = (u64, u64);
    const VERSION: u32 = 1;

    fn start(&self) -> (u64, u64) {
        (0, 0)
    }

    fn visitor(&self, state: &mut (u64, u64), history: &History<'_>) -> Result<(), Error> {
        state.0 += u64::from(history.inside().any(|row| history.selects(self.filter, row)));
        for history in [history, &history.hidden()] {
            let is_bot = history.test(self.is_bot);
            let bots =
                history.inside().filter(|&row| is_bot[row] && history.selects(self.filter, row));
            state.1 += bots.count() as u64;
        }
        Ok(())
    }

    fn merge(&self, state: &mut (u64, u64), other: (u64, u64)) {
        state.0 += other.0;
        state.1 += other.1;
    }

    fn finish(&self, state: (u64, u64)) -> (u64, u64) {
        state
    }
}
