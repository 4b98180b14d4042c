//! Each visitor's latest events: enough to know which visit goes on, and to put an event in its place that comes late.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_analysis::VisitRule;

use crate::lesson::{Growth, LONGEST, Lesson};

/// How many visitors are kept at once; beyond that, those who were quiet longest are let go.
const VISITORS: usize = 100_000;
/// How many events of one visitor are kept; beyond that, it is a machine, and its events are let go.
const EVENTS: usize = 5_000;
/// How many events are kept of all visitors together; beyond that, those who were quiet longest are let go.
pub(crate) const ALL_EVENTS: usize = 1_000_000;

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
    /// How many events they are.
    events: usize,
    /// A time of each visitor that is not after their last event: who was quiet longest is found from its beginning. It is
    /// brought up to date only there, since it would change with every event.
    quiet: BTreeSet<(i64, u64)>,
}

/// What an event changed.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// The visitor's last visit went on, or a new one began.
    Grown(Growth),
    /// Whole visits are others now.
    Replaced { unlearn: Vec<Lesson>, learn: Vec<Lesson> },
}

impl Recent {
    /// Keeps a visitor's events, in order, whose lessons are counted already.
    pub(crate) fn keep(&mut self, visitor: u64, moments: Vec<Moment>) {
        if let Some(last) = moments.last() {
            self.quiet.insert((last.ts, visitor));
            self.events += moments.len();
            let before = self.visitors.insert(visitor, moments);
            self.events -= before.map_or(0, |moments| moments.len());
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
        if moments.is_empty() {
            self.quiet.insert((moment.ts, visitor));
        }
        let change = match growth(moments, moment, rule) {
            Some(growth) => {
                moments.push(moment);
                Change::Grown(growth)
            }
            None => replaced(moments, moment, rule),
        };
        self.events += 1;
        self.bound();
        Some(change)
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
        while let Some((last, visitor)) = self.quietest()
            && last < ts
        {
            self.forget(last, visitor);
        }
    }

    /// Lets go a visitor's visits that ended before an instant.
    pub(crate) fn forget_visits_before(&mut self, visitor: u64, ts: i64, rule: VisitRule) {
        let Some(moments) = self.visitors.get_mut(&visitor) else { return };
        if moments.first().is_some_and(|first| first.ts >= ts) {
            return;
        }
        let ended = cut(moments, rule)
            .into_iter()
            .take_while(|visit| moments.get(visit.end - 1).is_some_and(|last| last.ts < ts));
        let end = ended.last().map_or(0, |visit| visit.end);
        moments.drain(..end);
        self.events -= end;
        if moments.is_empty() {
            self.visitors.remove(&visitor);
        }
    }

    fn bound(&mut self) {
        while (self.visitors.len() > VISITORS || self.events > ALL_EVENTS)
            && let Some((last, visitor)) = self.quietest()
        {
            self.forget(last, visitor);
        }
    }

    /// The visitor who was quiet longest, with the time of their last event.
    fn quietest(&mut self) -> Option<(i64, u64)> {
        while let Some(&(noted, visitor)) = self.quiet.first() {
            let last = self.visitors.get(&visitor).and_then(|moments| moments.last());
            match last.map(|last| last.ts) {
                Some(last) if last == noted => return Some((last, visitor)),
                Some(last) => {
                    self.quiet.pop_first();
                    self.quiet.insert((last, visitor));
                }
                None => {
                    self.quiet.pop_first();
                }
            }
        }
        None
    }

    fn forget(&mut self, last: i64, visitor: u64) {
        self.quiet.remove(&(last, visitor));
        let gone = self.visitors.remove(&visitor);
        self.events -= gone.map_or(0, |moments| moments.len());
    }
}

/// What an event adds that comes after all others of its visitor: to their last visit, or as the first of a new one. `None`
/// where it takes more than a look at the last visit to say.
fn growth(moments: &[Moment], moment: Moment, rule: VisitRule) -> Option<Growth> {
    let Some(last) = moments.last() else { return Some(Growth::first(moment.ts, moment.page)) };
    if (moment.ts, moment.seq) < (last.ts, last.seq) {
        return None;
    }
    // The events without a long pause up to the last one: one visit, unless that took longer than a visit may.
    let pause =
        moments.windows(2).rposition(|pair| pair[1].ts.saturating_sub(pair[0].ts) > rule.gap);
    let visit = moments.get(pause.map_or(0, |place| place + 1)..)?;
    let start = visit.first()?.ts;
    if last.ts.saturating_sub(start) > rule.cap {
        return None;
    }
    if !rule.continues(start, last.ts, moment.ts) {
        return Some(Growth::first(moment.ts, moment.page));
    }
    match visit.len() {
        // With this event it begins to be a machine's, and what it taught was wrong.
        LONGEST => None,
        ..LONGEST => {
            Some(Growth::next(start, visit.iter().filter_map(|moment| moment.page), moment.page))
        }
        _ => Some(Growth::nothing(start)),
    }
}

/// Puts an event into its place, and compares what all visits of its visitor teach before and after.
fn replaced(moments: &mut Vec<Moment>, moment: Moment, rule: VisitRule) -> Change {
    let before = lessons(moments, rule);
    let place = moments.partition_point(|other| (other.ts, other.seq) <= (moment.ts, moment.seq));
    moments.insert(place, moment);
    difference(before, lessons(moments, rule))
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
    Change::Replaced {
        unlearn: before.into_iter().skip(same).collect(),
        learn: after.into_iter().skip(same).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(ts: i64, count: usize) -> Vec<Moment> {
        (0..count).map(|n| Moment { ts, seq: n as u64, page: None }).collect()
    }

    #[test]
    fn those_who_were_quiet_longest_give_way_when_all_have_too_many_events() {
        let mut recent = Recent::default();
        for visitor in 0..(ALL_EVENTS / EVENTS) as u64 {
            let mut events = moments(visitor as i64, EVENTS);
            events.pop();
            recent.keep(visitor, events);
        }
        // Visitor 0 comes again: 1 is the one who was quiet longest, whatever was noted of 0.
        recent.insert(0, Moment { ts: 1000, seq: 1, page: None }, VisitRule::default());
        recent.keep(1000, moments(1000, 1000));
        let gone = |visitor: u64| !recent.visitors.contains_key(&visitor);
        assert_eq!((gone(0), gone(1), gone(2), gone(1000)), (false, true, false, false));
        let kept: usize = recent.visitors.values().map(Vec::len).sum();
        assert_eq!(recent.events, kept);
        assert!(kept <= ALL_EVENTS);
    }
}
