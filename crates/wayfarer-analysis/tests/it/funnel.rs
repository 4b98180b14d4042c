//! What a funnel can tell beside its bars, against oracles that try every choice of rows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use wayfarer_analysis::{Answer, Request, answer};
use wayfarer_event::Micros;
use wayfarer_lake::Stored;

use super::{
    attempts::{Asked, ORDERS, WINDOWS},
    behaviour::{TESTS, Test, ask, request},
    journeys::one_visitor,
    oracle::{self, AT_EVENTS, FILTERS, Period, is_in},
    world::{World, config, world},
};

/// All attempts at these steps, in order and within the window: the places of their first and last rows.
fn attempts(
    rows: &[&Stored],
    steps: &[Test],
    window: i64,
    period: Period,
) -> BTreeSet<(usize, usize)> {
    let mut found = BTreeSet::new();
    for (first, row) in
        rows.iter().enumerate().filter(|(_, row)| steps[0].1(&row.event) && is_in(period, row))
    {
        let mut ends = BTreeSet::from([first]);
        for step in &steps[1..] {
            let follows = |end: usize, place: usize| {
                place > end
                    && step.1(&rows[place].event)
                    && rows[place].event.ts.0 - row.event.ts.0 <= window
            };
            ends = (0..rows.len())
                .filter(|place| ends.iter().any(|end| follows(*end, *place)))
                .collect();
        }
        found.extend(ends.into_iter().map(|last| (first, last)));
    }
    found
}

/// The attempt of a depth that is told: the first to end, and of those the last to begin.
fn told(rows: &[&Stored], steps: &[Test], window: i64, period: Period) -> Option<(usize, usize)> {
    attempts(rows, steps, window, period)
        .into_iter()
        .min_by_key(|(first, last)| (*last, std::cmp::Reverse(*first)))
}

/// How many of the steps a visitor did.
fn depth(rows: &[&Stored], steps: &[Test], window: i64, period: Period) -> usize {
    (1..=steps.len())
        .take_while(|depth| told(rows, &steps[..*depth], window, period).is_some())
        .count()
}

/// The rows that count of each visitor.
fn histories(world: &World, selects: fn(&wayfarer_event::Event) -> bool) -> Vec<Vec<&Stored>> {
    let histories = oracle::histories(world, false).into_iter();
    histories.map(|rows| rows.into_iter().filter(|row| selects(&row.event)).collect()).collect()
}

/// Key and step, and how many visitors are there.
fn counts(answer: &Answer, key: &str) -> BTreeMap<(String, u64), u64> {
    let place = |row: &serde_json::Map<String, Value>| {
        (row.get(key).map_or_else(String::new, ToString::to_string), row["step"].as_u64().unwrap())
    };
    let visitors = |row: &serde_json::Map<String, Value>| row["visitors"].as_u64().unwrap();
    answer
        .rows
        .iter()
        .map(|row| (place(row), visitors(row)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_open_funnel_counts_who_did_a_step_or_came_on_to_it(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        filter in select(&FILTERS[..]), window in select(&WINDOWS[..]), by_step in any::<bool>(),
        exclude in prop::option::of(select(&TESTS[..])), order in select(&ORDERS[..]),
    ) {
        let by_step = by_step && order != "any";
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.entry = Some("open".into());
        let asked = Asked { steps: &steps, order, window: window.1 * Micros::MINUTE, by_step, exclude };
        asked.ask(&mut request, window.0);
        let answer = ask(&world, &request);
        let histories = histories(&world, |_| true);
        let histories: Vec<Vec<&Stored>> = histories.iter().map(|rows| asked.walked(rows, |row| filter.1(&row.event))).collect();
        for (place, row) in answer.rows.iter().enumerate() {
            let pair = Asked { steps: &steps[place.saturating_sub(1)..=place], ..asked };
            let came_on = |rows: &Vec<&Stored>| place > 0 && pair.depth(rows, period) == 2;
            let did = |rows: &Vec<&Stored>| {
                let is_step = |row: &&&Stored| !asked.is_excluded(row) && steps[place].1(&row.event);
                rows.iter().filter(is_step).any(|row| is_in(period, row))
            };
            let visitors = histories.iter().filter(|rows| came_on(rows) || did(rows)).count();
            let entered = visitors - histories.iter().filter(|rows| came_on(rows)).count();
            assert_eq!((&row["visitors"], &row["entered"]), (&json!(visitors), &json!(entered)), "{request:?}");
            assert_eq!(row["filter"], json!(steps[place].0), "a row of an open funnel is about its step");
        }
    }

    #[test]
    fn a_funnel_of_each_value_sees_the_rows_of_that_value_alone(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        filter in select(&FILTERS[..]), window in select(&WINDOWS[..]), by in select(&AT_EVENTS[..]),
        exclude in prop::option::of(select(&TESTS[..])), order in select(&ORDERS[..]),
    ) {
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.by = Some(by.name().into());
        request.attribution = Some("all".into());
        let asked = Asked { steps: &steps, order, window: window.1 * Micros::MINUTE, by_step: false, exclude };
        asked.ask(&mut request, window.0);
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for history in histories(&world, |_| true) {
            let at_rows = oracle::values(by, &world.timezone(), &history);
            let value_at: BTreeMap<_, _> = history.iter().map(|row| (row.seq, row.writer)).zip(&at_rows).collect();
            for value in at_rows.iter().collect::<BTreeSet<_>>() {
                let is_own = |row: &Stored| value_at[&(row.seq, row.writer)] == value && filter.1(&row.event);
                for depth in 1..=asked.depth(&asked.walked(&history, is_own), period) {
                    *expected.entry((json!(value).to_string(), depth as u64)).or_default() += 1;
                }
            }
        }
        assert_eq!(counts(&ask(&world, &request), "key"), expected, "{request:?}");
    }

    #[test]
    fn a_step_tells_whose_value_counts_for_everybody(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        window in select(&WINDOWS[..]), at in select(&["first", "last", "1", "2", "3"][..]),
        by in select(&AT_EVENTS[..]),
    ) {
        let at = if at.parse().is_ok_and(|step: usize| step > steps.len()) { "1" } else { at };
        let (mut request, period) = request("funnel", &world, hours);
        request.steps = steps.iter().map(|step| step.0.into()).collect();
        request.window = Some(window.0.into());
        (request.by, request.attribution) = (Some(by.name().into()), Some(at.into()));
        let window = window.1 * Micros::MINUTE;
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for history in histories(&world, |_| true) {
            let reached = depth(&history, &steps, window, period);
            let Some((first, last)) = (reached > 0).then(|| told(&history, &steps[..reached], window, period)).flatten() else {
                continue;
            };
            let row = match at {
                "first" | "1" => Some(first),
                "last" => Some(last),
                step => {
                    let step: usize = step.parse().unwrap();
                    (step <= reached).then(|| told(&history, &steps[..step], window, period).unwrap().1)
                }
            };
            let value = row.and_then(|row| oracle::values(by, &world.timezone(), &history)[row].clone());
            for depth in 1..=reached {
                *expected.entry((json!(value).to_string(), depth as u64)).or_default() += 1;
            }
        }
        assert_eq!(counts(&ask(&world, &request), "key"), expected, "{request:?}");
    }

    #[test]
    fn orders_windows_and_exclusions_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        filter in select(&FILTERS[..]), window in select(&WINDOWS[..]), by_step in any::<bool>(),
        exclude in prop::option::of(select(&TESTS[..])), order in select(&ORDERS[..]),
    ) {
        let by_step = by_step && order != "any";
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        let asked = Asked { steps: &steps, order, window: window.1 * Micros::MINUTE, by_step, exclude };
        asked.ask(&mut request, window.0);
        let longest = asked.window * if by_step { steps.len() as i64 - 1 } else { 1 };
        let mut expected = vec![0_u64; steps.len()];
        let mut waiting = 0;
        for history in histories(&world, |_| true) {
            let rows = asked.walked(&history, |row| filter.1(&row.event));
            let reached = asked.depth(&rows, period);
            expected[..reached].iter_mut().for_each(|count| *count += 1);
            // What lies after the period and the longest attempt is not looked at.
            let read: Vec<&Stored> = rows.into_iter().filter(|row| row.event.ts.0 < period.1.0 + longest).collect();
            waiting += u64::from(asked.is_waiting(&read, period, world.now));
        }
        let answer = ask(&world, &request);
        let found: Vec<u64> = answer.rows.iter().map(|row| row["visitors"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{request:?}");
        assert_eq!(answer.meta["open"], json!(waiting), "{request:?}");
        for (row, step) in answer.rows.iter().zip(&steps) {
            assert_eq!(row["filter"], if order == "any" { Value::Null } else { json!(step.0) });
        }
    }

    #[test]
    fn times_to_convert_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        window in select(&WINDOWS[..]), step in 0_usize..3, bars in 1_usize..9,
    ) {
        let step = step.min(steps.len() - 1) + 1;
        let (mut request, period) = request("funnel-times", &world, hours);
        request.steps = steps.iter().map(|step| step.0.into()).collect();
        request.window = Some(window.0.into());
        (request.step, request.limit) = (Some(step), Some(bars));
        let mut times: Vec<i64> = histories(&world, |_| true)
            .iter()
            .filter_map(|history| {
                let (first, last) = told(history, &steps[..step], window.1 * Micros::MINUTE, period)?;
                Some(history[last].event.ts.0 - history[first].event.ts.0)
            })
            .collect();
        times.sort_unstable();
        let answer = ask(&world, &request);
        assert_eq!(answer.meta["visitors"], json!(times.len()));
        let mut until = 0;
        for row in &answer.rows {
            assert_eq!(row["from_s"], json!(until), "no gaps");
            let from = until * Micros::SECOND;
            until = row["until_s"].as_i64().unwrap();
            let inside = times.iter().filter(|time| (from..until * Micros::SECOND).contains(*time));
            assert_eq!(row["visitors"], json!(inside.count()), "{request:?}");
        }
        assert!(answer.rows.len() <= bars);
        assert_eq!(times.last().is_some_and(|longest| *longest < until * Micros::SECOND), !times.is_empty());
        let middle = times.len() / 2;
        let median = match times.len() % 2 {
            _ if times.is_empty() => Value::Null,
            1 => json!(times[middle] as f64 / 1e6),
            _ => json!((times[middle - 1] + times[middle]) as f64 / 2e6),
        };
        assert_eq!(answer.meta["median_s"], median);
        // The funnel tells the same of its step.
        (request.report, request.step, request.limit) = ("funnel".into(), None, None);
        let told = if step == 1 { Value::Null } else { median };
        assert_eq!(ask(&world, &request).rows[step - 1]["median_s"], told);
    }

    #[test]
    fn a_funnel_over_time_counts_where_the_attempt_began(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        window in select(&WINDOWS[..]),
    ) {
        let (mut request, period) = request("funnel", &world, hours);
        request.steps = steps.iter().map(|step| step.0.into()).collect();
        request.window = Some(window.0.into());
        request.interval = Some("day".into());
        let window = window.1 * Micros::MINUTE;
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for history in histories(&world, |_| true) {
            let reached = depth(&history, &steps, window, period);
            let Some((first, _)) = (reached > 0).then(|| told(&history, &steps[..reached], window, period)).flatten() else {
                continue;
            };
            let day = history[first].event.ts.timestamp().to_zoned(world.timezone()).date().to_string();
            for depth in 1..=reached {
                *expected.entry((json!(day).to_string(), depth as u64)).or_default() += 1;
            }
        }
        let answer = ask(&world, &request);
        assert_eq!(counts(&answer, "t"), expected, "{request:?}");
        assert_eq!(answer.rows.len() % steps.len(), 0);
    }

    #[test]
    fn behind_a_bar_stand_those_that_it_counts(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        step in 0_usize..3, dropped in any::<bool>(), limit in 1_usize..4,
    ) {
        let step = step.min(steps.len() - 1) + 1;
        let (mut request, period) = request("funnel-visitors", &world, hours);
        request.steps = steps.iter().map(|step| step.0.into()).collect();
        request.window = Some("3h".into());
        (request.step, request.dropped, request.limit) = (Some(step), dropped, Some(limit));
        let window = 180 * Micros::MINUTE;
        let mut expected: Vec<(i64, u64, i64, Option<String>)> = Vec::new();
        for history in histories(&world, |_| true) {
            let reached = depth(&history, &steps, window, period);
            if reached < step || (dropped && reached > step) {
                continue;
            }
            let (first, last) = told(&history, &steps[..step], window, period).unwrap();
            let read = history.iter().filter(|row| {
                row.event.ts >= period.0 && row.event.ts.0 < period.1.0 + window
            });
            let user = read.filter_map(|row| row.event.user.as_ref()).next_back().map(ToString::to_string);
            let (began, ended) = (history[first].event.ts.0, history[last].event.ts.0);
            expected.push((ended, history[0].event.visitor.0, began, user));
        }
        expected.sort_by_key(|(ended, visitor, ..)| std::cmp::Reverse((*ended, *visitor)));
        let answer = ask(&world, &request);
        assert_eq!(answer.meta["visitors"], json!(expected.len()));
        expected.truncate(limit);
        let rows: Vec<Value> = expected.into_iter().map(|(ended, visitor, began, user)| {
            let visitor = wayfarer_event::VisitorId(visitor).to_string();
            json!({"visitor": visitor, "user": user, "began": Micros(began).to_string(), "reached": Micros(ended).to_string()})
        }).collect();
        assert_eq!(json!(answer.rows), json!(rows), "{request:?}");
    }
}

#[test]
fn a_step_tells_whose_value_counts() {
    let world = one_visitor(&[
        (0, "page_view", "Email"),
        (5, "click", "Referral"),
        (9, "purchase", "Direct"),
    ]);
    let key = |attribution: &str| {
        let (mut request, _) = request("funnel", &world, (0, 24));
        request.steps =
            ["page_view", "click", "purchase"].map(|name| format!("name = '{name}'")).into();
        request.by = Some("name".into());
        request.attribution = Some(attribution.into());
        ask(&world, &request).rows[0]["key"].clone()
    };
    assert_eq!(
        [key("first"), key("1"), key("2"), key("3"), key("last")],
        ["page_view", "page_view", "click", "purchase", "purchase"]
    );
}

#[test]
fn how_a_visit_came_holds_for_all_its_events() {
    let world = one_visitor(&[
        (0, "page_view", "Email"),
        (5, "click", "Referral"),
        (90, "page_view", "Direct"),
        (91, "click", "Referral"),
    ]);
    let key = |by: &str, attribution: &str| {
        let (mut request, _) = request("funnel", &world, (0, 24));
        request.steps = ["click", "page_view"].map(|name| format!("name = '{name}'")).into();
        request.by = Some(by.into());
        request.attribution = Some(attribution.into());
        ask(&world, &request).rows[0]["key"].clone()
    };
    assert_eq!([key("channel", "first"), key("channel", "last")], ["Email", "Direct"]);
    assert_eq!([key("new_returning", "1"), key("new_returning", "2")], ["new", "returning"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let world = one_visitor(&[(0, "page_view", "Email")]);
    let problem = |change: &dyn Fn(&mut Request)| {
        let (mut request, _) = request("funnel", &world, (0, 24));
        request.steps = vec!["name = 'click'".into()];
        change(&mut request);
        answer(&world.context(), &request).unwrap_err().to_string()
    };
    let by = |request: &mut Request, by: &str| request.by = Some(by.into());
    assert!(problem(&|request| request.entry = Some("ajar".into())).contains("closed or open"));
    assert!(problem(&|request| request.attribution = Some("last".into())).contains("give `by`"));
    let beyond = problem(&|request| {
        by(request, "path");
        request.attribution = Some("2".into());
    });
    assert!(beyond.contains("a step's number"), "{beyond}");
    let twice = problem(&|request| {
        by(request, "path");
        request.interval = Some("day".into());
    });
    assert!(twice.contains("beside `by`"), "{twice}");
    let open = problem(&|request| {
        request.entry = Some("open".into());
        request.interval = Some("day".into());
    });
    assert!(open.contains("not by time"), "{open}");
    let any = problem(&|request| {
        by(request, "path");
        (request.order, request.attribution) = (Some("any".into()), Some("1".into()));
    });
    assert!(any.contains("first, last or all"), "{any}");
}

#[test]
fn where_the_visit_of_a_late_step_ended_is_seen() {
    let minutes = [(0, "page_view"), (2870, "click"), (2895, "page_view"), (2920, "click")];
    let minutes = minutes.into_iter().chain([(2945, "page_view")]);
    let rows: Vec<_> = minutes.map(|(minute, name)| (minute, name, "Email")).collect();
    let mut world = one_visitor(&rows);
    world.rows[2].event.path = Some("/within".into());
    world.rows[4].event.path = Some("/after-the-window".into());
    // The period ends after an hour, so the window of two days does at minute 2940.
    let (mut request, _) = request("funnel", &world, (0, 1));
    request.steps = ["page_view", "click"].map(|name| format!("name = '{name}'")).into();
    request.window = Some("2d".into());
    (request.by, request.attribution) = (Some("exit".into()), Some("last".into()));
    assert_eq!(ask(&world, &request).rows[0]["key"], "/after-the-window");
}

#[test]
fn a_strict_funnel_passes_over_what_does_not_count() {
    let mut world = one_visitor(&[
        (0, "page_view", "Email"),
        (1, "engagement", "Email"),
        (2, "page_view", "Email"),
    ]);
    for (row, path) in world.rows.iter_mut().zip(["/a", "/a", "/b"]) {
        row.event.path = Some(path.into());
    }
    let (mut request, _) = request("funnel", &world, (0, 24));
    request.steps = ["path = '/a'", "path = '/b'"].map(Into::into).into();
    request.filter = Some("name = 'page_view'".into());
    request.order = Some("strict".into());
    assert_eq!(ask(&world, &request).rows[1]["visitors"], 1);
    (request.filter, request.by) = (None, Some("name".into()));
    request.attribution = Some("all".into());
    let counts = counts(&ask(&world, &request), "key");
    assert_eq!(counts[&(r#""page_view""#.into(), 2)], 1, "as if it had no other rows");
}

#[test]
fn an_excluded_row_is_no_step_of_an_open_funnel() {
    let mut world = one_visitor(&[(0, "page_view", "Email")]);
    world.rows[0].event.path = Some("/a".into());
    world.rows[0].event.status = Some(500);
    let (mut request, _) = request("funnel", &world, (0, 24));
    request.steps = vec!["path = '/a'".into()];
    request.exclude = Some("status = 500".into());
    for entry in ["open", "closed"] {
        request.entry = Some(entry.into());
        assert_eq!(ask(&world, &request).rows[0]["visitors"], 0, "{entry}");
    }
}
