//! The seven questions as reports of ours, by the names that the peers' script gives them, with the rows brought into the
//! shape that the peers answer in.

use anyhow::Result;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wayfarer_analysis::{Context, Request, Row, answer, reports};
use wayfarer_event::Micros;
use wayfarer_lake::Lake;

use crate::{Arguments, load::SITE};

/// The first day of the stream, in microseconds.
const FIRST: i64 = 1_767_225_600_000_000;
/// The Monday before it: our weeks begin there, and those of the peers are told to.
pub(crate) const FIRST_MONDAY: i64 = FIRST - 3 * Micros::DAY;
/// How many days the stream has.
const DAYS: i64 = 90;

/// A range of whole days of the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    first: i64,
    after: i64,
}

impl Days {
    /// Another range in each round, of nearly the whole stream: from the first day on, then from the second to the last but
    /// one, and so on.
    pub(crate) fn of_round(round: u32) -> Days {
        let cut = i64::from(round % 4);
        Days { first: cut, after: DAYS - cut }
    }

    fn day(day: i64) -> String {
        Micros(FIRST + day * Micros::DAY).to_string().chars().take(10).collect()
    }

    /// The first day.
    pub(crate) fn from(&self) -> String {
        Days::day(self.first)
    }

    /// The last day.
    fn to(&self) -> String {
        Days::day(self.after - 1)
    }

    /// The day after the last.
    pub(crate) fn until(&self) -> String {
        Days::day(self.after)
    }
}

/// A question that we and the peers answer.
pub(crate) struct Question {
    /// As the peers' script calls it.
    pub(crate) name: &'static str,
    /// The report that answers it.
    pub(crate) report: &'static str,
    request: fn() -> Value,
    /// Brings our rows into the peers' shape.
    shape: fn(&[Row]) -> Value,
    /// Where the definitions differ, so that the answers need not be equal.
    pub(crate) differs: Option<&'static str>,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "timeseries",
        report: "trend",
        request: || json!({ "filter": PAGE_VIEW, "metrics": ["events", "visitors"], "interval": "day" }),
        shape: |rows| rows_of(rows, &["t", "events", "visitors"]),
        differs: None,
    },
    Question {
        name: "top_pages",
        report: "breakdown",
        request: || {
            json!({
                "filter": PAGE_VIEW, "by": "path", "metrics": ["events", "visitors"],
                "order": "events", "limit": 10,
            })
        },
        shape: |rows| rows_of(rows, &["key", "events", "visitors"]),
        differs: None,
    },
    Question {
        name: "sessions",
        report: "trend",
        request: || json!({ "metrics": ["visits", "visit_duration_s"], "interval": "month" }),
        // The third figure of the peers, visits of one event, is no bounce by our definition.
        shape: visits_of_months,
        differs: Some("a visit at the edge of the range is whole, theirs is cut"),
    },
    Question {
        name: "funnel",
        report: "funnel",
        request: || json!({ "steps": STEPS, "window": "1d" }),
        shape: |rows| json!([rows.iter().map(|row| row["visitors"].clone()).collect::<Vec<_>>()]),
        differs: Some("an attempt that begins in the range may end after it, theirs ends with it"),
    },
    Question {
        name: "funnel_by_country",
        report: "funnel",
        request: || json!({ "steps": STEPS, "window": "1d", "by": "country", "attribution": "first" }),
        shape: by_country,
        differs: Some("as the funnel"),
    },
    Question {
        name: "retention",
        report: "retention",
        request: || json!({ "interval": "week" }),
        shape: weeks,
        differs: None,
    },
    Question {
        name: "paths",
        report: "transitions",
        request: || json!({ "filter": PAGE_VIEW, "top": 20 }),
        shape: |rows| rows_of(rows, &["from", "to", "count"]),
        differs: Some(
            "a visit ends where no event of any name comes for 30 minutes, theirs where no page view does",
        ),
    },
];

const PAGE_VIEW: &str = "name = 'page_view'";

const STEPS: [&str; 4] = [
    "name = 'page_view' and path ~ '^/product/'",
    "name = 'add_to_cart'",
    "path = '/checkout'",
    "name = 'purchase'",
];

/// The questions that are asked for and whose report is there.
pub(crate) fn present(arguments: &Arguments) -> impl Iterator<Item = &'static Question> {
    let asked = &arguments.questions;
    let is_asked = move |question: &Question| {
        asked.is_empty() || asked.iter().any(|name| name == question.name)
    };
    QUESTIONS.iter().filter(move |question| question.is_present() && is_asked(question))
}

/// The questions whose report is not there yet.
pub(crate) fn absent() -> Vec<&'static str> {
    let absent = QUESTIONS.iter().filter(|question| !question.is_present());
    absent.map(|question| question.name).collect()
}

impl Question {
    fn is_present(&self) -> bool {
        reports().iter().any(|report| report.name() == self.report)
    }

    /// Asks it of a range of days, and gives the answer in the peers' shape.
    pub(crate) fn ask(&self, lake: &Lake, threads: usize, days: &Days) -> Result<Value> {
        let mut request = (self.request)();
        request["from"] = json!(days.from());
        request["to"] = json!(days.to());
        Ok((self.shape)(&ask(lake, threads, self.report, request)?))
    }
}

/// Asks a funnel of so many steps, which take turns through those of the shop.
pub(crate) fn funnel(lake: &Lake, threads: usize, steps: usize, days: &Days) -> Result<()> {
    let steps: Vec<&str> = STEPS.iter().copied().cycle().take(steps).collect();
    let request = json!({ "steps": steps, "window": "7d", "from": days.from(), "to": days.to() });
    ask(lake, threads, "funnel", request)?;
    Ok(())
}

/// Asks a report of the stream's site.
fn ask(lake: &Lake, threads: usize, report: &str, request: Value) -> Result<Vec<Row>> {
    let mut request: Request = serde_json::from_value(request)?;
    request.report = report.to_owned();
    request.site = SITE.to_owned();
    // Half a year after the first click of the stream: all of it is past.
    let now = Micros(FIRST + 180 * Micros::DAY);
    let mut context = Context::new(lake.view(), TimeZone::UTC, now);
    context.threads = threads;
    Ok(answer(&context, &request)?.rows)
}

fn rows_of(rows: &[Row], fields: &[&str]) -> Value {
    let cells = |row: &Row| {
        let cell = |field: &&str| row.get(*field).cloned().unwrap_or_default();
        fields.iter().map(cell).collect::<Vec<_>>()
    };
    json!(rows.iter().map(cells).collect::<Vec<_>>())
}

/// Weeks by their number from the one with the first day of the stream on, and only where somebody was there.
fn weeks(rows: &[Row]) -> Value {
    let cells = |row: &Row| {
        let monday = format!("{}T00:00:00Z", row.get("cohort")?.as_str()?);
        let week = (Micros::parse(&monday).ok()?.0 - FIRST_MONDAY) / (7 * Micros::DAY);
        let visitors = row.get("visitors").filter(|visitors| **visitors != json!(0))?;
        Some(json!([week, row.get("offset")?, visitors]))
    };
    json!(rows.iter().filter_map(cells).collect::<Vec<_>>())
}

/// Visits and their mean length of all months together.
fn visits_of_months(rows: &[Row]) -> Value {
    let number = |row: &Row, field: &str| row.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    let visits: f64 = rows.iter().map(|row| number(row, "visits")).sum();
    let seconds: f64 =
        rows.iter().map(|row| number(row, "visits") * number(row, "visit_duration_s")).sum();
    json!([[visits, seconds / visits.max(1.0)]])
}

/// One row for each country with a figure for each step, in the order of countries.
fn by_country(rows: &[Row]) -> Value {
    let mut countries = std::collections::BTreeMap::<String, Vec<Value>>::new();
    for row in rows {
        let key = row.get("key").and_then(Value::as_str).unwrap_or_default();
        let visitors = row.get("visitors").cloned().unwrap_or_default();
        countries.entry(key.to_owned()).or_default().push(visitors);
    }
    let row = |(key, visitors): (String, Vec<Value>)| {
        std::iter::once(json!(key)).chain(visitors).collect::<Vec<_>>()
    };
    json!(countries.into_iter().map(row).collect::<Vec<_>>())
}
