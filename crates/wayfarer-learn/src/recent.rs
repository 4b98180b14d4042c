//! Each visitor's latest events: enough to know which visit goes on, and to put an event in its place that comes late.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_analysis::VisitRule;

use crate::lesson::Lesson;

/// How many visitors are kept at once; beyond that, those who were quiet longest are let go.
const VISITORS: usize = 100_000;
/// How many events of one visitor are kept; beyond that, it is a machine, and its events are let go.
const EVENTS: usize = 5_000;

/// One event: when it was done, its place in the order of arrival, and its page if it is a page view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) ts: i64,
    pub(crate) seq: u64,
    pub(crate) page: Option<u32>,
}

/// The visitors of late, each with the events of its latest visits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    visitors: HashMap<u64, Vec<Moment>>,
    /// The time of each visitor's last event: who was quiet longest comes first.
    quiet: BTreeSet<(i64, u64)>,
}

/// What an event changed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Change {
    pub(crate) unlearn: Vec<Lesson>,
    pub(crate) learn: Vec<Lesson>,
}

impl Recent {
    /// Keeps a visitor's events, in order, whose lessons are counted already.
    pub(crate) fn keep(&mut self, visitor: u64, moments: Vec<Moment>) {
        if let Some(last) = moments.last() {
            self.quiet.insert((last.ts, visitor));
            self.visitors.insert(visitor, moments);
        }
        self.bound();
    }

    /// Puts an event into its place. `None` where the visitor has too many.
    pub(crate) fn insert(
        &mut self,
        visitor: u64,
        moment: Moment,
        rule: VisitRule,
    ) -> Option<Change> {
        let moments = self.visitors.entry(visitor).or_default();
        if moments.len() >= EVENTS {
            return None;
        }
        let before = lessons(moments, rule);
        if let Some(last) = moments.last() {
            self.quiet.remove(&(last.ts, visitor));
        }
        let place =
            moments.partition_point(|other| (other.ts, other.seq) <= (moment.ts, moment.seq));
        moments.insert(place, moment);
        let after = lessons(moments, rule);
        if let Some(last) = moments.last() {
            self.quiet.insert((last.ts, visitor));
        }
        self.bound();
        Some(difference(before, after))
    }

    /// The visit that a visitor is in now: its events, in order; none where it is over.
    pub(crate) fn visit(&self, visitor: u64, now: i64, rule: VisitRule) -> &[Moment] {
        let moments = self.visitors.get(&visitor).map_or(&[][..], Vec::as_slice);
        let last = cut(moments, rule).into_iter().last();
        let Some(visit) = last.and_then(|range| moments.get(range)) else { return &[] };
        match (visit.first(), visit.last()) {
            (Some(first), Some(last)) if rule.continues(first.ts, last.ts, now) => visit,
            _ => &[],
        }
    }

    /// Lets go the visits that ended before an instant. What they taught stays.
    pub(crate) fn forget_before(&mut self, ts: i64) {
        while let Some(&(last, visitor)) = self.quiet.first()
            && last < ts
        {
            self.quiet.pop_first();
            self.visitors.remove(&visitor);
        }
    }

    /// Lets go a visitor's visits that ended before an instant.
    pub(crate) fn forget_visits_before(&mut self, visitor: u64, ts: i64, rule: VisitRule) {
        let Some(moments) = self.visitors.get_mut(&visitor) else { return };
        let ended = cut(moments, rule)
            .into_iter()
            .take_while(|visit| moments.get(visit.end - 1).is_some_and(|last| last.ts < ts));
        let end = ended.last().map_or(0, |visit| visit.end);
        moments.drain(..end);
        if moments.is_empty() {
            self.visitors.remove(&visitor);
        }
    }

    fn bound(&mut self) {
        while self.visitors.len() > VISITORS
            && let Some((_, visitor)) = self.quiet.pop_first()
        {
            self.visitors.remove(&visitor);
        }
    }
}

fn cut(moments: &[Moment], rule: VisitRule) -> Vec<std::ops::Range<usize>> {
    let times: Vec<i64> = moments.iter().map(|moment| moment.ts).collect();
    rule.cut(&times).collect()
}

/// What the visits of a visitor teach, in order.
fn lessons(moments: &[Moment], rule: VisitRule) -> Vec<Lesson> {
    let visits = cut(moments, rule).into_iter().filter_map(|range| moments.get(range));
    visits
        .filter_map(|visit| Lesson::of(visit.first()?.ts, visit.iter().map(|moment| moment.page)))
        .collect()
}

/// Leaves out the lessons that stayed as they were.
fn difference(before: Vec<Lesson>, after: Vec<Lesson>) -> Change {
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    Change {
        unlearn: before.into_iter().skip(same).collect(),
        learn: after.into_iter().skip(same).collect(),
    }
}
