//! Which pages are likely to come next.

use std::fmt;

use wayfarer_analysis::{
    Context, Error, VisitRule,
    fold::{InPassing, Plan, Walk, run},
};
use wayfarer_event::{Insights, Micros, NextPage, Rests, VisitorId, name};
use wayfarer_lake::Stored;

use crate::{
    counts::{Counts, DAYS},
    lesson::day,
    paths::Paths,
    recent::{Change, Moment, Recent},
    train::Train,
};

/// How late an event may come and still be put in its place, in microseconds. One that comes later teaches nothing until
/// the model is trained anew.
const LATE: i64 = 2 * Micros::HOUR;
/// How many visits an answer must rest on.
const SUPPORT: u64 = 5;
/// How many pages are suggested at the most.
const SUGGESTED: usize = 8;
/// How many pages of the present visit are told at the most.
const TOLD: usize = 20;

/// First-order transitions between the pages of a visit, with popularity as the floor.
///
/// The model rests on the visits of people (no bots) that started in the last 30 days of UTC, the present one included.
/// A page counts once for each visit that had it, a step from page to page once for each visit that took it.
///
/// It is trained by a walk over the lake, then kept up by [`observe`](NextPages::observe). The same events give the same
/// model whichever way they came, with these bounds: an event that is two hours late, the 100,001st path, and the 5,001st
/// event within some hours of one visitor wait for the next training; [`missed`](NextPages::missed) counts them.
#[derive(Clone)]
pub struct NextPages {
    site: String,
    rule: VisitRule,
    pub(crate) paths: Paths,
    pub(crate) counts: Counts,
    recent: Recent,
    /// The latest time of arrival that was seen.
    clock: i64,
    /// Events with a smaller `seq` are known already.
    next_seq: u64,
    missed: u64,
}

impl NextPages {
    /// A model that has seen nothing.
    #[must_use]
    pub fn new(site: &str, rule: VisitRule) -> NextPages {
        NextPages {
            site: site.to_owned(),
            rule,
            paths: Paths::default(),
            counts: Counts::default(),
            recent: Recent::default(),
            clock: 0,
            next_seq: 0,
            missed: 0,
        }
    }

    /// Learns from the last 30 days of a site. Blocking.
    ///
    /// Live events that are already in the context's view may be observed again afterwards: they are known by their `seq`.
    /// So: subscribe, take the view, train, then observe everything that the subscription gives.
    ///
    /// # Errors
    /// When the lake cannot be read, or the caller cancelled.
    pub fn train(context: &Context, site: &str) -> Result<NextPages, Error> {
        let first_day = day(context.now.0) - DAYS + 1;
        let rule = context.visits;
        let mut model = NextPages::new(site, rule);
        let mut plan = Plan::default();
        let train = Train::new(&mut plan, rule, model.open_from(context.now.0));
        let walk = Walk {
            // Reports should not lose what they have in memory to this.
            source: &InPassing(context.source.as_ref()),
            site,
            period: (Micros(first_day.saturating_mul(Micros::DAY)), Micros::MAX),
            visitors: 0..=u64::MAX,
            plan,
            bots: false,
            threads: context.threads,
            hooks: &context.hooks,
        };
        let learnt = run(&walk, &train)?;
        model.clock = context.now.0;
        model.next_seq = context.source.position().next_seq;
        model.counts = Counts::of(learnt.days);
        model.paths = learnt.paths;
        for (visitor, moments) in learnt.open {
            model.recent.keep(visitor, moments);
        }
        Ok(model)
    }

    /// Learns from one more event, in the order of arrival. Events of other sites and of bots teach nothing but what time it
    /// is; those that the model knows already, nothing at all. Microseconds, no I/O.
    pub fn observe(&mut self, stored: &Stored) {
        if stored.seq < self.next_seq {
            return;
        }
        self.next_seq = stored.seq.saturating_add(1);
        let event = &stored.event;
        self.advance(event.received_at.0);
        if event.site != self.site || event.bot_reason.is_some() {
            return;
        }
        if event.ts.0 < self.clock.saturating_sub(LATE) {
            self.missed += 1;
            return;
        }
        let path = event.path.as_deref().filter(|_| event.name == name::PAGE_VIEW);
        let page = path.and_then(|path| self.paths.code(path));
        self.missed += u64::from(path.is_some() && page.is_none());
        self.put(event.visitor.0, Moment { ts: event.ts.0, seq: stored.seq, page });
    }

    /// What is likely to come next for a visitor. A visitor never seen gets what is popular. The page on which the visitor
    /// is, the last of this visit, is not suggested. Microseconds, no I/O.
    #[must_use]
    pub fn suggest(&self, visitor: VisitorId, now: Micros) -> Insights {
        let visit = self.recent.visit(visitor.0, now.0, self.rule);
        let codes: Vec<u32> = visit.iter().filter_map(|moment| moment.page).collect();
        let told = codes.len().saturating_sub(TOLD);
        let mut insights = Insights::default();
        insights.pages =
            codes.iter().skip(told).map(|code| self.paths.text(*code).into()).collect();
        let here = codes.last().copied();
        let on_page = here.map_or(0, |page| self.counts.visits_on(page));
        if let (Some(page), SUPPORT..) = (here, on_page) {
            let next = self.counts.after(page, &self.paths, SUGGESTED);
            insights.next_pages = share(next, on_page);
        }
        if !insights.next_pages.is_empty() {
            insights.rests_on = Rests::Transitions;
            insights.visits = on_page;
        } else if self.counts.visits() >= SUPPORT {
            let here = here.map(|page| self.paths.text(page));
            // One more than is told, since the page itself may be among them.
            let mut popular = self.counts.popular(&self.paths, SUGGESTED + 1);
            popular.retain(|(path, _)| Some(*path) != here);
            popular.truncate(SUGGESTED);
            insights.next_pages = share(popular, self.counts.visits());
            insights.rests_on = Rests::Popularity;
            insights.visits = self.counts.visits();
        } else {
            insights.visits = self.counts.visits();
        }
        insights
    }

    /// How many events wait for the next training: see [`NextPages`].
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Moves the clock on: forgets the days that leave the window, and visits that no event can change any more.
    fn advance(&mut self, clock: i64) {
        if clock <= self.clock {
            return;
        }
        if day(clock) != day(self.clock) {
            self.counts.forget_before(day(clock));
        }
        self.clock = clock;
        self.recent.forget_before(self.open_from(clock));
    }

    /// Visits that ended before this can have no further event, late ones included.
    fn open_from(&self, clock: i64) -> i64 {
        clock.saturating_sub(LATE).saturating_sub(self.rule.gap)
    }

    fn put(&mut self, visitor: u64, moment: Moment) {
        self.recent.forget_visits_before(visitor, self.open_from(self.clock), self.rule);
        let Some(change) = self.recent.insert(visitor, moment, self.rule) else {
            self.missed += 1;
            return;
        };
        let first_day = day(self.clock) - DAYS + 1;
        match change {
            Change::Grown(growth) if growth.day >= first_day => {
                self.counts.grow(&growth);
            }
            Change::Grown(_) => {}
            Change::Replaced { unlearn, learn } => {
                for lesson in &unlearn {
                    self.counts.unlearn(lesson);
                }
                for lesson in learn.iter().filter(|lesson| lesson.day >= first_day) {
                    self.counts.learn(lesson);
                }
            }
        }
    }
}

fn share(pages: Vec<(&str, u64)>, of: u64) -> Vec<NextPage> {
    let page = |(path, visits): (&str, u64)| NextPage {
        path: path.to_owned(),
        share: visits as f64 / of as f64,
        visits,
    };
    pages.into_iter().map(page).collect()
}

/// Says how much it knows, not what.
impl fmt::Debug for NextPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPages")
            .field("site", &self.site)
            .field("visits", &self.counts.visits())
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
