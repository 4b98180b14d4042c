//! `timeline`: everything that one visitor, or one account, did.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wayfarer_event::{Column, Micros, Text, VisitorId};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::{Expr, Field, Literal, Op, Test},
    fold::{Fold, History, KeySlot, NumberSlot, Plan, TestSlot},
    job::Job,
};

/// How many events are told unless the request says it.
const LIMIT: usize = 1000;
/// How many events may be told.
const MOST: usize = 100_000;
/// How many visitors one account may have.
const VISITORS: usize = 10_000;

/// The columns that are told, as they are called in rows.
const TEXTS: [Column; 11] = [
    Column::Name,
    Column::Path,
    Column::Title,
    Column::Referrer,
    Column::Source,
    Column::User,
    Column::Country,
    Column::Browser,
    Column::Device,
    Column::Currency,
    Column::Props,
];

pub(super) const REPORT: Report = Report {
    name: "timeline",
    doc: "Everything that one visitor, or one account, did: the latest events, oldest first",
    looks_at_now: true,
    parameters: &[Parameter::Visitor, Parameter::User, Parameter::Limit],
    fields: &[
        ("t", "when"),
        ("visitor", "the visitor; an account may have several"),
        ("visit", "number of its visit among those in the period, from 1"),
        ("name", "what was done"),
        ("…", "path, title, referrer, source, user, country, browser, device, currency, props"),
        ("status", "HTTP status"),
        ("value", "what it was worth"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let mut job = Job::new(context, request)?;
    let limit = request.limit.unwrap_or(LIMIT);
    if limit > MOST {
        return Err(Error::parameter("limit", format!("is more than {MOST}")));
    }
    let visitors = match (&request.visitor, &request.user) {
        (Some(visitor), None) => BTreeSet::from([visitor_id(visitor)?]),
        (None, Some(user)) => visitors_of(&job, user)?,
        _ => return Err(Error::parameter("visitor", "or `user` is required, and not both")),
    };
    let mut lines = Vec::new();
    for visitor in &visitors {
        job.visitors = *visitor..=*visitor;
        let mut plan = Plan::default();
        let list = List::new(&mut plan, &job, limit);
        lines.extend(job.walk(plan, &list)?);
        latest(&mut lines, limit);
    }
    let mut meta = Row::new();
    let names: Vec<String> =
        visitors.iter().map(|visitor| VisitorId(*visitor).to_string()).collect();
    meta.insert("visitors".into(), json!(names));
    Ok(job.answer(lines.iter().map(row).collect(), meta))
}

fn visitor_id(text: &str) -> Result<u64, Error> {
    let id = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.ok_or_else(|| Error::parameter("visitor", "is not sixteen hexadecimal digits"))
}

fn is_user(user: &str) -> Expr {
    let test = Test::Compare(Op::Eq, Literal::Text(user.to_owned()));
    Expr::Test(Field::Column(Column::User), test)
}

/// The visitors that were logged in to an account.
fn visitors_of(job: &Job<'_>, user: &str) -> Result<BTreeSet<u64>, Error> {
    let mut plan = Plan::default();
    let find = Find { is_user: plan.test(&is_user(user)) };
    job.walk(plan, &find)
}

/// Keeps the latest events, oldest first.
fn latest(lines: &mut Vec<Line>, limit: usize) {
    lines.sort_by_key(|line| (line.t, line.visitor, line.place));
    lines.drain(..lines.len().saturating_sub(limit));
}

/// Finds visitors.
struct Find {
    is_user: TestSlot,
}

impl Fold for Find {
    type State = BTreeSet<u64>;
    type Output = BTreeSet<u64>;
    const VERSION: u32 = 1;

    fn start(&self) -> BTreeSet<u64> {
        BTreeSet::new()
    }

    fn visitor(&self, found: &mut BTreeSet<u64>, history: &History<'_>) -> Result<(), Error> {
        if history.test(self.is_user).contains(&true) {
            found.insert(history.visitor().0);
        }
        Ok(())
    }

    fn merge(&self, found: &mut BTreeSet<u64>, other: BTreeSet<u64>) {
        found.extend(other);
    }

    fn check(&self, found: &BTreeSet<u64>) -> Result<(), Error> {
        if found.len() > VISITORS {
            return Err(Error::TooMany { what: "visitors of one account", limit: VISITORS });
        }
        Ok(())
    }

    fn finish(&self, found: BTreeSet<u64>) -> BTreeSet<u64> {
        found
    }
}

/// Lists events of one visitor.
struct List {
    texts: [KeySlot; TEXTS.len()],
    status: NumberSlot,
    value: NumberSlot,
    selected: Option<TestSlot>,
    /// Events of other accounts are left out of the timeline of one.
    of_user: Option<TestSlot>,
    limit: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    t: i64,
    visitor: VisitorId,
    place: usize,
    visit: usize,
    texts: Vec<Option<Text>>,
    status: Option<f64>,
    value: Option<f64>,
}

impl List {
    fn new(plan: &mut Plan, job: &Job<'_>, limit: usize) -> List {
        plan.visits(job.context.visits);
        let user = job.request.user.as_deref().map(|user| {
            let nobody = Expr::Test(Field::Column(Column::User), Test::IsNull);
            Expr::Any(vec![is_user(user), nobody])
        });
        List {
            texts: TEXTS.map(|column| plan.key(&Field::Column(column))),
            status: plan.number(Column::Status),
            value: plan.number(Column::Value),
            selected: job.filter.as_ref().map(|filter| plan.test(filter)),
            of_user: user.map(|user| plan.test(&user)),
            limit,
        }
    }
}

impl Fold for List {
    type State = Vec<Line>;
    type Output = Vec<Line>;
    const VERSION: u32 = 1;

    fn start(&self) -> Vec<Line> {
        Vec::new()
    }

    fn visitor(&self, lines: &mut Vec<Line>, history: &History<'_>) -> Result<(), Error> {
        let inside = history.inside();
        let mut number = 0;
        for visit in history.visits() {
            let rows = visit.rows.start.max(inside.start)..visit.rows.end.min(inside.end);
            number += usize::from(!rows.is_empty());
            for row in rows {
                let is_told =
                    [self.selected, self.of_user].iter().all(|test| history.selects(*test, row));
                if is_told {
                    lines.push(self.line(history, row, number));
                }
            }
            if lines.len() > MOST.max(self.limit) * 2 {
                latest(lines, self.limit);
            }
        }
        Ok(())
    }

    fn merge(&self, lines: &mut Vec<Line>, other: Vec<Line>) {
        lines.extend(other);
    }

    fn finish(&self, mut lines: Vec<Line>) -> Vec<Line> {
        latest(&mut lines, self.limit);
        lines
    }
}

impl List {
    fn line(&self, history: &History<'_>, row: usize, visit: usize) -> Line {
        let text = |slot: &KeySlot| history.words(*slot).get(history.key(*slot)[row]).cloned();
        let number = |slot| Some(history.number(slot)[row]).filter(|number| !number.is_nan());
        Line {
            t: history.times()[row],
            visitor: history.visitor(),
            place: row,
            visit,
            texts: self.texts.iter().map(text).collect(),
            status: number(self.status),
            value: number(self.value),
        }
    }
}

fn row(line: &Line) -> Row {
    let mut row = Row::new();
    row.insert("t".into(), json!(Micros(line.t).to_string()));
    row.insert("visitor".into(), json!(line.visitor.to_string()));
    row.insert("visit".into(), json!(line.visit));
    for (column, text) in TEXTS.iter().zip(&line.texts) {
        let value = match (column, text) {
            (Column::Props, Some(props)) => {
                serde_json::from_str(props).unwrap_or_else(|_| json!(props))
            }
            _ => json!(text),
        };
        row.insert(column.name().into(), value);
    }
    row.insert("status".into(), line.status.map_or(Value::Null, |status| json!(status as i64)));
    row.insert("value".into(), json!(line.value));
    row
}
