use proptest::prelude::*;

use super::*;

/// Depth and times from the definition alone: every choice of rows is tried.
fn oracle(funnel: &Funnel, rows: Rows<'_>) -> Vec<Reached> {
    let mut attempts: Vec<Vec<usize>> = Vec::new();
    grow(funnel, rows, &mut Vec::new(), 0, &mut attempts);
    let is_excluded = |row: &usize| rows.masks[*row] & EXCLUDED != 0;
    if (0..rows.times.len())
        .filter(is_excluded)
        .any(|row| is_on_the_way(funnel, rows, &attempts, row))
    {
        return Vec::new();
    }
    let mut reached = Vec::new();
    for depth in 1..=funnel.steps {
        let deep = || attempts.iter().filter(|attempt| attempt.len() == depth);
        let Some(end) = deep().map(|attempt| attempt[depth - 1]).min() else { break };
        let start = deep().filter(|attempt| attempt[depth - 1] == end).map(|a| a[0]).max().unwrap();
        reached.push(Reached { start, end });
    }
    reached
}

/// Whether a row comes while one of these attempts waits, and none is through.
fn is_on_the_way(funnel: &Funnel, rows: Rows<'_>, attempts: &[Vec<usize>], row: usize) -> bool {
    let mut before = attempts.iter().filter(|attempt| attempt[attempt.len() - 1] < row);
    let waits = |attempt: &Vec<usize>| {
        let last = attempt[attempt.len() - 1];
        let (from, micros) = match funnel.window {
            Window::Step(micros) => (last, micros),
            Window::Whole(micros) => (attempt[0], micros),
        };
        let is_apart = funnel.order == Order::Strict && row > last + 1;
        rows.times[row] - rows.times[from] <= micros && !is_apart
    };
    before.clone().all(|attempt| attempt.len() < funnel.steps) && before.any(waits)
}

/// All attempts that go on from `attempt`, whose rows have met the steps of `met` (any order).
fn grow(
    funnel: &Funnel,
    rows: Rows<'_>,
    attempt: &mut Vec<usize>,
    met: u64,
    all: &mut Vec<Vec<usize>>,
) {
    if !attempt.is_empty() {
        all.push(attempt.clone());
    }
    let first = attempt.last().map_or(0, |last| last + 1);
    for row in first..rows.times.len() {
        let skipped = first..row;
        let starts = attempt.is_empty();
        if rows.masks[row] & EXCLUDED != 0 {
            continue;
        }
        if !starts && funnel.order == Order::Strict && !skipped.is_empty() {
            continue;
        }
        if starts && !rows.may_begin(row) {
            continue;
        }
        if !starts {
            let from = match (funnel.window, funnel.order) {
                (Window::Step(_), Order::Sequential | Order::Strict) => attempt[attempt.len() - 1],
                _ => attempt[0],
            };
            let (Window::Whole(micros) | Window::Step(micros)) = funnel.window;
            if rows.times[row] - rows.times[from] > micros {
                continue;
            }
        }
        for step in 0..funnel.steps {
            let wanted = match funnel.order {
                Order::Any => met >> step & 1 == 0,
                _ => step == attempt.len(),
            };
            if wanted && rows.masks[row] >> step & 1 == 1 {
                attempt.push(row);
                grow(funnel, rows, attempt, met | 1 << step, all);
                attempt.pop();
            }
        }
    }
}

fn cases() -> u32 {
    std::env::var("WAYFARER_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_of_choosing_rows_is_tried(
        rows in prop::collection::vec((0_i64..6, 0_u64..16, prop::bool::weighted(0.1)), 0..9),
        steps in 1_usize..5,
        order in prop::sample::select(&[Order::Sequential, Order::Strict, Order::Any][..]),
        micros in 0_i64..14, by_step in any::<bool>(), entry in (0_usize..4, 3_usize..10),
    ) {
        let mut ts = 0;
        let times: Vec<i64> = rows.iter().map(|(pause, ..)| { ts += pause; ts }).collect();
        let masks: Vec<u64> =
            rows.iter().map(|(_, mask, excluded)| (mask % (1 << steps)) | if *excluded { EXCLUDED } else { 0 }).collect();
        let window = if by_step && order != Order::Any { Window::Step(micros) } else { Window::Whole(micros) };
        let funnel = Funnel { steps, order, window };
        let rows = Rows { times: &times, masks: &masks, counts: None, entry };
        let mut reached = Vec::new();
        let stand = funnel.follow(rows, &mut reached);
        prop_assert_eq!(&reached, &oracle(&funnel, rows));
        prop_assert_eq!(stand == Stand::Through, reached.len() == steps);
    }
}

fn depth(funnel: &Funnel, times: &[i64], masks: &[u64]) -> usize {
    let mut reached = Vec::new();
    funnel.follow(Rows { times, masks, counts: None, entry: (0, times.len()) }, &mut reached);
    reached.len()
}

#[test]
fn a_later_first_step_can_go_deeper() {
    let funnel = Funnel { steps: 3, order: Order::Sequential, window: Window::Whole(10) };
    // a . a b c: from the first a it takes too long, from the second it does not.
    assert_eq!(depth(&funnel, &[0, 8, 9, 12], &[1, 1, 2, 4]), 3);
    assert_eq!(depth(&funnel, &[0, 9, 12], &[1, 2, 4]), 2);
}

#[test]
fn a_step_that_is_there_twice_needs_two_rows() {
    for order in [Order::Sequential, Order::Strict, Order::Any] {
        let funnel = Funnel { steps: 2, order, window: Window::Whole(10) };
        assert_eq!(depth(&funnel, &[0], &[3]), 1, "{order:?}");
        assert_eq!(depth(&funnel, &[0, 0], &[3, 3]), 2, "equal times connect: {order:?}");
    }
}

#[test]
fn a_funnel_may_have_many_steps() {
    let masks: Vec<u64> = (0..STEPS).map(|step| 1 << step).collect();
    let times: Vec<i64> = (0..STEPS as i64).collect();
    for order in [Order::Sequential, Order::Strict, Order::Any] {
        let funnel = Funnel { steps: STEPS, order, window: Window::Whole(100) };
        assert_eq!(depth(&funnel, &times, &masks), STEPS, "{order:?}");
    }
}
