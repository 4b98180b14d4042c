//! Who is there now: the visitors of the last five minutes, kept in memory from live events.
//!
//! Bots are left out. The memory is bounded: above [`MOST`] visitors of a site the ones that were quiet longest give way,
//! and the count says that it is a lower bound. At the opening of a folder it is filled from the lake. Beside it lie the
//! last few events of each site, for whoever has just begun to look.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use wayfarer_event::{Column, Event, Micros, Text, VisitorId, name};
use wayfarer_lake::{Block, Scan, Stored, Values, View};

use crate::Error;

/// How long after an event its visitor is held to be there.
const THERE: i64 = 5 * Micros::MINUTE;
/// The most visitors of one site that are told apart.
const MOST: usize = 50_000;

/// Last events of a site that are kept.
const RECENT: usize = 10;

/// One of the last events of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Who did it.
    pub visitor: VisitorId,
    /// What was done.
    pub name: Text,
    /// On which page.
    pub path: Option<Text>,
    /// When.
    pub ts: Micros,
}

/// A visitor who is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub visitor: VisitorId,
    /// The page of the last page view.
    pub path: Option<Text>,
    /// How many pages were viewed since the visitor came.
    pub pageviews: u32,
    /// First event since the visitor came.
    pub since: Micros,
    /// Last event.
    pub last: Micros,
}

/// Who is there, of every site.
#[derive(Debug, Default)]
pub struct Presence {
    sites: Mutex<HashMap<String, There>>,
}

/// What is noticed of an event.
#[derive(Clone, Copy)]
struct Seen<'a> {
    visitor: VisitorId,
    ts: Micros,
    /// Whether it is a page view, and of which page.
    page: Option<Option<&'a Text>>,
}

#[derive(Debug, Default)]
struct There {
    visitors: HashMap<VisitorId, Present>,
    /// Latest first.
    recent: VecDeque<Recent>,
    /// The last time that somebody had to give way.
    crowded_at: Option<Micros>,
}

impl Presence {
    /// How many visitors of a site are there, and whether they are all: `false` means that there are more.
    #[must_use]
    pub fn count(&self, site: &str, now: Micros) -> (usize, bool) {
        let mut sites = self.sites();
        let Some(there) = sites.get_mut(site) else { return (0, true) };
        there.leave(now);
        (there.visitors.len(), there.crowded_at.is_none())
    }

    /// Those who were active last, latest first, at most `limit`.
    #[must_use]
    pub fn latest(&self, site: &str, now: Micros, limit: usize) -> Vec<Present> {
        let mut sites = self.sites();
        let Some(there) = sites.get_mut(site) else { return Vec::new() };
        there.leave(now);
        let mut all: Vec<&Present> = there.visitors.values().collect();
        all.sort_by_key(|present| (std::cmp::Reverse(present.last), present.visitor));
        all.into_iter().take(limit).cloned().collect()
    }

    /// The last events of people, latest first; at most ten.
    #[must_use]
    pub fn recent(&self, site: &str) -> Vec<Recent> {
        self.sites().get(site).map_or_else(Vec::new, |there| there.recent.iter().cloned().collect())
    }

    /// Takes notice of what happened.
    pub(crate) fn observe(&self, events: &[Stored]) {
        let mut sites = self.sites();
        for run in events.chunk_by(|a, b| a.event.site == b.event.site) {
            let people = run.iter().map(|stored| &stored.event).filter(|event| {
                let late = event.received_at.0.saturating_sub(event.ts.0) > THERE;
                event.bot_reason.is_none() && !late
            });
            let Some(first) = people.clone().next() else { continue };
            let there = sites.entry_ref(first.site.as_str()).or_default();
            for event in people.clone() {
                there.see(Seen::of(event), event.received_at);
            }
            there.keep(people);
        }
    }

    /// Forgets who is there, of some sites.
    pub(crate) fn forget(&self, sites: &[String]) {
        self.sites().retain(|site, _| !sites.contains(site));
    }

    /// Takes notice of what the lake holds of the last minutes of some sites. Blocking.
    pub(crate) fn fill(&self, view: &View, sites: &[String], now: Micros) -> Result<(), Error> {
        for site in sites {
            let mut scan = Scan::new(site, &[Column::Name, Column::Path, Column::BotReason]);
            scan.from = Some(now.plus(-THERE));
            for mut run in view.runs(&scan)? {
                while let Some(block) = run.next_block()? {
                    let mut sites = self.sites();
                    let there = sites.entry(site.clone()).or_default();
                    people(&block).for_each(|event| there.see(event.seen(), now));
                }
            }
        }
        Ok(())
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<String, There>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl There {
    fn see(&mut self, seen: Seen<'_>, now: Micros) {
        if self.visitors.len() >= MOST && !self.visitors.contains_key(&seen.visitor) {
            self.make_room(now);
        }
        let present = self.visitors.entry(seen.visitor).or_insert_with(|| Present {
            visitor: seen.visitor,
            path: None,
            pageviews: 0,
            since: seen.ts,
            last: seen.ts,
        });
        present.since = present.since.min(seen.ts);
        let newest = seen.ts >= present.last;
        present.last = present.last.max(seen.ts);
        if let Some(path) = seen.page {
            present.pageviews += 1;
            if newest || present.path.is_none() {
                present.path = path.cloned();
            }
        }
    }

    /// Keeps the last of some events at hand.
    fn keep<'a>(&mut self, events: impl DoubleEndedIterator<Item = &'a Event>) {
        let mut last: VecDeque<Recent> = events.rev().take(RECENT).map(Recent::of).collect();
        last.append(&mut self.recent);
        last.truncate(RECENT);
        self.recent = last;
    }

    /// Forgets who left.
    fn leave(&mut self, now: Micros) {
        let oldest = now.plus(-THERE);
        self.visitors.retain(|_, present| present.last >= oldest);
        if self.crowded_at.is_some_and(|at| at < oldest) {
            self.crowded_at = None;
        }
    }

    /// Forgets who left; if that is not enough, the quieter half of those who are there.
    fn make_room(&mut self, now: Micros) {
        self.leave(now);
        if self.visitors.len() < MOST {
            return;
        }
        let mut times: Vec<Micros> = self.visitors.values().map(|present| present.last).collect();
        let (_, &mut middle, _) = times.select_nth_unstable(MOST / 2);
        self.visitors.retain(|_, present| present.last > middle);
        self.crowded_at = Some(now);
    }
}

impl Recent {
    fn of(event: &Event) -> Recent {
        Recent {
            visitor: event.visitor,
            name: event.name.clone(),
            path: event.path.clone(),
            ts: event.ts,
        }
    }

    fn seen(&self) -> Seen<'_> {
        Seen::new(self.visitor, self.ts, &self.name, self.path.as_ref())
    }
}

impl<'a> Seen<'a> {
    fn new(visitor: VisitorId, ts: Micros, name: &str, path: Option<&'a Text>) -> Seen<'a> {
        Seen { visitor, ts, page: (name == name::PAGE_VIEW).then_some(path) }
    }

    fn of(event: &'a Event) -> Seen<'a> {
        Seen::new(event.visitor, event.ts, &event.name, event.path.as_ref())
    }
}

/// What people did, of a block with the columns name, path and reason to be held for a bot.
fn people(block: &Block) -> impl Iterator<Item = Recent> + '_ {
    let text = |column: usize, row: usize| text(block.columns.get(column)?, row);
    let rows = block.visitors.each().enumerate();
    rows.filter(move |&(row, _)| text(2, row).is_none()).filter_map(move |(row, visitor)| {
        Some(Recent {
            visitor: VisitorId(visitor),
            name: text(0, row)?.into(),
            path: text(1, row).map(Text::from),
            ts: Micros(*block.ts.get(row)?),
        })
    })
}

fn text(values: &Values, row: usize) -> Option<&str> {
    let Values::Text { codes, dictionary } = values else { return None };
    let code = codes.get(row).copied().filter(|&code| code != Values::NULL)?;
    let place =
        usize::try_from(code).ok().filter(|&place| place + 1 < dictionary.value_offsets().len())?;
    Some(dictionary.value(place))
}

#[cfg(test)]
mod tests {
    use wayfarer_event::Event;

    use super::*;

    fn seen(visitor: u64, name: &str, path: &str, second: i64) -> Stored {
        let ts = Micros(second * Micros::SECOND);
        let event = Event {
            site: "s".into(),
            visitor: VisitorId(visitor),
            name: name.into(),
            path: Some(path.into()),
            ts,
            received_at: ts,
            ..Event::default()
        };
        Stored { event, writer: 1, seq: 1 }
    }

    fn at(second: i64) -> Micros {
        Micros(second * Micros::SECOND)
    }

    #[test]
    fn a_visitor_is_there_for_five_minutes() {
        let presence = Presence::default();
        presence.observe(&[seen(1, "page_view", "/", 0), seen(2, "click", "/a", 200)]);
        assert_eq!(presence.count("s", at(300)), (2, true));
        assert_eq!(presence.count("s", at(301)), (1, true));
        assert_eq!(presence.count("other", at(0)), (0, true));
    }

    #[test]
    fn the_page_is_that_of_the_last_page_view() {
        let presence = Presence::default();
        presence.observe(&[
            seen(1, "page_view", "/a", 10),
            seen(1, "page_view", "/b", 20),
            seen(1, "page_view", "/late", 15),
            seen(1, "click", "/c", 30),
        ]);
        let [present] = &presence.latest("s", at(30), 9)[..] else { panic!() };
        assert_eq!(present.path.as_deref(), Some("/b"));
        assert_eq!((present.pageviews, present.since, present.last), (3, at(10), at(30)));
    }

    #[test]
    fn the_last_events_are_kept_latest_first() {
        let presence = Presence::default();
        let events: Vec<Stored> = (0..12).map(|n| seen(n, "click", "/", n as i64)).collect();
        presence.observe(&events);
        let recent = presence.recent("s");
        assert_eq!((recent.len(), recent[0].ts, recent[9].ts), (10, at(11), at(2)));
    }

    #[test]
    fn bots_and_old_events_are_nobody() {
        let presence = Presence::default();
        let mut bot = seen(1, "page_view", "/", 0);
        bot.event.bot_reason = Some("agent".into());
        let mut old = seen(2, "page_view", "/", 0);
        old.event.received_at = at(301);
        presence.observe(&[bot, old]);
        assert_eq!(presence.count("s", at(0)), (0, true));
    }

    #[test]
    fn a_crowd_is_bounded_and_says_so() {
        let presence = Presence::default();
        let crowd: Vec<Stored> =
            (0..=MOST as u64).map(|v| seen(v, "page_view", "/", v as i64 / 1000)).collect();
        presence.observe(&crowd);
        let (count, all) = presence.count("s", at(51));
        assert!(count < MOST && count > MOST / 3, "{count}");
        assert!(!all);
        assert_eq!(presence.latest("s", at(51), 1)[0].visitor, VisitorId(MOST as u64));
    }
}
