//! Funnels from their definition: every attempt, by trying every choice of rows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use wayfarer_analysis::Request;
use wayfarer_event::Micros;
use wayfarer_lake::Stored;

use super::{
    behaviour::Test,
    oracle::{By, Filter, Key, Period, is_in, values},
};

pub(crate) const ORDERS: [&str; 3] = ["sequential", "strict", "any"];

pub(crate) const WINDOWS: [(&str, i64); 3] = [("30m", 30), ("3h", 180), ("2d", 2880)];

/// A funnel as it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) steps: &'a [Test],
    pub(crate) order: &'static str,
    pub(crate) window: i64,
    pub(crate) by_step: bool,
    pub(crate) exclude: Option<Test>,
}

/// How a funnel is told apart.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    Whole,
    ByDay,
    /// By a dimension, at the step that the attribution names.
    By(By, &'static str),
}

impl Told {
    /// The field in which rows tell the key.
    pub(crate) fn field(self) -> Option<&'static str> {
        match self {
            Told::Whole => None,
            Told::ByDay => Some("t"),
            Told::By(..) => Some("key"),
        }
    }
}

/// Somebody at a step, under one key: when it began and when it was there, whether it entered there, and whether it went on
/// to the next.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) key: Key,
    pub(crate) began: i64,
    pub(crate) reached: i64,
    pub(crate) entered: bool,
    pub(crate) goes_on: bool,
}

impl Asked<'_> {
    /// How a visitor stands at a step, from 1, under each key of its.
    pub(crate) fn standings(
        &self,
        (history, filter): (&[&Stored], Filter),
        (period, zone): (Period, &TimeZone),
        (told, is_open): (Told, bool),
        step: usize,
    ) -> Vec<Standing> {
        let id = |row: &Stored| (row.seq, row.writer);
        let counts = |row: &Stored| filter.1(&row.event);
        let whole = self.walked(history, counts);
        let Told::By(by, at) = told else {
            let day = |row: &Stored| row.event.ts.timestamp().to_zoned(zone.clone()).date();
            let deepest = self.told(&whole, period, self.depth(&whole, period));
            let is_by_day = matches!(told, Told::ByDay);
            let key = deepest.filter(|_| is_by_day).map(|found| day(whole[found.0]).to_string());
            return self.standing(&whole, period, is_open, step, key).into_iter().collect();
        };
        let at_rows: Vec<Key> = values(by, zone, history);
        let value: BTreeMap<_, &Key> = history.iter().map(|row| id(row)).zip(&at_rows).collect();
        if at == "all" {
            let each = at_rows.iter().collect::<BTreeSet<_>>().into_iter();
            let stands = |key: &Key| {
                let own = self.walked(history, |row| value[&id(row)] == key && counts(row));
                self.standing(&own, period, is_open, step, key.clone())
            };
            return each.filter_map(stands).collect();
        }
        let depth = self.depth(&whole, period);
        let row = match at {
            "first" | "1" => self.told(&whole, period, depth).map(|(first, _)| first),
            "last" => self.told(&whole, period, depth).map(|(_, last)| last),
            nth => self.told(&whole, period, nth.parse().unwrap()).map(|(_, last)| last),
        };
        let key = row.and_then(|row| value[&id(whole[row])].clone());
        self.standing(&whole, period, is_open, step, key).into_iter().collect()
    }

    /// How a visitor with these rows stands at a step.
    fn standing(
        &self,
        rows: &[&Stored],
        period: Period,
        is_open: bool,
        step: usize,
        key: Key,
    ) -> Option<Standing> {
        let ts = |row: usize| rows[row].event.ts.0;
        if !is_open {
            let (first, last) = self.told(rows, period, step)?;
            let goes_on = self.depth(rows, period) > step;
            return Some(Standing {
                key,
                began: ts(first),
                reached: ts(last),
                entered: false,
                goes_on,
            });
        }
        if (2..=self.steps.len()).any(|step| self.into(step).is_left_out(rows, period)) {
            return None;
        }
        let goes_on =
            step < self.steps.len() && self.into(step + 1).told(rows, period, 2).is_some();
        let came_on =
            (step > 1).then(|| self.into(step)).and_then(|pair| pair.told(rows, period, 2));
        let does = |row: &usize| {
            let row = rows[*row];
            !self.is_excluded(row) && is_in(period, row) && self.steps[step - 1].1(&row.event)
        };
        let (first, last) = came_on.or_else(|| (0..rows.len()).find(does).map(|row| (row, row)))?;
        let entered = came_on.is_none();
        Some(Standing { key, began: ts(first), reached: ts(last), entered, goes_on })
    }

    /// The two steps from the one before to this one, from 2.
    fn into(&self, step: usize) -> Self {
        Asked { steps: &self.steps[step - 2..step], ..*self }
    }

    /// How long an attempt can take at most.
    pub(crate) fn longest(&self) -> i64 {
        self.window * if self.by_step { self.steps.len() as i64 - 1 } else { 1 }
    }

    pub(crate) fn is_excluded(&self, row: &Stored) -> bool {
        self.exclude.is_some_and(|test| test.1(&row.event))
    }

    /// The rows that the funnel goes along: those that count, and those that are excluded, whether they count or not.
    pub(crate) fn walked<'r>(
        &self,
        rows: &[&'r Stored],
        counts: impl Fn(&Stored) -> bool,
    ) -> Vec<&'r Stored> {
        rows.iter().copied().filter(|row| counts(row) || self.is_excluded(row)).collect()
    }

    /// Every attempt: where it begins and ends, and how many steps it meets.
    fn attempts(&self, rows: &[&Stored], period: Period) -> BTreeSet<(usize, usize, usize)> {
        let mut found = BTreeSet::new();
        for first in (0..rows.len()).filter(|row| is_in(period, rows[*row])) {
            if self.is_excluded(rows[first]) {
                continue;
            }
            let met = |step: &usize| self.steps[*step].1(&rows[first].event);
            let begin =
                (0..self.steps.len()).filter(|step| self.order == "any" || *step == 0).filter(met);
            begin.for_each(|step| self.go_on(rows, (first, first), 1 << step, &mut found));
        }
        found
    }

    /// All attempts that go on from this one; `met` holds its steps so far as bits.
    fn go_on(
        &self,
        rows: &[&Stored],
        (first, last): (usize, usize),
        met: u32,
        found: &mut BTreeSet<(usize, usize, usize)>,
    ) {
        found.insert((first, last, met.count_ones() as usize));
        for row in last + 1..rows.len() {
            let since = if self.by_step { last } else { first };
            let is_late = rows[row].event.ts.0 - rows[since].event.ts.0 > self.window;
            let is_apart = self.order == "strict" && row > last + 1;
            if is_late || is_apart {
                break;
            }
            if self.is_excluded(rows[row]) {
                continue;
            }
            for step in (0..self.steps.len()).filter(|step| met >> step & 1 == 0) {
                let is_next = self.order == "any" || step == met.count_ones() as usize;
                if is_next && self.steps[step].1(&rows[row].event) {
                    self.go_on(rows, (first, row), met | 1 << step, found);
                }
            }
        }
    }

    /// How many steps a visitor did; none if it is left out.
    pub(crate) fn depth(&self, rows: &[&Stored], period: Period) -> usize {
        let attempts = self.attempts(rows, period).into_iter().map(|(_, _, depth)| depth);
        if self.is_left_out(rows, period) { 0 } else { attempts.max().unwrap_or(0) }
    }

    /// The attempt of a depth that is told: the first to end, and of those the last to begin.
    pub(crate) fn told(
        &self,
        rows: &[&Stored],
        period: Period,
        depth: usize,
    ) -> Option<(usize, usize)> {
        let attempts = self.attempts(rows, period).into_iter().filter(|found| found.2 == depth);
        let told = attempts.min_by_key(|(first, last, _)| (*last, std::cmp::Reverse(*first)))?;
        (!self.is_left_out(rows, period)).then_some((told.0, told.1))
    }

    /// Whether a visitor did what is excluded while it was on its way, before it was through.
    pub(crate) fn is_left_out(&self, rows: &[&Stored], period: Period) -> bool {
        let attempts = self.attempts(rows, period);
        (0..rows.len()).filter(|row| self.is_excluded(rows[*row])).any(|row| {
            let mut before = attempts.iter().filter(|(_, last, _)| *last < row);
            let through = before.clone().any(|(_, _, depth)| *depth == self.steps.len());
            !through && before.any(|attempt| self.waits(rows, attempt, row, rows[row].event.ts))
        })
    }

    /// Whether an attempt can be taken on by what comes as row `next`, at this instant.
    fn waits(
        &self,
        rows: &[&Stored],
        (first, last, _): &(usize, usize, usize),
        next: usize,
        at: Micros,
    ) -> bool {
        let since = rows[if self.by_step { *last } else { *first }].event.ts.0;
        at.0 - since <= self.window && (self.order != "strict" || next == last + 1)
    }

    /// Whether a visitor is on its way and can still get through.
    pub(crate) fn is_waiting(&self, rows: &[&Stored], period: Period, now: Micros) -> bool {
        if self.depth(rows, period) == self.steps.len() || self.is_left_out(rows, period) {
            return false;
        }
        // The next instant would still be in time.
        let next = Micros(now.0 + 1);
        let mut attempts = self.attempts(rows, period).into_iter();
        attempts.any(|attempt| self.waits(rows, &attempt, rows.len(), next))
    }

    /// What a request with this funnel says.
    pub(crate) fn ask(&self, request: &mut Request, window: &str) {
        request.steps = self.steps.iter().map(|step| step.0.into()).collect();
        request.order = Some(self.order.into());
        request.window = Some(format!("{window}{}", if self.by_step { "/step" } else { "" }));
        request.exclude = self.exclude.map(|test| test.0.into());
    }
}
