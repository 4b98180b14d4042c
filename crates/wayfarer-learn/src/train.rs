//! Learning from the lake: the fold that counts the lessons of every visit of the window, and keeps the latest visits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wayfarer_analysis::{
    Error, VisitRule,
    filter::{self, Field},
    fold::{Fold, History, KeySlot, NULL, NumberSlot, Plan, TestSlot},
};
use wayfarer_event::Column;

use crate::{counts::Day, lesson::Lesson, paths::Paths, recent::Moment};

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
    /// What the codes of this task's paths are here.
    #[serde(skip)]
    codes: Vec<Option<Option<u32>>>,
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
            learnt.open.push((history.visitor().0, open));
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
            learnt.open.push((visitor, moments));
        }
    }

    fn finish(&self, learnt: Learnt) -> Learnt {
        learnt
    }
}
