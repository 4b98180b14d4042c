//! `funnel-visitors`: who stands behind a bar of a funnel: the visitors that reached a step, or that got no further.

use std::{cmp::Reverse, collections::BinaryHeap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Micros, Text, VisitorId};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::Field,
    fold::{Fold, History, KeySlot, Plan},
    funnel::Asked,
    job::Job,
};

/// How many visitors are told unless the request says it, and at the most.
const LIMIT: (usize, usize) = (100, 1_000_000);

pub(super) const REPORT: Report = Report {
    name: "funnel-visitors",
    doc: "Who reached a step of a funnel, or got no further",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::Steps,
        Parameter::Window,
        Parameter::Order,
        Parameter::Exclude,
        Parameter::Step,
        Parameter::Dropped,
        Parameter::Limit,
    ],
    fields: &[
        (
            "visitor",
            "who; the latest first. With `unit=user` null of an account, which may have several",
        ),
        (
            "user",
            "the account it was last known by in the period, and within the window after it; with `unit=user` the account that it is",
        ),
        ("began", "when it was at the first step"),
        ("reached", "when it was at the step"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    let asked = Asked::of(&mut plan, &job)?;
    let step = asked.step(request)?;
    let count = Find {
        step,
        dropped: request.dropped,
        user: plan.key(&Field::Column(Column::User)),
        known: (job.period.from.0, job.period.until.0.saturating_add(asked.funnel.longest())),
        asked,
        limit: request.limit.unwrap_or(LIMIT.0).min(LIMIT.1),
    };
    let found = job.walk(plan, &count)?;
    let mut meta = Asked::meta(request);
    meta.insert("step".into(), json!(step));
    meta.insert("visitors".into(), json!(found.visitors));
    let rows = found.latest.into_sorted_vec().into_iter().map(|Reverse(who)| row(&job, who));
    Ok(job.answer(rows.collect(), meta))
}

fn row(job: &Job<'_>, who: Who) -> Row {
    // The number of a person is made up for one answer: nobody could look it up.
    let (visitor, user) = match job.persons.user(who.visitor) {
        Some(user) => (None, Some(user.clone())),
        None => (Some(VisitorId(who.visitor).to_string()), who.user),
    };
    let mut row = Row::new();
    row.insert("visitor".into(), json!(visitor));
    row.insert("user".into(), json!(user));
    row.insert("began".into(), json!(Micros(who.began).to_string()));
    row.insert("reached".into(), json!(Micros(who.reached).to_string()));
    row
}

/// Finds visitors.
struct Find {
    asked: Asked,
    /// From 1.
    step: usize,
    dropped: bool,
    user: KeySlot,
    /// At or after the first and before the second: where the account is looked for, however much more was read.
    known: (i64, i64),
    limit: usize,
}

/// One visitor at the step. Ordered by when, then by who.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Who {
    reached: i64,
    visitor: u64,
    began: i64,
    user: Option<Text>,
}

/// What is known after some visitors: how many there are, and the latest of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Found {
    visitors: u64,
    latest: BinaryHeap<Reverse<Who>>,
}

impl Find {
    /// Keeps one of the latest.
    fn keep(&self, found: &mut Found, who: Reverse<Who>) {
        found.latest.push(who);
        if found.latest.len() > self.limit {
            found.latest.pop();
        }
    }
}

impl Fold for Find {
    type State = Found;
    type Output = Found;
    const VERSION: u32 = 3;

    fn start(&self) -> Found {
        Found::default()
    }

    fn visitor(&self, found: &mut Found, history: &History<'_>) -> Result<(), Error> {
        let rows = self.asked.rows(history);
        let mut reached = Vec::new();
        self.asked.funnel.follow(rows, &mut reached);
        let is_wanted = !self.dropped || reached.len() == self.step;
        let Some(at) = reached.get(self.step - 1).filter(|_| is_wanted) else { return Ok(()) };
        let place = |ts: i64| rows.times.partition_point(|time| *time < ts);
        let users = &history.key(self.user)[place(self.known.0)..place(self.known.1)];
        let user = users.iter().rev().find_map(|code| history.words(self.user).get(*code));
        found.visitors += 1;
        let who = Who {
            reached: rows.times[at.end],
            visitor: history.visitor().0,
            began: rows.times[at.start],
            user: user.cloned(),
        };
        self.keep(found, Reverse(who));
        Ok(())
    }

    fn merge(&self, found: &mut Found, other: Found) {
        found.visitors += other.visitors;
        for who in other.latest {
            self.keep(found, who);
        }
    }

    fn finish(&self, found: Found) -> Found {
        found
    }
}
