//! Learning from the lake: the fold that counts the lessons of every visit of the window, and keeps the latest visits.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use wayfarer_analysis::{
    Error, VisitRule,
    filter::{self, Field},
    fold::{Fold, History, KeySlot, NULL, NumberSlot, Plan, TestSlot},
};
use wayfarer_event::Column;

use crate::{
    counts::Day,
    lesson::Lesson,
    paths::Paths,
    recent::{ALL_EVENTS, Moment},
};

/// Counts what visits teach.
pub(crate) struct Train {
    page_view: TestSlot,
    path: KeySlot,
    seq: NumberSlot,
    /// Visits that end at or after this instant may go on: their events are kept.
    open_from: i64,
}

/// What was learnt from some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Learnt {
    pub(crate) paths: Paths,
    pub(crate) days: BTreeMap<i64, Day>,
    pub(crate) open: Vec<(u64, Vec<Moment>)>,
    /// How many events of `open` there are.
    open_events: usize,
    /// What the codes of this task's paths are here.
    #[serde(skip)]
    codes: Vec<Option<Option<u32>>>,
}

impl Learnt {
    /// Keeps the events of a visitor whose visit may go on. Where they are many more than a model keeps, those of the
    /// visitors who were quiet longest go: it would let go of the same.
    fn keep_open(&mut self, visitor: u64, moments: Vec<Moment>) {
        self.open_events += moments.len();
        self.open.push((visitor, moments));
        if self.open_events <= ALL_EVENTS + ALL_EVENTS / 4 {
            return;
        }
        let last = |moments: &[Moment]| moments.last().map(|moment| moment.ts);
        self.open.sort_unstable_by_key(|(visitor, moments)| Reverse((last(moments), *visitor)));
        let mut events = 0;
        self.open.retain(|(_, moments)| {
            events += moments.len();
            events <= ALL_EVENTS
        });
        self.open_events = self.open.iter().map(|(_, moments)| moments.len()).sum();
    }
}

impl Train {
    pub(crate) fn new(plan: &mut Plan, rule: VisitRule, open_from: i64) -> Train {
        plan.visits(rule);
        Train {
            page_view: plan.test(&filter::named(wayfarer_event::name::PAGE_VIEW)),
            path: plan.key(&Field::Column(Column::Path)),
            seq: plan.number(Column::Seq),
            open_from,
        }
    }

    /// The page of a row, if it is a page view.
    fn page(&self, learnt: &mut Learnt, history: &History<'_>, row: usize) -> Option<u32> {
        let code = history.key(self.path)[row];
        if code == NULL || !history.test(self.page_view)[row] {
            return None;
        }
        let place = code as usize;
        if learnt.codes.len() <= place {
            learnt.codes.resize(place + 1, None);
        }
        *learnt.codes[place].get_or_insert_with(|| {
            history.words(self.path).get(code).and_then(|path| learnt.paths.code(path))
        })
    }
}

impl Fold for Train {
    type State = Learnt;
    type Output = Learnt;
    const VERSION: u32 = 1;

    fn start(&self) -> Learnt {
        Learnt::default()
    }

    fn visitor(&self, learnt: &mut Learnt, history: &History<'_>) -> Result<(), Error> {
        let mut open = Vec::new();
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            let pages: Vec<Option<u32>> =
                visit.rows.clone().map(|row| self.page(learnt, history, row)).collect();
            if let Some(lesson) = Lesson::of(visit.start, pages.iter().copied()) {
                learnt.days.entry(lesson.day).or_default().learn(&lesson);
            }
            if visit.end >= self.open_from {
                open.extend(visit.rows.zip(pages).map(|(row, page)| Moment {
                    ts: history.times()[row],
                    seq: history.number(self.seq)[row] as u64,
                    page,
                }));
            }
        }
        if !open.is_empty() {
            learnt.keep_open(history.visitor().0, open);
        }
        Ok(())
    }

    fn merge(&self, learnt: &mut Learnt, other: Learnt) {
        let ours = learnt.paths.translate(&other.paths);
        for (number, day) in &other.days {
            learnt.days.entry(*number).or_default().add(day, &ours);
        }
        for (visitor, mut moments) in other.open {
            for moment in &mut moments {
                moment.page =
                    moment.page.and_then(|page| ours.get(page as usize).copied().flatten());
            }
            learnt.keep_open(visitor, moments);
        }
    }

    fn finish(&self, learnt: Learnt) -> Learnt {
        learnt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_keeps_no_more_open_visits_than_a_model_does() {
        let mut learnt = Learnt::default();
        for visitor in 0..1000 {
            let ts = visitor as i64;
            learnt.keep_open(visitor, vec![Moment { ts, seq: 0, page: None }; 4000]);
            assert!(learnt.open_events <= ALL_EVENTS + ALL_EVENTS / 4);
        }
        let kept: Vec<u64> = learnt.open.iter().map(|(visitor, _)| *visitor).collect();
        assert_eq!(learnt.open_events, kept.len() * 4000);
        let latest = 1000 - (ALL_EVENTS / 4000) as u64..1000;
        assert!(latest.into_iter().all(|visitor| kept.contains(&visitor)));
    }
}
