//! Lessons added up over a sliding window of days.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use hashbrown::DefaultHashBuilder;
use serde::{Deserialize, Serialize};

use crate::{
    lesson::{Growth, Lesson},
    paths::Paths,
};

/// How many days the window has.
pub(crate) const DAYS: i64 = 30;

/// How many different steps are kept of one day; beyond that, the rarest half is let go. A site on which everybody goes another
/// way has as many steps as it has pairs of pages, and those that one visitor took suggest nothing to others.
const STEPS: usize = 100_000;

/// Codes are given out by us, so a hash that is fast does; each model has its own seed all the same.
type Map<K, V> = std::collections::HashMap<K, V, DefaultHashBuilder>;

/// What one visit teaches, or one event of it: each page and step counts once.
#[derive(Clone, Copy, Debug)]
struct Once<'a> {
    visits: u64,
    pages: &'a [u32],
    steps: &'a [(u32, u32)],
}

impl Once<'_> {
    fn of(lesson: &Lesson) -> Once<'_> {
        Once { visits: 1, pages: &lesson.pages, steps: &lesson.steps }
    }

    fn pages(&self) -> impl Iterator<Item = (u32, u64)> + Clone {
        self.pages.iter().map(|page| (*page, 1))
    }

    fn steps(&self) -> impl Iterator<Item = ((u32, u32), u64)> {
        self.steps.iter().map(|step| (*step, 1))
    }
}

/// What the visits of one day taught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Day {
    visits: u64,
    pages: Map<u32, u64>,
    steps: Map<(u32, u32), u64>,
}

impl Day {
    /// Counts a lesson in.
    pub(crate) fn learn(&mut self, lesson: &Lesson) {
        drop(self.count_in(Once::of(lesson)));
    }

    /// Where there are too many steps, lets the rarest go, and tells which.
    fn bound(&mut self) -> Vec<((u32, u32), u64)> {
        if self.steps.len() <= STEPS {
            return Vec::new();
        }
        let mut counts: Vec<u64> = self.steps.values().copied().collect();
        let (_, &mut middle, _) = counts.select_nth_unstable(STEPS / 2);
        let rare: Vec<_> = self.steps().filter(|(_, count)| *count <= middle).collect();
        for (step, _) in &rare {
            self.steps.remove(step);
        }
        self.steps.shrink_to(STEPS);
        rare
    }

    /// Counts in, and tells which steps were let go for that.
    fn count_in(&mut self, more: Once<'_>) -> Vec<((u32, u32), u64)> {
        self.visits += more.visits;
        for (page, by) in more.pages() {
            *self.pages.entry(page).or_default() += by;
        }
        for (step, by) in more.steps() {
            *self.steps.entry(step).or_default() += by;
        }
        self.bound()
    }

    fn count_out(&mut self, less: Once<'_>) {
        self.visits = self.visits.saturating_sub(less.visits);
        for (page, by) in less.pages() {
            take_out(&mut self.pages, &page, by);
        }
        for (step, by) in less.steps() {
            take_out(&mut self.steps, &step, by);
        }
    }

    fn pages(&self) -> impl Iterator<Item = (u32, u64)> + Clone {
        self.pages.iter().map(|(page, count)| (*page, *count))
    }

    fn steps(&self) -> impl Iterator<Item = ((u32, u32), u64)> {
        self.steps.iter().map(|(step, count)| (*step, *count))
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
        self.bound();
    }
}

/// One page over the whole window.
#[derive(Clone, Debug, Default)]
struct Page {
    visits: u64,
    next: Map<u32, u64>,
}

/// What the visits of the window taught.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    days: BTreeMap<i64, Day>,
    visits: u64,
    pages: Map<u32, Page>,
    /// The pages by how many visits had them, most first: what is popular.
    ranking: BTreeSet<(Reverse<u64>, u32)>,
}

impl Counts {
    /// What these days taught.
    pub(crate) fn of(days: BTreeMap<i64, Day>) -> Counts {
        let mut counts = Counts::default();
        for (number, day) in days {
            counts.apply(day.visits, day.pages(), day.steps(), |count, by| count + by);
            counts.days.insert(number, day);
        }
        counts
    }

    /// Counts a lesson in.
    pub(crate) fn learn(&mut self, lesson: &Lesson) {
        self.count_in(lesson.day, Once::of(lesson));
    }

    /// Counts in what a visit teaches more than before.
    pub(crate) fn grow(&mut self, growth: &Growth) {
        let (pages, steps) = (growth.page.as_slice(), growth.step.as_slice());
        if growth.begins || !pages.is_empty() || !steps.is_empty() {
            let more = Once { visits: u64::from(growth.begins), pages, steps };
            self.count_in(growth.day, more);
        }
    }

    fn count_in(&mut self, day: i64, more: Once<'_>) {
        let gone = self.days.entry(day).or_default().count_in(more);
        self.apply(more.visits, more.pages(), more.steps(), |count, by| count + by);
        if !gone.is_empty() {
            self.apply(0, std::iter::empty(), gone.into_iter(), u64::saturating_sub);
        }
    }

    /// Counts a lesson out that was counted in before, unless its day is out of the window.
    pub(crate) fn unlearn(&mut self, lesson: &Lesson) {
        let Some(day) = self.days.get_mut(&lesson.day) else { return };
        // What was let go was counted out then.
        let known = lesson.steps.iter().filter(|step| day.steps.contains_key(*step));
        let steps: Vec<_> = known.copied().collect();
        let less = Once { steps: &steps, ..Once::of(lesson) };
        day.count_out(less);
        if *day == Day::default() {
            self.days.remove(&lesson.day);
        }
        self.apply(less.visits, less.pages(), less.steps(), u64::saturating_sub);
    }

    /// Forgets the days that lie before the window that ends with `today`.
    pub(crate) fn forget_before(&mut self, today: i64) {
        let kept = self.days.split_off(&(today - DAYS + 1));
        for day in std::mem::replace(&mut self.days, kept).into_values() {
            self.apply(day.visits, day.pages(), day.steps(), u64::saturating_sub);
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
        ranked(next.map(|(code, count)| (*code, *count)), paths, most)
    }

    /// The pages that most visits had, in the same order.
    pub(crate) fn popular<'a>(&self, paths: &'a Paths, most: usize) -> Vec<(&'a str, u64)> {
        let last = self.ranking.iter().nth(most.saturating_sub(1));
        let least = last.map_or(0, |(count, _)| count.0);
        // All that are as popular as the last of them: which of those come first, their paths say.
        let pages = self.ranking.iter().map(|(count, code)| (*code, count.0));
        ranked(pages.take_while(|(_, count)| *count >= least), paths, most)
    }

    fn apply(
        &mut self,
        visits: u64,
        pages: impl Iterator<Item = (u32, u64)> + Clone,
        steps: impl Iterator<Item = ((u32, u32), u64)>,
        change: fn(u64, u64) -> u64,
    ) {
        self.visits = change(self.visits, visits);
        for (code, by) in pages.clone() {
            let page = self.pages.entry(code).or_default();
            self.ranking.remove(&(Reverse(page.visits), code));
            page.visits = change(page.visits, by);
            if page.visits > 0 {
                self.ranking.insert((Reverse(page.visits), code));
            }
        }
        for ((from, to), by) in steps {
            let next = &mut self.pages.entry(from).or_default().next;
            let count = change(next.get(&to).copied().unwrap_or(0), by);
            if count > 0 {
                next.insert(to, count);
            } else {
                next.remove(&to);
            }
        }
        for (code, _) in pages {
            if self.pages.get(&code).is_some_and(|page| page.visits == 0 && page.next.is_empty()) {
                self.pages.remove(&code);
            }
        }
    }
}

/// The first so many: the most first, those of equal count by their path.
fn ranked(pages: impl Iterator<Item = (u32, u64)>, paths: &Paths, most: usize) -> Vec<(&str, u64)> {
    let page = |(code, count)| (Reverse(count), paths.text(code));
    let mut pages: Vec<(Reverse<u64>, &str)> = pages.map(page).collect();
    if most < pages.len() {
        pages.select_nth_unstable(most);
        pages.truncate(most);
    }
    pages.sort_unstable();
    pages.into_iter().map(|(count, path)| (path, count.0)).collect()
}

fn take_out<K: Eq + std::hash::Hash>(counts: &mut Map<K, u64>, key: &K, by: u64) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(by);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(day: i64, from: u32, to: u32) -> Lesson {
        Lesson { day, pages: vec![from, to], steps: vec![(from, to)] }
    }

    fn steps(counts: &Counts) -> usize {
        counts.pages.values().map(|page| page.next.len()).sum()
    }

    #[test]
    fn what_everybody_does_outlives_what_one_did() {
        let (mut counts, mut day) = (Counts::default(), Day::default());
        for _ in 0..5 {
            counts.learn(&lesson(1, 1, 2));
            day.learn(&lesson(1, 1, 2));
        }
        for n in 0..250_000 {
            let rare = lesson(1, 10 + n % 500, 1000 + n / 500);
            counts.learn(&rare);
            day.learn(&rare);
            assert!(day.steps.len() <= STEPS && steps(&counts) <= STEPS);
        }
        assert_eq!(counts.pages[&1].next[&2], 5);
        assert_eq!(counts.days[&1], day, "both let go of the same");
    }

    #[test]
    fn what_was_let_go_is_not_counted_out_twice() {
        let mut counts = Counts::default();
        let shared = lesson(1, 1, 2);
        counts.learn(&shared);
        counts.learn(&lesson(2, 1, 2));
        for n in 0..u32::try_from(STEPS).unwrap() {
            counts.learn(&lesson(1, 10 + n % 500, 1000 + n / 500));
        }
        assert!(!counts.days[&1].steps.contains_key(&(1, 2)), "it was rare on that day");
        counts.unlearn(&shared);
        assert_eq!(counts.pages[&1].next[&2], 1, "the other day's");
    }
}
