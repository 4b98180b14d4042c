//! Funnels in any order: a window slides over the rows, and steps are matched with rows in it.
//!
//! A row can meet several steps and a step may be there twice, so how many steps a window meets is the size of the largest
//! matching of steps with rows. Rows that meet the same steps are alike: the window keeps how many of each kind there are,
//! and the matching is one of few kinds with few steps, whatever the number of rows.

use super::{EXCLUDED, Funnel, Reached, Rows, STEPS, Stand};

pub(super) fn follow(funnel: &Funnel, rows: Rows<'_>, reached: &mut Vec<Reached>) -> Stand {
    let mut window = Sliding { funnel, kinds: Vec::new(), start: 0 };
    // Any row of a step can be the first of an attempt.
    let mut since = None;
    for (end, &mask) in rows.masks.iter().enumerate() {
        if mask == 0 {
            continue;
        }
        if mask & EXCLUDED != 0 {
            if since.is_some_and(|since| funnel.is_in_time(since, rows.times[end])) {
                return Stand::LeftOut;
            }
            continue;
        }
        if rows.may_begin(end) {
            since = Some(rows.times[end]);
        }
        window.slide(rows, end);
        if window.start == end && !rows.may_begin(end) {
            continue;
        }
        window.add(mask);
        for deeper in reached.len() + 1..=window.depth() {
            let start = window.latest_start(rows, end, deeper);
            reached.push(Reached { start, end });
        }
        if reached.len() == funnel.steps {
            return Stand::Through;
        }
    }
    Stand::Short { since }
}

/// The rows that the present row may stand in one attempt with.
struct Sliding<'f> {
    funnel: &'f Funnel,
    /// The steps that rows meet, and how many rows meet just these.
    kinds: Vec<(u64, usize)>,
    start: usize,
}

impl Sliding<'_> {
    /// Drops the rows that are too long before `end`, and those that no attempt may begin with.
    fn slide(&mut self, rows: Rows<'_>, end: usize) {
        let is_step = |row: usize| !matches!(rows.masks[row], 0 | EXCLUDED..);
        while self.start < end
            && (!self.funnel.is_in_time(rows.times[self.start], rows.times[end])
                || !is_step(self.start)
                || !rows.may_begin(self.start))
        {
            self.remove(rows.masks[self.start]);
            self.start += 1;
        }
    }

    fn add(&mut self, mask: u64) {
        match self.kinds.iter_mut().find(|(kind, _)| *kind == mask) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((mask, 1)),
        }
    }

    fn remove(&mut self, mask: u64) {
        if let Some((_, count)) = self.kinds.iter_mut().find(|(kind, _)| *kind == mask) {
            *count = count.saturating_sub(1);
        }
    }

    /// How many steps the rows meet.
    fn depth(&self) -> usize {
        let mut matching = Matching { kinds: &self.kinds, taken: [None; STEPS] };
        (0..self.funnel.steps.min(STEPS)).filter(|step| matching.match_step(*step, &mut 0)).count()
    }

    /// The latest row with which an attempt of this depth can begin that ends at `end`.
    fn latest_start(&self, rows: Rows<'_>, end: usize, depth: usize) -> usize {
        let mut later =
            Sliding { funnel: self.funnel, kinds: self.kinds.clone(), start: self.start };
        let mut latest = self.start;
        while later.start < end && later.depth() >= depth {
            latest = later.start;
            later.remove(rows.masks[later.start]);
            later.start += 1;
            while later.start < end && rows.masks[later.start] == 0 {
                later.start += 1;
            }
            if !rows.may_begin(later.start) {
                return latest;
            }
        }
        if later.depth() >= depth { later.start } else { latest }
    }
}

/// A matching of steps with kinds of rows.
struct Matching<'k> {
    kinds: &'k [(u64, usize)],
    /// The kind that each step was matched with.
    taken: [Option<usize>; STEPS],
}

impl Matching<'_> {
    /// Finds a row for a step, moving others to other rows where that helps. `seen` holds the steps that were moved.
    fn match_step(&mut self, step: usize, seen: &mut u64) -> bool {
        *seen |= 1 << step;
        for (kind, &(mask, count)) in self.kinds.iter().enumerate() {
            if mask >> step & 1 == 0 || count == 0 {
                continue;
            }
            let holders = |taken: &[Option<usize>; STEPS]| -> Vec<usize> {
                (0..STEPS).filter(|other| taken[*other] == Some(kind)).collect()
            };
            let holding = holders(&self.taken);
            if holding.len() < count {
                self.taken[step] = Some(kind);
                return true;
            }
            for other in holding {
                if *seen >> other & 1 == 0 && self.match_step(other, seen) {
                    self.taken[step] = Some(kind);
                    return true;
                }
            }
        }
        false
    }
}
