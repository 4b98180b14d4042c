//! What goes into a report and what comes out of it: [`Request`], [`Context`] and [`Answer`].

use std::sync::Arc;

use crate::{
    Error, Segment, VisitRule,
    fold::{Hooks, Source},
    job::read,
    segment::check_name,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wayfarer_event::Micros;

/// A question to the lake, as somebody asks it: every field as text or number, as it stands in a query string.
///
/// Which fields a report reads is in its [`parameters`](crate::Report::parameters). A field that it does not read is
/// refused, so that nobody takes an answer for that of another question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Name of the report.
    pub report: String,
    /// Whose events.
    pub site: String,
    /// First day (`2026-03-01`), month (`2026-03`), year (`2026`), a number of days back (`7d`), or an instant in RFC 3339.
    /// Everything there is by default.
    pub from: Option<String>,
    /// Last day, month or year, included; or an instant, excluded. Up to now by default.
    pub to: Option<String>,
    /// Which events count.
    pub filter: Option<String>,
    /// Which visitors count: those with an event for each of these filters.
    #[serde(deserialize_with = "list")]
    pub did: Vec<String>,
    /// Which visitors do not count: those with an event for one of these filters.
    #[serde(deserialize_with = "list")]
    pub did_not: Vec<String>,
    /// How long before the end of the period `did` and `did_not` look back, such as `30d`; the period itself by default.
    pub within: Option<String>,
    /// Saved segments: what each of them says counts as if it stood here.
    #[serde(deserialize_with = "list")]
    pub segment: Vec<String>,
    /// The dimension to break down by.
    pub by: Option<String>,
    /// Rules that make one key of many, such as `/product/*`: `*` stands for anything up to the next `/`, `**` for anything.
    /// `Products=/product/*` calls the key by a name.
    #[serde(deserialize_with = "list")]
    pub group: Vec<String>,
    /// The metrics to give, in this order. Empty: those that the report gives by default.
    #[serde(deserialize_with = "names")]
    pub metrics: Vec<String>,
    /// `minute`, `hour`, `day`, `week`, `month`, `quarter` or `year`.
    pub interval: Option<String>,
    /// `visitor` or `user`.
    pub unit: Option<String>,
    /// The most rows to give.
    pub limit: Option<usize>,
    /// The field to order rows by, largest first; `-field` for smallest first. `funnel`: `sequential`, `strict` or `any`.
    pub order: Option<String>,
    /// `previous`: beside each number that of the period of equal length before.
    pub compare: Option<String>,
    /// Count bots too.
    pub bots: bool,
    /// One visitor: sixteen hexadecimal digits.
    pub visitor: Option<String>,
    /// One account.
    pub user: Option<String>,
    /// The steps of a funnel, each a filter.
    #[serde(deserialize_with = "list")]
    pub steps: Vec<String>,
    /// How long a funnel may take, such as `1d`, `30m`; `2h/step` for each step on its own.
    pub window: Option<String>,
    /// Who does this on the way through a funnel is left out.
    pub exclude: Option<String>,
    /// Where a funnel is entered: `closed` at its first step alone, `open` at any.
    pub entry: Option<String>,
    /// Which bar of a funnel that is broken down: its key, as `funnel` tells it in `key` or `t`. Any text can be one, so null
    /// is asked for by `no_key`.
    pub key: Option<String>,
    /// The bar whose key is null.
    pub no_key: bool,
    /// Which step of a funnel, from 1.
    pub step: Option<usize>,
    /// Only those that entered an open funnel at this step.
    pub entered: bool,
    /// Only those that got no further.
    pub dropped: bool,
    /// The event that brings a visitor into a cohort or onto a path.
    pub start: Option<String>,
    /// The event that counts as coming back.
    #[serde(rename = "return")]
    pub returning: Option<String>,
    /// The event that a path leads to, or that earns what is attributed.
    pub end: Option<String>,
    /// Cohorts by the first start event ever, not the first in the period.
    pub first_ever: bool,
    /// Cohorts by every interval in which a visitor has a start event.
    pub recurring: bool,
    /// A visitor counts as back in every period up to the last one in which it came.
    pub unbounded: bool,
    /// How many steps of a path are told.
    pub depth: Option<usize>,
    /// How many of the most frequent are told apart.
    pub top: Option<usize>,
    /// A sequence of events such as `a->[^b]*->c`.
    pub pattern: Option<String>,
    /// A filter that chooses the other segment of a comparison.
    pub against: Option<String>,
    /// `first`, `last`, `all` or a step's number: whose value of the dimension counts. `attribution`: `first`, `last` or
    /// `last-non-direct`.
    pub attribution: Option<String>,
}

/// A list as a list, or the one text that stands in it: query strings know no lists. Commas are part of the text.
fn list<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Many(Vec<String>),
        One(String),
    }
    Ok(match List::deserialize(d)? {
        List::Many(many) => many,
        List::One(one) => vec![one],
    })
}

/// A list of names, which may have commas between them instead.
fn names<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let texts = list(d)?;
    let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What a report knows of the world besides the question.
#[derive(Clone)]
#[non_exhaustive]
pub struct Context {
    /// The events: one view of the lake, or something like it.
    pub source: Arc<dyn Source>,
    /// Time zone of the site: its days are the report's days.
    pub timezone: TimeZone,
    /// The present, for `7d`, "active now" and cells that are not complete yet.
    pub now: Micros,
    /// What a visit is.
    pub visits: VisitRule,
    /// What the site's owner wants to happen.
    pub goals: Vec<Goal>,
    /// The segments that were saved for the site, which a request can name.
    pub segments: Vec<Segment>,
    /// How many threads may work at once; at least one does.
    pub threads: usize,
    /// Progress and cancellation.
    pub hooks: Hooks,
}

impl Context {
    /// A context with the usual visit rule, no goals, and as many threads as the machine has.
    #[must_use]
    pub fn new(source: impl Source + 'static, timezone: TimeZone, now: Micros) -> Context {
        Context {
            source: Arc::new(source),
            timezone,
            now,
            visits: VisitRule::default(),
            goals: Vec::new(),
            segments: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            hooks: Hooks::default(),
        }
    }
}

/// An event that the site's owner wants to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// How people call it.
    pub name: String,
    /// Which events reach it.
    pub filter: String,
}

impl Goal {
    /// Whether it can be saved: its name is one, and its filter can be read.
    ///
    /// # Errors
    /// What is wrong, by the field that says it.
    pub fn check(&self) -> Result<(), Error> {
        check_name("name", &self.name)?;
        let filter = read("filter", Some(&self.filter))?;
        filter.map(drop).ok_or_else(|| Error::parameter("filter", "is empty"))
    }
}

/// The answer of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Name of the report.
    pub report: String,
    /// Whose events.
    pub site: String,
    /// The first day that it covers, in the site's time zone; `null` where there are no events at all.
    pub from: Option<String>,
    /// The last day that it covers.
    pub to: Option<String>,
    /// Whether every number is exact.
    pub exact: bool,
    /// The rows, with the fields that the report documents, in that order.
    pub rows: Vec<Row>,
    /// What must be known beside the rows: what was left out and why, totals, the position that was read.
    pub meta: Row,
}

/// A row of an answer: fields by name, in order.
pub type Row = Map<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    /// How HTTP gives what is given once, and how the command line does.
    fn both(field: &str, text: &str) -> [Request; 2] {
        [serde_json::json!({ field: text }), serde_json::json!({ field: [text] })]
            .map(|request| serde_json::from_value(request).unwrap())
    }

    #[test]
    fn a_list_of_one_is_read_the_same_from_everywhere() {
        let texts =
            ["name in ('a','b')", r#"title = "a, b""#, "Sale, today*", "it's, too", " a ", "", ","];
        for text in texts {
            for field in ["steps", "did", "did_not", "segment", "group", "metrics"] {
                let [http, cli] = both(field, text);
                assert_eq!(http, cli, "{field}={text}");
            }
            for field in ["steps", "did", "did_not", "segment", "group"] {
                let [Request { steps, did, did_not, segment, group, .. }, _] = both(field, text);
                assert_eq!([steps, did, did_not, segment, group].concat(), [text], "{field}");
            }
        }
    }

    #[test]
    fn metrics_stand_between_commas() {
        for request in both("metrics", "visitors, visits,") {
            assert_eq!(request.metrics, ["visitors", "visits"]);
        }
    }
}
