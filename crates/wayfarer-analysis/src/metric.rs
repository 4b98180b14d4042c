//! The metrics: one row each in a table, and the counts that they are told from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wayfarer_event::Text;

use crate::{Error, Request, Row, error::nearest, fold::Stamp};

/// What is counted under one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) visitors: u64,
    pub(crate) events: u64,
    pub(crate) pageviews: u64,
    /// Visitors that reached a goal.
    pub(crate) converted: u64,
    /// Money in millionths of each currency: so that adding up is exact and its order does not matter.
    pub(crate) revenue: Vec<(Option<Text>, i128)>,
    pub(crate) visits: VisitTally,
    #[serde(skip)]
    pub(crate) last_visitor: Stamp,
    #[serde(skip)]
    pub(crate) last_visit: Stamp,
    #[serde(skip)]
    pub(crate) last_converted: Stamp,
}

/// What is counted of visits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VisitTally {
    pub(crate) count: u64,
    pub(crate) bounces: u64,
    pub(crate) engaged: u64,
    pub(crate) pageviews: u64,
    /// Microseconds.
    pub(crate) duration: u128,
    /// Visits of which the active time is known, and that time in milliseconds.
    pub(crate) timed: u64,
    pub(crate) active: u64,
}

impl Tally {
    /// Counts events of one visitor, of which so many are page views.
    #[inline]
    pub(crate) fn count(&mut self, visitor: u32, events: u64, pageviews: u64) {
        self.events += events;
        self.pageviews += pageviews;
        self.visitors += u64::from(self.last_visitor.first(visitor));
    }

    /// Adds what was counted of other visitors.
    pub(crate) fn add(&mut self, other: Tally) {
        self.visitors += other.visitors;
        self.events += other.events;
        self.pageviews += other.pageviews;
        self.converted += other.converted;
        for (currency, amount) in other.revenue {
            self.earn(currency.as_ref(), amount);
        }
        self.visits.add(&other.visits);
    }

    /// Adds an amount, in millionths, of a currency.
    pub(crate) fn earn(&mut self, currency: Option<&Text>, amount: i128) {
        match self.revenue.iter_mut().find(|(known, _)| known.as_ref() == currency) {
            Some((_, sum)) => *sum = sum.saturating_add(amount),
            None => self.revenue.push((currency.cloned(), amount)),
        }
    }
}

impl VisitTally {
    fn add(&mut self, other: &VisitTally) {
        self.count += other.count;
        self.bounces += other.bounces;
        self.engaged += other.engaged;
        self.pageviews += other.pageviews;
        self.duration += other.duration;
        self.timed += other.timed;
        self.active += other.active;
    }
}

/// A number of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Visitors,
    Visits,
    Pageviews,
    Events,
    BounceRate,
    EngagedRate,
    VisitDuration,
    Active,
    ViewsPerVisit,
    Conversions,
    ConversionRate,
    Revenue,
}

/// A row of the table of metrics.
struct Entry {
    metric: Metric,
    name: &'static str,
    doc: &'static str,
    /// Whether it must know whole visits.
    of_visits: bool,
}

const fn entry(metric: Metric, name: &'static str, of_visits: bool, doc: &'static str) -> Entry {
    Entry { metric, name, doc, of_visits }
}

const TABLE: &[Entry] = &[
    entry(Metric::Visitors, "visitors", false, "Distinct visitors with an event in the period"),
    entry(Metric::Visits, "visits", true, "Visits that start in the period"),
    entry(Metric::Pageviews, "pageviews", false, "Page views"),
    entry(Metric::Events, "events", false, "Events of every name"),
    entry(
        Metric::BounceRate,
        "bounce_rate",
        true,
        "Share of visits with one page view, or one interaction, and nothing else, 0-1",
    ),
    entry(
        Metric::EngagedRate,
        "engaged_rate",
        true,
        "Share of visits of over 10 s active time, two page views or a goal, 0-1",
    ),
    entry(
        Metric::VisitDuration,
        "visit_duration_s",
        true,
        "Mean seconds from a visit's first event to its last",
    ),
    entry(
        Metric::Active,
        "active_s",
        true,
        "Mean active seconds of the visits of which they are known",
    ),
    entry(Metric::ViewsPerVisit, "views_per_visit", true, "Mean page views of a visit"),
    entry(
        Metric::Conversions,
        "conversions",
        false,
        "Distinct visitors that reached a goal; null where no goals are set up",
    ),
    entry(
        Metric::ConversionRate,
        "conversion_rate",
        false,
        "Share of visitors that reached a goal, 0-1",
    ),
    entry(
        Metric::Revenue,
        "revenue",
        false,
        "Sum of `value`; null where no event has one, or where they are of several currencies",
    ),
];

impl Metric {
    /// The metrics of a request, or others where it names none.
    pub(crate) fn of(request: &Request, default: &[Metric]) -> Result<Vec<Metric>, Error> {
        if request.metrics.is_empty() {
            return Ok(default.to_vec());
        }
        request.metrics.iter().map(|name| Metric::named(name)).collect()
    }

    fn named(name: &str) -> Result<Metric, Error> {
        TABLE.iter().find(|entry| entry.name == name).map(|entry| entry.metric).ok_or_else(|| {
            let meant = nearest(name, TABLE.iter().map(|entry| entry.name));
            let meant = crate::error::suggestion(meant);
            Error::parameter("metrics", format!("names no metric `{name}`{meant}"))
        })
    }

    /// Its name in requests and rows.
    pub(crate) fn name(self) -> &'static str {
        self.entry().name
    }

    /// Whether it must know whole visits.
    pub(crate) fn of_visits(self) -> bool {
        self.entry().of_visits
    }

    /// Whether it must know active time, or what else makes a visit an engaged one.
    pub(crate) fn of_activity(self) -> bool {
        matches!(self, Metric::Active | Metric::EngagedRate)
    }

    fn entry(self) -> &'static Entry {
        TABLE.iter().find(|entry| entry.metric == self).unwrap_or(&TABLE[0])
    }

    /// Tells the metric. What cannot be known is null, never 0.
    pub(crate) fn tell(self, tally: &Tally, has_goals: bool) -> Value {
        let visits = &tally.visits;
        match self {
            Metric::Visitors => json!(tally.visitors),
            Metric::Visits => json!(visits.count),
            Metric::Pageviews => json!(tally.pageviews),
            Metric::Events => json!(tally.events),
            Metric::BounceRate => ratio(visits.bounces as f64, visits.count),
            Metric::EngagedRate => ratio(visits.engaged as f64, visits.count),
            Metric::VisitDuration => ratio(visits.duration as f64 / 1e6, visits.count),
            Metric::Active => ratio(visits.active as f64 / 1e3, visits.timed),
            Metric::ViewsPerVisit => ratio(visits.pageviews as f64, visits.count),
            Metric::Conversions if has_goals => json!(tally.converted),
            Metric::ConversionRate if has_goals => ratio(tally.converted as f64, tally.visitors),
            Metric::Conversions | Metric::ConversionRate => Value::Null,
            Metric::Revenue => match tally.revenue.as_slice() {
                [(_, amount)] => json!(money(*amount)),
                _ => Value::Null,
            },
        }
    }

    /// Tells several metrics, in their order.
    pub(crate) fn tell_all(metrics: &[Metric], tally: &Tally, has_goals: bool) -> Row {
        let fields = metrics.iter();
        fields.map(|metric| (metric.name().to_owned(), metric.tell(tally, has_goals))).collect()
    }
}

/// Every metric that `trend` and `breakdown` can give: its name, and what it means.
pub fn metrics() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|entry| (entry.name, entry.doc))
}

/// A share or mean: null of nothing.
pub(crate) fn ratio(sum: f64, count: u64) -> Value {
    if count == 0 { Value::Null } else { json!(sum / count as f64) }
}

/// An amount as millionths.
pub(crate) fn millionths(amount: f64) -> i128 {
    (amount * 1e6).round() as i128
}

/// Millionths as an amount.
pub(crate) fn money(millionths: i128) -> f64 {
    millionths as f64 / 1e6
}

/// Money by currency, where one sum cannot be told.
pub(crate) fn currencies(tally: &Tally) -> Option<Value> {
    (tally.revenue.len() > 1).then(|| {
        let each = tally.revenue.iter().map(|(currency, amount)| {
            let currency = currency.as_ref().map_or("", |currency| currency.as_str());
            (currency.to_owned(), json!(money(*amount)))
        });
        Value::Object(each.collect::<Map<_, _>>())
    })
}
