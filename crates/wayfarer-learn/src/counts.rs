//! Lessons added up over a sliding window of days.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use serde::{Deserialize, Serialize};
use wayfarer_event::Text;

use crate::{
    lesson::{Growth, Lesson},
    paths::Paths,
};

/// How many days the window has.
pub(crate) const DAYS: i64 = 30;

/// What the visits of one day taught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Day {
    visits: u64,
    pages: HashMap<u32, u64>,
    steps: HashMap<(u32, u32), u64>,
}

impl Day {
    /// Counts a lesson in.
    pub(crate) fn learn(&mut self, lesson: &Lesson) {
        self.visits += 1;
        for page in &lesson.pages {
            *self.pages.entry(*page).or_default() += 1;
        }
        for step in &lesson.steps {
            *self.steps.entry(*step).or_default() += 1;
        }
    }

    /// Counts a lesson out.
    fn unlearn(&mut self, lesson: &Lesson) {
        self.visits = self.visits.saturating_sub(1);
        for page in &lesson.pages {
            less(&mut self.pages, page, 1);
        }
        for step in &lesson.steps {
            less(&mut self.steps, step, 1);
        }
    }

    /// Adds counts whose codes are ours.
    fn grow(&mut self, more: &Day) {
        self.visits += more.visits;
        for (page, count) in &more.pages {
            *self.pages.entry(*page).or_default() += count;
        }
        for (step, count) in &more.steps {
            *self.steps.entry(*step).or_default() += count;
        }
    }

    /// Adds what another state knows of the same day, whose codes `translate` says in ours.
    pub(crate) fn add(&mut self, other: &Day, translate: &[Option<u32>]) {
        let ours = |code: u32| translate.get(code as usize).copied().flatten();
        self.visits += other.visits;
        for (page, count) in &other.pages {
            if let Some(page) = ours(*page) {
                *self.pages.entry(page).or_default() += count;
            }
        }
        for ((from, to), count) in &other.steps {
            if let (Some(from), Some(to)) = (ours(*from), ours(*to)) {
                *self.steps.entry((from, to)).or_default() += count;
            }
        }
    }
}

/// One page over the whole window.
#[derive(Clone, Debug, Default)]
struct Page {
    visits: u64,
    next: HashMap<u32, u64>,
}

/// What the visits of the window taught.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    days: BTreeMap<i64, Day>,
    visits: u64,
    pages: HashMap<u32, Page>,
    /// The pages by how many visits had them, most first: what is popular.
    ranking: BTreeSet<(Reverse<u64>, Text)>,
}

impl Counts {
    /// What these days taught.
    pub(crate) fn of(days: BTreeMap<i64, Day>, paths: &Paths) -> Counts {
        let mut counts = Counts::default();
        for (number, day) in days {
            counts.apply(&day, paths, |count, change| count + change);
            counts.days.insert(number, day);
        }
        counts
    }

    /// Counts a lesson in.
    pub(crate) fn learn(&mut self, lesson: &Lesson, paths: &Paths) {
        self.count_in(lesson.day, &one(lesson), paths);
    }

    /// Counts in what a visit teaches more than before.
    pub(crate) fn grow(&mut self, growth: &Growth, paths: &Paths) {
        let more = Day {
            visits: u64::from(growth.begins),
            pages: growth.page.map(|page| (page, 1)).into_iter().collect(),
            steps: growth.step.map(|step| (step, 1)).into_iter().collect(),
        };
        if more == Day::default() {
            return;
        }
        self.count_in(growth.day, &more, paths);
    }

    fn count_in(&mut self, day: i64, more: &Day, paths: &Paths) {
        self.days.entry(day).or_default().grow(more);
        self.apply(more, paths, |count, change| count + change);
    }

    /// Counts a lesson out that was counted in before, unless its day is out of the window.
    pub(crate) fn unlearn(&mut self, lesson: &Lesson, paths: &Paths) {
        let Some(day) = self.days.get_mut(&lesson.day) else { return };
        day.unlearn(lesson);
        if *day == Day::default() {
            self.days.remove(&lesson.day);
        }
        self.apply(&one(lesson), paths, u64::saturating_sub);
    }

    /// Forgets the days that lie before the window that ends with `today`.
    pub(crate) fn forget_before(&mut self, today: i64, paths: &Paths) {
        let kept = self.days.split_off(&(today - DAYS + 1));
        for day in std::mem::replace(&mut self.days, kept).into_values() {
            self.apply(&day, paths, u64::saturating_sub);
        }
    }

    /// How many visits there were.
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// How many visits had the page.
    pub(crate) fn visits_on(&self, page: u32) -> u64 {
        self.pages.get(&page).map_or(0, |page| page.visits)
    }

    /// The pages that came right after a page, each with how many visits went there; the most first, those of equal count
    /// by their path.
    pub(crate) fn after<'a>(
        &self,
        page: u32,
        paths: &'a Paths,
        most: usize,
    ) -> Vec<(&'a str, u64)> {
        let next = self.pages.get(&page).into_iter().flat_map(|page| &page.next);
        let mut next: Vec<(&str, u64)> =
            next.map(|(code, count)| (paths.text(*code), *count)).collect();
        next.sort_unstable_by_key(|(path, count)| (Reverse(*count), *path));
        next.truncate(most);
        next
    }

    /// The pages that most visits had.
    pub(crate) fn popular(&self) -> impl Iterator<Item = (&str, u64)> {
        self.ranking.iter().map(|(count, path)| (path.as_str(), count.0))
    }

    fn apply(&mut self, day: &Day, paths: &Paths, change: fn(u64, u64) -> u64) {
        self.visits = change(self.visits, day.visits);
        for (&code, &by) in &day.pages {
            let page = self.pages.entry(code).or_default();
            let path = Text::from(paths.text(code));
            self.ranking.remove(&(Reverse(page.visits), path.clone()));
            page.visits = change(page.visits, by);
            if page.visits > 0 {
                self.ranking.insert((Reverse(page.visits), path));
            }
        }
        for (&(from, to), &by) in &day.steps {
            let next = &mut self.pages.entry(from).or_default().next;
            let count = change(next.get(&to).copied().unwrap_or(0), by);
            if count > 0 {
                next.insert(to, count);
            } else {
                next.remove(&to);
            }
        }
        for code in day.pages.keys() {
            if self.pages.get(code).is_some_and(|page| page.visits == 0 && page.next.is_empty()) {
                self.pages.remove(code);
            }
        }
    }
}

fn one(lesson: &Lesson) -> Day {
    let mut day = Day::default();
    day.learn(lesson);
    day
}

fn less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u64>, key: &K, by: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(by);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
