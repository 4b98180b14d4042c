//! Sequential and strict funnels: one pass over the rows.

use super::{EXCLUDED, Funnel, Order, Reached, Rows, STEPS, Stand, Window};

/// So many places are made ready for a visitor at the least; for most funnels they are enough.
const FEW: usize = 8;

/// The attempts that have reached a step, by the one that stands for all: the one that began last.
#[derive(Clone, Copy, Default)]
struct Attempt {
    start: usize,
    /// From when its window runs: from its first row, or from its last.
    since: i64,
}

pub(super) fn follow(funnel: &Funnel, rows: Rows<'_>, reached: &mut Vec<Reached>) -> Stand {
    match (funnel.order, funnel.steps <= FEW) {
        (Order::Strict, _) => follow_in::<true, { STEPS + 1 }>(funnel, rows, reached),
        (_, true) => follow_in::<false, { FEW + 1 }>(funnel, rows, reached),
        (_, false) => follow_in::<false, { STEPS + 1 }>(funnel, rows, reached),
    }
}

fn follow_in<const STRICT: bool, const PLACES: usize>(
    funnel: &Funnel,
    rows: Rows<'_>,
    reached: &mut Vec<Reached>,
) -> Stand {
    // The attempt that has reached so many steps. With none, it begins at the row that is looked at.
    let mut attempts = [Attempt::default(); PLACES];
    // Of which steps there is an attempt that has reached them, as bits.
    let mut held = 0_u64;
    let is_whole = matches!(funnel.window, Window::Whole(_));
    for (row, &mask) in rows.masks.iter().enumerate() {
        if mask == 0 && (!STRICT || !rows.counts.is_none_or(|counts| counts[row])) {
            continue;
        }
        let now = rows.times[row];
        if mask & EXCLUDED != 0 {
            let since = latest(&attempts, held);
            if since.is_some_and(|since| funnel.is_in_time(since, now)) {
                return Stand::LeftOut;
            }
            if STRICT {
                held = 0;
            }
            continue;
        }
        // The steps that it meets, and that an attempt is ready to take.
        let mut taken = mask & (held << 1 | u64::from(rows.may_begin(row)));
        if STRICT {
            held = 0;
        }
        attempts[0] = Attempt { start: row, since: now };
        // From the last step down, so that a row takes an attempt one step on, not two.
        while taken != 0 {
            let step = taken.ilog2() as usize;
            taken ^= 1 << step;
            let Some([before, after]) = attempts.get_mut(step..).and_then(<[_]>::first_chunk_mut)
            else {
                break;
            };
            if funnel.is_in_time(before.since, now) {
                let since = if is_whole { before.since } else { now };
                *after = Attempt { start: before.start, since };
                held |= 1 << step;
                if step == reached.len() {
                    reached.push(Reached { start: before.start, end: row });
                    if reached.len() == funnel.steps {
                        return Stand::Through;
                    }
                }
            }
        }
    }
    Stand::Short { since: latest(&attempts, held) }
}

/// The latest instant from which the window of one of these runs, which have reached steps.
fn latest(attempts: &[Attempt], held: u64) -> Option<i64> {
    let reached = attempts.iter().skip(1).enumerate();
    let is_held = |(step, _): &(usize, &Attempt)| held >> step & 1 == 1;
    reached.filter(is_held).map(|(_, attempt)| attempt.since).max()
}
