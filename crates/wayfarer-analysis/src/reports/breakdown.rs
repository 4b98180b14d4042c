//! `breakdown`: metrics by a dimension.

use hashbrown::HashMap;
use serde_json::{Value, json};
use wayfarer_event::Text;

use super::{Parameter, Report, goals::NO_GOALS};
use crate::{
    Answer, Context, Error, Request, Row,
    dimension::Dimension,
    fold::Plan,
    job::Job,
    measure::Measure,
    metric::{Metric, Tally},
    order::Order,
};

const DEFAULT: &[Metric] = &[Metric::Visitors, Metric::Visits, Metric::Pageviews, Metric::Events];

pub(super) const REPORT: Report = Report {
    name: "breakdown",
    doc: "Metrics by any dimension or property",
    looks_at_now: false,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Group,
        Parameter::Metrics,
        Parameter::Limit,
        Parameter::Order,
        Parameter::Compare,
    ],
    fields: &[
        ("key", "the value of the dimension; null where it is not known"),
        ("…", "one field for each metric; visitors, visits, pageviews and events by default"),
        ("previous", "with `compare`: the same of this key in the period before"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let mut job = Job::new(context, request)?;
    let Some(by) = request.by.as_deref() else {
        return Err(Error::parameter("by", "is required: name a dimension, such as path"));
    };
    let dimension = Dimension::named(by)?;
    job.bots |= dimension.shows_bots();
    let metrics = Metric::of(request, DEFAULT)?;
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    let order = Order::of(request, &names, names.first().copied().unwrap_or("key"))?;
    let mut rows: Vec<Row> = measure(&job, &dimension, &metrics)?
        .into_iter()
        .map(|(key, tally)| row(key.as_ref(), &tally, &metrics, &job))
        .collect();
    let total = rows.len();
    order.apply(&mut rows, "key", request.limit);
    if let Some(previous) = job.previous()? {
        compare(&mut rows, measure(&previous, &dimension, &metrics)?, &metrics, &previous);
    }
    let mut meta = Row::new();
    meta.insert("by".into(), json!(by));
    meta.insert("keys".into(), json!(total));
    if dimension == Dimension::Goal && context.goals.is_empty() {
        meta.insert("note".into(), json!(NO_GOALS));
    }
    Ok(job.answer(rows, meta))
}

type Counted = Vec<(Option<Text>, Tally)>;

/// What is counted under each key that has something to count.
fn measure(job: &Job<'_>, by: &Dimension, metrics: &[Metric]) -> Result<Counted, Error> {
    let mut plan = Plan::default();
    let measure = Measure::by(&mut plan, job, metrics, by)?;
    let mut counted = job.walk(plan, &measure)?;
    counted.retain(|(_, tally)| tally.events > 0 || tally.visits.count > 0);
    Ok(counted)
}

fn row(key: Option<&Text>, tally: &Tally, metrics: &[Metric], job: &Job<'_>) -> Row {
    let mut row = Row::new();
    row.insert("key".into(), json!(key));
    row.extend(Metric::tell_all(metrics, tally, job.goal.is_some()));
    row
}

/// Puts the period before beside each row.
fn compare(rows: &mut [Row], before: Counted, metrics: &[Metric], job: &Job<'_>) {
    let before: HashMap<Option<Text>, Tally> = before.into_iter().collect();
    for row in rows {
        let key = row.get("key").and_then(Value::as_str).map(Text::from);
        let tally = before.get(&key).cloned().unwrap_or_default();
        let previous = Metric::tell_all(metrics, &tally, job.goal.is_some());
        row.insert("previous".into(), Value::Object(previous));
    }
}
