//! `funnel-visitors`: who stands behind a bar of a funnel: the visitors that are at a step, or that got no further.
//!
//! A bar is named as `funnel` tells it: by its step and, where the funnel is broken down, by its key. Without a key it is the
//! bars of that step under all keys together, each row with its key: where others call it the baseline, and what a list that
//! is taken elsewhere needs. With `attribution=all`, who counts under several keys then stands there once for each, so there
//! are always as many as those bars count.

use std::{cmp::Reverse, collections::BinaryHeap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Micros, Text, VisitorId};

use super::{
    Parameter, Report,
    funnel_attempts::{Attempts, Outcome, Scratch, Split, Stay},
};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::Field,
    fold::{Fold, History, KeySlot, Plan},
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
        Parameter::Entry,
        Parameter::Interval,
        Parameter::By,
        Parameter::Attribution,
        Parameter::Key,
        Parameter::NoKey,
        Parameter::Step,
        Parameter::Entered,
        Parameter::Dropped,
        Parameter::Limit,
    ],
    fields: &[
        (
            "key",
            "with `by`: the key under which it counts; with `attribution=all` once for each, unless `key` or `no_key` names one",
        ),
        (
            "t",
            "with `interval`: the interval in which it counts, that in which its furthest attempt began",
        ),
        (
            "visitor",
            "who; the latest first. With `unit=user` null of an account, which may have several",
        ),
        (
            "user",
            "the account it was last known by in the period, and within the window after it; with `unit=user` the account that it is",
        ),
        (
            "began",
            "when it was at the first step; where people enter at any step, at the step before, and the same as `reached` of those that entered at this one",
        ),
        ("reached", "when it was at the step"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let mut plan = Plan::default();
    let attempts = Attempts::of(&mut plan, &job)?;
    let after = attempts.asked.funnel.longest();
    let count = Find {
        bar: Bar::of(request, &attempts)?,
        user: plan.key(&Field::Column(Column::User)),
        known: (job.period.from.0, job.period.until.0.saturating_add(after)),
        attempts,
        limit: request.limit.unwrap_or(LIMIT.0).min(LIMIT.1),
    };
    let found = job.walk(plan, &count)?;
    let mut meta = count.attempts.meta(request);
    meta.insert("step".into(), json!(count.bar.place + 1));
    meta.insert("visitors".into(), json!(found.visitors));
    let key = count.attempts.split.field();
    let rows = found.latest.into_sorted_vec().into_iter().map(|Reverse(who)| row(&job, key, who));
    Ok(job.answer(rows.collect(), meta))
}

fn row(job: &Job<'_>, key: Option<&str>, who: Who) -> Row {
    // The number of a person is made up for one answer: nobody could look it up.
    let (visitor, user) = match job.persons.user(who.visitor) {
        Some(user) => (None, Some(user.clone())),
        None => (Some(VisitorId(who.visitor).to_string()), who.user),
    };
    let mut row = Row::new();
    row.extend(key.map(|name| (name.to_owned(), json!(who.key))));
    row.insert("visitor".into(), json!(visitor));
    row.insert("user".into(), json!(user));
    row.insert("began".into(), json!(Micros(who.began).to_string()));
    row.insert("reached".into(), json!(Micros(who.reached).to_string()));
    row
}

/// A bar of a funnel, or what of it is asked for.
struct Bar {
    /// Of the step, from 0.
    place: usize,
    key: Wanted,
    /// Only those that entered at the step.
    entered: bool,
    /// Only those that got no further.
    dropped: bool,
}

/// Under which keys.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// That of this text, or null.
    Only(Option<Text>),
}

impl Wanted {
    fn of(request: &Request, split: &Split) -> Result<Wanted, Error> {
        let parameter = if request.no_key { "no_key" } else { "key" };
        let wrong = |problem: &str| Err(Error::parameter(parameter, problem));
        match (&request.key, request.no_key, split) {
            (None, false, _) => Ok(Wanted::All),
            (Some(_), true, _) => wrong("cannot be given beside `key`"),
            (_, _, Split::None) => {
                wrong("says which of several bars: give `by` or `interval`, too")
            }
            (None, true, Split::Time(_)) => {
                wrong("is about a dimension: no interval is without a name")
            }
            (None, true, Split::By(..)) => Ok(Wanted::Only(None)),
            (Some(key), false, Split::Time(intervals)) => among(key, intervals.labels()),
            (Some(key), false, Split::By(..)) => Ok(Wanted::Only(Some(key.into()))),
        }
    }

    fn is(&self, key: Option<&Text>) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Only(wanted) => wanted.as_ref() == key,
        }
    }
}

/// One of the period's intervals. A site without events has none, and nobody to find.
fn among(key: &str, labels: &[String]) -> Result<Wanted, Error> {
    match labels.first().zip(labels.last()) {
        Some((first, last)) if labels.iter().all(|label| label != key) => {
            let problem = format!(
                "names no interval `{key}` of the period: `{first}` is the first, `{last}` the last"
            );
            Err(Error::parameter("key", problem))
        }
        _ => Ok(Wanted::Only(Some(key.into()))),
    }
}

impl Bar {
    fn of(request: &Request, attempts: &Attempts) -> Result<Bar, Error> {
        if request.entered && !attempts.is_open {
            let problem = "is about a funnel that people enter at any step: give `entry=open`, too";
            return Err(Error::parameter("entered", problem));
        }
        Ok(Bar {
            place: attempts.asked.step(request)? - 1,
            key: Wanted::of(request, &attempts.split)?,
            entered: request.entered,
            dropped: request.dropped,
        })
    }

    /// How a visitor came to be there; `None` where it is not, under whatever key.
    fn holds(&self, outcome: &Outcome<'_>) -> Option<Stay> {
        let is_out = self.dropped && outcome.goes_on(self.place);
        let stay = outcome.at(self.place).filter(|_| !is_out)?;
        (!self.entered || stay == Stay::Entered).then_some(stay)
    }
}

/// Finds visitors.
struct Find {
    attempts: Attempts,
    bar: Bar,
    user: KeySlot,
    /// At or after the first and before the second: where the account is looked for, however much more was read.
    known: (i64, i64),
    limit: usize,
}

/// One visitor at the step, under one key. Ordered by when, then by who.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Who {
    reached: i64,
    visitor: u64,
    key: Option<Text>,
    began: i64,
    user: Option<Text>,
}

/// What is known after some visitors: how many there are, and the latest of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Found {
    visitors: u64,
    latest: BinaryHeap<Reverse<Who>>,
    #[serde(skip)]
    scratch: Scratch,
}

impl Find {
    /// Keeps one of the latest.
    fn keep(&self, latest: &mut BinaryHeap<Reverse<Who>>, who: Reverse<Who>) {
        latest.push(who);
        if latest.len() > self.limit {
            latest.pop();
        }
    }

    /// The account by which a visitor was last known.
    fn user<'h>(&self, history: &History<'h>) -> Option<&'h Text> {
        let place = |ts: i64| history.times().partition_point(|time| *time < ts);
        let users = &history.key(self.user)[place(self.known.0)..place(self.known.1)];
        users.iter().rev().find_map(|code| history.words(self.user).get(*code))
    }
}

impl Fold for Find {
    type State = Found;
    type Output = Found;
    const VERSION: u32 = 4;

    fn start(&self) -> Found {
        Found::default()
    }

    fn visitor(&self, found: &mut Found, history: &History<'_>) -> Result<(), Error> {
        let Found { visitors, latest, scratch } = found;
        self.attempts.each(history, scratch, |code, outcome| {
            let Some(stay) = self.bar.holds(outcome) else { return };
            let key = self.attempts.name(history, code);
            if !self.bar.key.is(key.as_ref()) {
                return;
            }
            *visitors += 1;
            let (began, reached) = outcome.times(self.bar.place, stay);
            let (visitor, user) = (history.visitor().0, self.user(history).cloned());
            self.keep(latest, Reverse(Who { reached, visitor, key, began, user }));
        });
        Ok(())
    }

    fn merge(&self, found: &mut Found, other: Found) {
        found.visitors += other.visitors;
        for who in other.latest {
            self.keep(&mut found.latest, who);
        }
    }

    fn finish(&self, found: Found) -> Found {
        found
    }
}
