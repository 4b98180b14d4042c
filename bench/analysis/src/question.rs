//! The seven questions as reports of ours, by the names that the peers' script gives them, with the rows brought into the
//! shape that the peers answer in.

use anyhow::Result;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wayfarer_analysis::{Context, Request, Row, answer, reports};
use wayfarer_event::Micros;
use wayfarer_lake::Lake;

use crate::load::SITE;

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
        report: "overview",
        request: || json!({}),
        // The third figure of the peers, visits of one event, is no bounce by our definition.
        shape: |rows| rows_of(rows, &["visits", "visit_duration_s"]),
        differs: None,
    },
    Question {
        name: "funnel",
        report: "funnel",
        request: || json!({ "steps": STEPS, "window": "1d" }),
        shape: |rows| json!([rows.iter().map(|row| row["visitors"].clone()).collect::<Vec<_>>()]),
        differs: Some(
            "events of one instant connect in arrival order, and no later first step is overlooked",
        ),
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
        shape: |rows| rows_of(rows, &["cohort", "offset", "visitors"]),
        differs: Some("weeks begin on Monday, theirs on Thursday"),
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

/// The questions whose report is there.
pub(crate) fn present() -> impl Iterator<Item = &'static Question> {
    QUESTIONS.iter().filter(|question| question.is_present())
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

    /// Asks it, and gives the answer in the peers' shape.
    pub(crate) fn ask(&self, lake: &Lake, threads: usize) -> Result<Value> {
        let mut request: Request = serde_json::from_value((self.request)())?;
        request.report = self.report.to_owned();
        request.site = SITE.to_owned();
        // Half a year after the first click of the stream: all of it is past.
        let now = Micros(1_767_225_600_000_000 + 180 * 86_400_000_000);
        let mut context = Context::new(lake.view(), TimeZone::UTC, now);
        context.threads = threads;
        Ok((self.shape)(&answer(&context, &request)?.rows))
    }
}

fn rows_of(rows: &[Row], fields: &[&str]) -> Value {
    let cells = |row: &Row| {
        let cell = |field: &&str| row.get(*field).cloned().unwrap_or_default();
        fields.iter().map(cell).collect::<Vec<_>>()
    };
    json!(rows.iter().map(cells).collect::<Vec<_>>())
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
