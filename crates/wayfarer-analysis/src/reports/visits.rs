//! `visits`: every visit, one row each.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Micros, Text, VisitorId};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    facts::FactsReader,
    filter::Field,
    fold::{Fold, History, KeySlot, Plan, TestSlot, Visit},
    job::Job,
};

/// The most visits that one answer lists.
const LIMIT: usize = 1_000_000;

/// How many visits may be held before the earliest of them are let go.
const SLACK: usize = 4096;

pub(super) const REPORT: Report = Report {
    name: "visits",
    doc: "Every visit that starts in the period, the latest first",
    looks_at_now: false,
    parameters: &[Parameter::Limit],
    fields: &[
        ("visit", "name of the visit: its visitor and the microsecond in which it starts"),
        ("visitor", "whose visit, sixteen hexadecimal digits"),
        ("start", "its first event"),
        ("end", "its last event"),
        ("duration_s", "seconds between them"),
        ("entry", "path of its first page view"),
        ("exit", "path of its last page view"),
        ("pageviews", "its page views"),
        ("events", "its events of every name"),
        ("bounce", "one page view, or one interaction, and nothing else"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let list = List {
        facts: FactsReader::new(&mut plan, None),
        path: plan.key(&Field::Column(Column::Path)),
        selected: job.filter.as_ref().map(|filter| plan.test(filter)),
        limit: request.limit.unwrap_or(usize::MAX),
    };
    let listed = job.walk(plan, &list)?;
    let mut meta = Row::new();
    meta.insert("visits".into(), json!(listed.count));
    Ok(job.answer(listed.visits.iter().map(row).collect(), meta))
}

/// Lists the latest visits.
struct List {
    facts: FactsReader,
    path: KeySlot,
    selected: Option<TestSlot>,
    limit: usize,
}

/// Visits, in no order until the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Listed {
    count: u64,
    visits: Vec<Line>,
}

/// One visit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    visitor: VisitorId,
    start: i64,
    end: i64,
    entry: Option<Text>,
    exit: Option<Text>,
    pageviews: u64,
    events: u64,
    bounce: bool,
}

impl Fold for List {
    type State = Listed;
    type Output = Listed;
    const VERSION: u32 = 1;

    fn start(&self) -> Listed {
        Listed::default()
    }

    fn visitor(&self, listed: &mut Listed, history: &History<'_>) -> Result<(), Error> {
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            if history.selects_visit(self.selected, &visit) {
                listed.count += 1;
                listed.visits.push(self.line(history, &visit));
            }
        }
        if listed.visits.len() > self.limit.saturating_mul(2).max(SLACK) {
            self.shorten(listed);
        }
        if listed.visits.len() > LIMIT {
            return Err(Error::TooMany { what: "visits to list", limit: LIMIT });
        }
        Ok(())
    }

    fn merge(&self, listed: &mut Listed, other: Listed) {
        listed.count += other.count;
        listed.visits.extend(other.visits);
    }

    fn finish(&self, mut listed: Listed) -> Listed {
        self.shorten(&mut listed);
        listed
    }
}

impl List {
    fn line(&self, history: &History<'_>, visit: &Visit) -> Line {
        let facts = self.facts.read(history, visit);
        let path = |row: Option<usize>| {
            row.and_then(|row| history.words(self.path).get(history.key(self.path)[row])).cloned()
        };
        Line {
            visitor: history.visitor(),
            start: visit.start,
            end: visit.end,
            entry: path(self.facts.first_page(history, visit)),
            exit: path(self.facts.last_page(history, visit)),
            pageviews: facts.pageviews,
            events: visit.rows.len() as u64,
            bounce: facts.bounce,
        }
    }

    /// Keeps the latest.
    fn shorten(&self, listed: &mut Listed) {
        let visits = &mut listed.visits;
        visits.sort_unstable_by_key(|line| (std::cmp::Reverse(line.start), line.visitor));
        visits.truncate(self.limit);
    }
}

fn row(line: &Line) -> Row {
    let mut row = Row::new();
    row.insert("visit".into(), json!(format!("{}-{:x}", line.visitor, line.start)));
    row.insert("visitor".into(), json!(line.visitor.to_string()));
    row.insert("start".into(), json!(Micros(line.start).to_string()));
    row.insert("end".into(), json!(Micros(line.end).to_string()));
    row.insert("duration_s".into(), json!((line.end - line.start) as f64 / 1e6));
    row.insert("entry".into(), json!(line.entry));
    row.insert("exit".into(), json!(line.exit));
    row.insert("pageviews".into(), json!(line.pageviews));
    row.insert("events".into(), json!(line.events));
    row.insert("bounce".into(), json!(line.bounce));
    row
}
