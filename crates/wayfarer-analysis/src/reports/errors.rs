//! `errors`: what went wrong, where, and whom it hit.
//!
//! An error is an event with an HTTP status of 400 or more, or one named `exception`, whose property `message` says what.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Text};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::{Expr, Field, Literal, Op, Test, named},
    fold::{Fold, History, KeySlot, Pairs, Plan, Stamp, TestSlot},
    job::Job,
};

/// How many kinds of errors one report holds.
const KINDS: usize = 1_000_000;

pub(super) const REPORT: Report = Report {
    name: "errors",
    doc: "What went wrong (HTTP status 400 and above, exceptions), where, and whom it hit",
    looks_at_now: true,
    parameters: &[Parameter::Unit, Parameter::Limit],
    fields: &[
        ("error", "the status, or the message of the exception"),
        ("path", "where"),
        ("events", "how often in the period"),
        ("visitors", "how many visitors it hit"),
        ("visits", "how many visits that start in the period it hit"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    plan.visits(context.visits);
    let count = Count::new(&mut plan, &job);
    let mut kinds = job.walk(plan, &count)?;
    kinds.sort_unstable_by(|a, b| b.1.events.cmp(&a.1.events).then_with(|| a.0.cmp(&b.0)));
    let mut meta = Row::new();
    meta.insert("kinds".into(), json!(kinds.len()));
    meta.insert("events".into(), json!(kinds.iter().map(|(_, kind)| kind.events).sum::<u64>()));
    kinds.truncate(request.limit.unwrap_or(usize::MAX));
    Ok(job.answer(kinds.iter().map(row).collect(), meta))
}

/// An error and its place, and how often it came.
type Named = ((Option<Text>, Option<Text>), Kind);

fn row(((error, path), kind): &Named) -> Row {
    let mut row = Row::new();
    row.insert("error".into(), json!(error));
    row.insert("path".into(), json!(path));
    row.insert("events".into(), json!(kind.events));
    row.insert("visitors".into(), json!(kind.visitors));
    row.insert("visits".into(), json!(kind.visits));
    row
}

/// Counts errors.
struct Count {
    is_error: TestSlot,
    is_exception: TestSlot,
    status: KeySlot,
    message: KeySlot,
    path: KeySlot,
}

/// One error at one path.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Kind {
    events: u64,
    visitors: u64,
    visits: u64,
    #[serde(skip)]
    last_visitor: Stamp,
    #[serde(skip)]
    last_visit: Stamp,
}

/// What is known after some visitors.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted {
    statuses: Pairs<Kind>,
    exceptions: Pairs<Kind>,
    #[serde(skip)]
    visitors: u32,
    #[serde(skip)]
    visits: u32,
}

impl Kind {
    fn add(&mut self, other: Kind) {
        self.events += other.events;
        self.visitors += other.visitors;
        self.visits += other.visits;
    }
}

impl Count {
    fn new(plan: &mut Plan, job: &Job<'_>) -> Count {
        let exception = named("exception");
        let status = Test::Compare(Op::Ge, Literal::Number(400.0));
        let status = Expr::Test(Field::Column(Column::Status), status);
        let is_error = Expr::Any(vec![status, exception.clone()]);
        let is_error = job.filter.iter().cloned().chain([is_error]).collect();
        Count {
            is_error: plan.test(&Expr::All(is_error)),
            is_exception: plan.test(&exception),
            status: plan.key(&Field::Column(Column::Status)),
            message: plan.key(&Field::Prop("message".into())),
            path: plan.key(&Field::Column(Column::Path)),
        }
    }

    fn kind<'c>(
        &self,
        counted: &'c mut Counted,
        history: &History<'_>,
        row: usize,
    ) -> &'c mut Kind {
        let (kinds, error) = if history.test(self.is_exception)[row] {
            (&mut counted.exceptions, self.message)
        } else {
            (&mut counted.statuses, self.status)
        };
        let codes = [error, self.path].map(|slot| history.key(slot)[row]);
        let name = |slot| move |code| history.words(slot).get(code).cloned();
        kinds.of(codes.into(), (name(error), name(self.path)))
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Vec<Named>;
    const VERSION: u32 = 2;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let is_error = history.test(self.is_error);
        counted.visitors += 1;
        let turn = counted.visitors;
        for row in history.inside().filter(|row| is_error[*row]) {
            let kind = self.kind(counted, history, row);
            kind.events += 1;
            kind.visitors += u64::from(kind.last_visitor.first(turn));
        }
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            counted.visits += 1;
            let turn = counted.visits;
            for row in visit.rows.filter(|row| is_error[*row]) {
                let kind = self.kind(counted, history, row);
                kind.visits += u64::from(kind.last_visit.first(turn));
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.statuses.merge(other.statuses, Kind::add);
        counted.exceptions.merge(other.exceptions, Kind::add);
    }

    fn check(&self, counted: &Counted) -> Result<(), Error> {
        if counted.statuses.len() + counted.exceptions.len() > KINDS {
            return Err(Error::TooMany { what: "kinds of errors", limit: KINDS });
        }
        Ok(())
    }

    fn finish(&self, counted: Counted) -> Vec<Named> {
        let named = counted.exceptions.into_named().into_iter();
        let named = named.map(|((message, path), kind)| {
            ((message.or(Some(Text::const_new("exception"))), path), kind)
        });
        named.chain(counted.statuses.into_named()).collect()
    }
}
