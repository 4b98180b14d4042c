//! Sequential and strict funnels: one pass over the rows.

use super::{EXCLUDED, Funnel, Order, Reached, Rows, STEPS, Stand, Window};

/// The attempts that have reached a step, by the one that stands for all: where it began last, and where it is now.
#[derive(Clone, Copy)]
struct Attempt {
    start: usize,
    last: usize,
}

impl Attempt {
    /// From when its window runs.
    fn since(&self, funnel: &Funnel, rows: Rows<'_>) -> i64 {
        match funnel.window {
            Window::Whole(_) => rows.times[self.start],
            Window::Step(_) => rows.times[self.last],
        }
    }
}

/// So many places are made ready for a visitor at the least; for most funnels they are enough.
const FEW: usize = 8;

pub(super) fn follow(funnel: &Funnel, rows: Rows<'_>, reached: &mut Vec<Reached>) -> Stand {
    if funnel.steps <= FEW {
        follow_in(funnel, rows, reached, &mut [None; FEW])
    } else {
        follow_in(funnel, rows, reached, &mut [None; STEPS])
    }
}

fn follow_in(
    funnel: &Funnel,
    rows: Rows<'_>,
    reached: &mut Vec<Reached>,
    attempts: &mut [Option<Attempt>],
) -> Stand {
    let steps = funnel.steps.min(attempts.len());
    // How many places may hold an attempt: the others need not be looked at.
    let mut deepest = 0;
    for (row, &mask) in rows.masks.iter().enumerate() {
        let is_there = || rows.counts.is_none_or(|counts| counts[row]);
        if mask == 0 && (funnel.order == Order::Sequential || !is_there()) {
            continue;
        }
        if mask & EXCLUDED != 0 {
            let since = latest(funnel, rows, &attempts[..deepest]);
            if since.is_some_and(|since| funnel.is_in_time(since, rows.times[row])) {
                return Stand::LeftOut;
            }
            if funnel.order == Order::Strict {
                attempts[..deepest].fill(None);
            }
            continue;
        }
        // From the last step down, so that a row takes an attempt one step on, not two.
        for step in (0..(deepest + 1).min(steps)).rev() {
            let meets = mask >> step & 1 == 1;
            let next = if meets { take(funnel, rows, attempts, step, row) } else { None };
            if let Some(attempt) = next {
                if step == reached.len() {
                    reached.push(Reached { start: attempt.start, end: row });
                    if reached.len() == steps {
                        return Stand::Through;
                    }
                }
                deepest = deepest.max(step + 1);
                attempts[step] = next;
            } else if funnel.order == Order::Strict {
                attempts[step] = None;
            }
        }
    }
    Stand::Short { since: latest(funnel, rows, &attempts[..deepest]) }
}

/// The latest instant from which the window of one of these runs.
fn latest(funnel: &Funnel, rows: Rows<'_>, attempts: &[Option<Attempt>]) -> Option<i64> {
    attempts.iter().flatten().map(|attempt| attempt.since(funnel, rows)).max()
}

/// The attempt that takes this row as this step.
fn take(
    funnel: &Funnel,
    rows: Rows<'_>,
    attempts: &[Option<Attempt>],
    step: usize,
    row: usize,
) -> Option<Attempt> {
    if step == 0 {
        return rows.may_begin(row).then_some(Attempt { start: row, last: row });
    }
    let before = attempts[step - 1]?;
    let in_time = funnel.is_in_time(before.since(funnel, rows), rows.times[row]);
    in_time.then_some(Attempt { start: before.start, last: row })
}
