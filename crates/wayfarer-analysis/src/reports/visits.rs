//! `visits`: every visit, one row each.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Micros, Text, VisitorId};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    facts::{FactsReader, PagesReader},
    filter::Field,
    fold::{Fold, History, KeySlot, Plan, TestSlot, Visit},
    job::Job,
};

/// The most visits that one answer lists.
const LIMIT: usize = 1_000_000;

/// How many visits beyond those to list are held before the earliest are let go: at the least, and at the most.
const SLACK: (usize, usize) = (4096, LIMIT / 4);

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
        pages: PagesReader::new(&mut plan),
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
    pages: PagesReader,
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
        trim(&mut listed.visits, self.limit);
        Ok(())
    }

    fn merge(&self, listed: &mut Listed, other: Listed) {
        listed.count += other.count;
        listed.visits.extend(other.visits);
        trim(&mut listed.visits, self.limit);
    }

    fn check(&self, listed: &Listed) -> Result<(), Error> {
        check(&listed.visits, self.limit)
    }

    fn finish(&self, mut listed: Listed) -> Listed {
        shorten(&mut listed.visits, self.limit);
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
            entry: path(self.pages.first(history, visit)),
            exit: path(self.pages.last(history, visit)),
            pageviews: facts.pageviews,
            events: visit.rows.len() as u64,
            bounce: facts.bounce,
        }
    }
}

/// Lets the earliest visits go where there are many more than so many.
fn trim(visits: &mut Vec<Line>, limit: usize) {
    if visits.len() > limit.saturating_add(limit.clamp(SLACK.0, SLACK.1)) {
        shorten(visits, limit);
    }
}

/// Keeps so many of the latest.
fn shorten(visits: &mut Vec<Line>, limit: usize) {
    visits.sort_unstable_by_key(|line| (std::cmp::Reverse(line.start), line.visitor));
    visits.truncate(limit);
}

/// Whether the visits can be listed. Those beyond the limit are only not let go yet.
fn check(visits: &[Line], limit: usize) -> Result<(), Error> {
    if visits.len().min(limit) > LIMIT {
        return Err(Error::TooMany { what: "visits to list", limit: LIMIT });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start: usize) -> Line {
        Line {
            visitor: VisitorId(1),
            start: start as i64,
            end: start as i64,
            entry: None,
            exit: None,
            pageviews: 1,
            events: 1,
            bounce: true,
        }
    }

    /// Takes visits one after another, and tells how many were held at the most.
    fn take(
        visits: &mut Vec<Line>,
        starts: std::ops::Range<usize>,
        limit: usize,
    ) -> Result<usize, Error> {
        let mut most = 0;
        for start in starts {
            visits.push(line(start));
            trim(visits, limit);
            most = most.max(visits.len());
            check(visits, limit)?;
        }
        Ok(most)
    }

    #[test]
    fn as_many_as_may_be_listed_are_whatever_there_is() {
        for (limit, held) in [(3, 4099), (600_000, 850_000), (LIMIT, 1_250_000)] {
            let mut visits = Vec::new();
            assert!(take(&mut visits, 0..1_300_000, limit).unwrap() <= held);
            shorten(&mut visits, limit);
            assert_eq!((visits.len(), visits[0].start), (limit, 1_299_999));
        }
        let mut all = Vec::new();
        assert!(take(&mut all, 0..LIMIT, usize::MAX).is_ok());
        assert!(take(&mut all, LIMIT..LIMIT + 1, usize::MAX).is_err());
    }
}
