//! `segments`: two segments of visitors side by side, and which of their differences are more than chance.
//!
//! A visitor belongs to the first segment if one of its events in the period passes the filter, and to the other if one passes
//! `against`. Who belongs to both is in neither, and is counted. Without a filter, the first segment is everybody else. Then
//! each visitor is one observation: what it did in the visits that start in the period, all of it, not only what the filters
//! select.
//!
//! Money of several currencies has no sum: what is told of it is then null, and `value` in `meta` tells the sums by currency.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::Column;

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    facts::FactsReader,
    filter::Field,
    fold::{Fold, History, KeySlot, NumberSlot, Plan, TestSlot},
    job::{Job, read},
    metric::{Tally, currencies, millionths},
    significance::{Difference, Mean, Share},
};

pub(super) const REPORT: Report = Report {
    name: "segments",
    doc: "Two segments of visitors side by side, and which of their differences are more than chance",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Against],
    fields: &[
        (
            "metric",
            "what is compared, told of a visitor; nothing is told of a `value` in several currencies",
        ),
        ("value", "its share or mean in the segment of the filter"),
        ("against", "its share or mean in the other segment"),
        ("difference", "`value` less `against`"),
        (
            "low",
            "the difference is at least so large, at 95 % confidence; null where visitors are too few or too alike to tell",
        ),
        ("high", "the difference is at most so large, at 95 % confidence; null like `low`"),
        (
            "p",
            "how likely a difference at least so large would be if there were none, 0-1; of each metric by itself; null like `low`",
        ),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let against = read("against", request.against.as_deref())?.ok_or_else(|| {
        Error::parameter("against", "is required: the filter of the other segment")
    })?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let count = Count {
        segment: job.filter.as_ref().map(|filter| plan.test(filter)),
        against: plan.test(&against),
        facts: FactsReader::new(&mut plan, job.goal.as_ref()),
        goal: job.goal.as_ref().map(|goal| plan.test(goal)),
        value: plan.number(Column::Value),
        currency: plan.key(&Field::Column(Column::Currency)),
    };
    let counted = job.walk(plan, &count)?;
    let [one, other] = &counted.segments;
    let several = currencies(&counted.earned);
    // Of nobody nothing is told.
    let nobody = Group::default();
    let rows =
        METRICS.iter().filter(|metric| job.goal.is_some() || !metric.of_goals).map(|metric| {
            let has_sum = metric.name != VALUE || several.is_none();
            if has_sum { row(metric, one, other) } else { row(metric, &nobody, &nobody) }
        });
    let mut meta = Row::new();
    meta.insert("visitors".into(), json!(one.returned.all));
    meta.insert("against_visitors".into(), json!(other.returned.all));
    meta.insert("excluded".into(), json!({"in_both": counted.both}));
    if let Some(several) = &several {
        meta.insert(VALUE.into(), several.clone());
    }
    Ok(job.answer(rows.collect(), meta))
}

/// One row of the report.
struct Compared {
    name: &'static str,
    of_goals: bool,
    number: Number,
}

/// Where a metric lies in a group, and in what a mean is counted.
enum Number {
    Share(fn(&Group) -> &Share),
    Mean(fn(&Group) -> &Mean, f64),
}

/// The metric that is money.
const VALUE: &str = "value";

const METRICS: &[Compared] = &[
    share("conversion_rate", true, |group| &group.converted),
    share("engaged_rate", false, |group| &group.engaged),
    share("return_rate", false, |group| &group.returned),
    mean("visits", 1.0, |group| &group.visits),
    mean("pageviews", 1.0, |group| &group.pageviews),
    mean("active_s", 1e3, |group| &group.active_ms),
    mean(VALUE, 1e6, |group| &group.value),
];

const fn share(name: &'static str, of_goals: bool, of: fn(&Group) -> &Share) -> Compared {
    Compared { name, of_goals, number: Number::Share(of) }
}

const fn mean(name: &'static str, unit: f64, of: fn(&Group) -> &Mean) -> Compared {
    Compared { name, of_goals: false, number: Number::Mean(of, unit) }
}

fn row(metric: &Compared, one: &Group, other: &Group) -> Row {
    let (value, against, difference, unit) = match metric.number {
        Number::Share(of) => {
            let (one, other) = (of(one), of(other));
            (one.rate(), other.rate(), one.against(other), 1.0)
        }
        Number::Mean(of, unit) => {
            let (one, other) = (of(one), of(other));
            (one.mean(), other.mean(), one.against(other), unit)
        }
    };
    let told = |number: Option<f64>| number.map_or(Value::Null, |number| json!(number / unit));
    let mut row = Row::new();
    row.insert("metric".into(), json!(metric.name));
    row.insert("value".into(), told(value));
    row.insert("against".into(), told(against));
    row.insert("difference".into(), told(value.zip(against).map(|(one, other)| one - other)));
    row.insert("low".into(), told(difference.map(|Difference { low, .. }| low)));
    row.insert("high".into(), told(difference.map(|Difference { high, .. }| high)));
    row.insert("p".into(), difference.map_or(Value::Null, |Difference { p, .. }| json!(p)));
    row
}

/// Counts both segments.
struct Count {
    /// What chooses the first segment; everybody else without it.
    segment: Option<TestSlot>,
    against: TestSlot,
    facts: FactsReader,
    goal: Option<TestSlot>,
    value: NumberSlot,
    currency: KeySlot,
}

/// The visitors of one segment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Group {
    converted: Share,
    engaged: Share,
    returned: Share,
    visits: Mean,
    pageviews: Mean,
    /// Of visitors whose active time is known.
    active_ms: Mean,
    /// In millionths; told only where there is but one currency.
    value: Mean,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    segments: [Group; 2],
    both: u64,
    /// What the visitors of both segments are worth, by currency.
    earned: Tally,
}

impl Group {
    fn add(&mut self, other: &Group) {
        self.converted.add(&other.converted);
        self.engaged.add(&other.engaged);
        self.returned.add(&other.returned);
        self.visits.add(&other.visits);
        self.pageviews.add(&other.pageviews);
        self.active_ms.add(&other.active_ms);
        self.value.add(&other.value);
    }
}

impl Count {
    /// Takes one visitor into a segment.
    fn observe(&self, counted: &mut Counted, segment: usize, history: &History<'_>) {
        let Counted { segments, earned, .. } = counted;
        let group = &mut segments[segment];
        let (mut visits, mut pageviews, mut engaged, mut converted) = (0, 0, false, false);
        let (mut active, mut value) = (None, 0);
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let facts = self.facts.read(history, &visit);
            visits += 1;
            pageviews += facts.pageviews as i64;
            engaged |= facts.engaged;
            converted |= self
                .goal
                .is_some_and(|goal| history.test(goal)[visit.rows.clone()].contains(&true));
            if let Some(ms) = facts.active {
                active = Some(active.unwrap_or(0) + ms as i64);
            }
            let values = history.number(self.value);
            for row in visit.rows.clone().filter(|row| !values[*row].is_nan()) {
                let currency = history.key(self.currency)[row];
                let amount = millionths(values[row]);
                earned.earn(history.words(self.currency).get(currency), amount);
                value += amount;
            }
        }
        group.converted.count(converted);
        group.engaged.count(engaged);
        group.returned.count(visits > 1);
        group.visits.count(visits);
        group.pageviews.count(pageviews);
        if let Some(active) = active {
            group.active_ms.count(active);
        }
        group.value.count(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 2;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let inside = history.inside();
        if inside.is_empty() {
            return Ok(());
        }
        let has = |test: TestSlot| history.test(test)[inside.clone()].contains(&true);
        let in_other = has(self.against);
        match [self.segment.map_or(!in_other, has), in_other] {
            [true, true] => counted.both += 1,
            [true, false] => self.observe(counted, 0, history),
            [false, true] => self.observe(counted, 1, history),
            [false, false] => {}
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.both += other.both;
        counted.earned.add(other.earned);
        for (group, other) in counted.segments.iter_mut().zip(&other.segments) {
            group.add(other);
        }
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
