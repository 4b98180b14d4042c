//! `trend`: metrics over time.

use hashbrown::HashMap;
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    fold::Plan,
    job::Job,
    measure::Measure,
    metric::{Metric, Tally},
    period::Interval,
};

const DEFAULT: &[Metric] = &[Metric::Visitors, Metric::Visits, Metric::Pageviews];

pub(super) const REPORT: Report = Report {
    name: "trend",
    doc: "Metrics over time, from minutes to years of the site's time zone, without gaps",
    looks_at_now: false,
    parameters: &[Parameter::Unit, Parameter::Metrics, Parameter::Interval, Parameter::Compare],
    fields: &[
        (
            "t",
            "the interval: its day, the Monday of its week, its month, quarter or year, or the start of its hour or minute",
        ),
        ("…", "one field for each metric; visitors, visits and pageviews by default"),
        ("previous", "with `compare`: the same of the interval at this place in the period before"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let interval = Interval::of(request, Interval::Day)?;
    let metrics = Metric::of(request, DEFAULT)?;
    let mut rows = measure(&job, interval, &metrics)?;
    if let Some(previous) = job.previous()? {
        let mut before = measure(&previous, interval, &metrics)?.into_iter();
        for row in &mut rows {
            row.insert("previous".into(), before.next().map_or(Value::Null, Value::Object));
        }
    }
    Ok(job.answer(rows, Row::new()))
}

/// One row for each interval of one period.
fn measure(job: &Job<'_>, interval: Interval, metrics: &[Metric]) -> Result<Vec<Row>, Error> {
    let intervals = job.period.intervals(interval)?;
    let mut plan = Plan::default();
    let measure = Measure::by_time(&mut plan, job, metrics, intervals.clone());
    let mut cells: HashMap<Option<Text>, Tally> = job.walk(plan, &measure)?.into_iter().collect();
    let rows = intervals.labels().iter().map(|label| {
        let tally = cells.remove(&Some(Text::from(label))).unwrap_or_default();
        let mut row = Row::new();
        row.insert("t".into(), json!(label));
        row.extend(Metric::tell_all(metrics, &tally, job.goal.is_some()));
        row
    });
    Ok(rows.collect())
}
