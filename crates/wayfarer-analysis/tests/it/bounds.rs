//! What an answer may grow to, and that the bound does not depend on how the work was split.

use wayfarer_analysis::{
    Error, Request, answer,
    fold::{Fold, Hooks, Plan, run},
};
use wayfarer_event::{Event, Micros, VisitorId};

use super::{
    engine::{memory, rows, walk},
    journeys::one_visitor,
    world::World,
};

/// One page view of each of so many visitors, each with a click id of its own, one after another between two days.
fn clicks(visitors: u64, first: i64, last: i64) -> World {
    let mut world = one_visitor(&[(0, "page_view", "Email")]);
    let row = world.rows.remove(0);
    let days = (last - first) as u64;
    world.rows = (0..visitors)
        .map(|nth| {
            let mut row = row.clone();
            row.event = Event {
                visitor: VisitorId(nth),
                click_id: Some(format!("click-{nth}").into()),
                ts: row.event.ts.plus((first + (nth % days) as i64) * Micros::DAY),
                ..row.event
            };
            row
        })
        .collect();
    world.now = row.event.ts.plus(1000 * Micros::DAY);
    world
}

fn retention_of_clicks(days: i64) -> Request {
    let start = Micros::parse("2026-05-01T00:00:00Z").unwrap();
    Request {
        report: "retention".into(),
        site: super::world::SITE.into(),
        from: Some(start.to_string()),
        to: Some(start.plus(days * Micros::DAY).to_string()),
        by: Some("click_id".into()),
        interval: Some("day".into()),
        ..Request::default()
    }
}

#[test]
fn an_answer_has_no_more_rows_than_can_be_held() {
    let world = clicks(1100, 0, 1);
    let error = answer(&world.context(), &retention_of_clicks(1000)).unwrap_err();
    assert!(matches!(error, Error::TooMany { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("rows") && message.contains("longer interval"), "{message}");
    let fewer = answer(&world.context(), &retention_of_clicks(3)).unwrap();
    assert_eq!(fewer.rows.len(), 3300);
}

#[test]
fn cohorts_that_are_not_there_have_no_rows() {
    let world = clicks(700, 993, 1000);
    let answer = answer(&world.context(), &retention_of_clicks(1000)).unwrap();
    assert_eq!(answer.rows.len(), (1..=7).map(|days| days * 100).sum::<usize>());
}

/// Counts visitors, of which there may be so many.
struct AtMost(u64);

impl Fold for AtMost {
    type State = u64;
    type Output = u64;
    const VERSION: u32 = 1;

    fn start(&self) -> u64 {
        0
    }

    fn visitor(
        &self,
        count: &mut u64,
        _: &wayfarer_analysis::fold::History<'_>,
    ) -> Result<(), Error> {
        *count += 1;
        self.check(count)
    }

    fn merge(&self, count: &mut u64, other: u64) {
        *count += other;
    }

    fn check(&self, count: &u64) -> Result<(), Error> {
        let limit = self.0 as usize;
        if *count > self.0 { Err(Error::TooMany { what: "visitors", limit }) } else { Ok(()) }
    }

    fn finish(&self, count: u64) -> u64 {
        count
    }
}

#[test]
fn what_is_too_much_together_is_refused_whatever_the_threads() {
    let mut rows = rows();
    for row in &mut rows {
        // Visitors are hashes: spread over all numbers, so that every thread has some.
        row.event.visitor = VisitorId(row.event.visitor.0 * (u64::MAX / 7));
    }
    let (source, hooks) = (memory(rows), Hooks::default());
    for threads in 1..=7 {
        let mut walk = walk(&source, Plan::default(), &hooks);
        walk.threads = threads;
        assert_eq!(run(&walk, &AtMost(7)).unwrap(), 7);
        assert!(matches!(run(&walk, &AtMost(6)), Err(Error::TooMany { .. })), "{threads}");
        // Nor in a pair of folds.
        assert!(run(&walk, &(AtMost(7), AtMost(6))).is_err(), "{threads}");
    }
}
