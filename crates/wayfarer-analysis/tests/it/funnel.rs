//! What a funnel can tell beside its bars, against oracles that try every choice of rows.

mod bars;

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
    oracle::{self, AT_EVENTS, FILTERS, is_in},
    world::{config, world},
};

/// How a funnel is asked for, apart from its steps.
#[derive(Clone, Copy, Debug)]
struct Asking {
    order: &'static str,
    window: (&'static str, i64),
    by_step: bool,
    exclude: Option<Test>,
}

impl Asking {
    fn of(self, steps: &[Test]) -> Asked<'_> {
        let Asking { order, window, by_step, exclude } = self;
        Asked { steps, order, window: window.1 * Micros::MINUTE, by_step, exclude }
    }
}

fn asking() -> impl Strategy<Value = Asking> {
    let tests = prop::option::of(select(&TESTS[..]));
    (select(&ORDERS[..]), select(&WINDOWS[..]), any::<bool>(), tests).prop_map(
        |(order, window, by_step, exclude)| {
            let by_step = by_step && order != "any";
            Asking { order, window, by_step, exclude }
        },
    )
}

/// How many visitors were left out for what they did, where that was asked for.
fn excluded(answer: &Answer) -> Option<u64> {
    Some(answer.meta.get("excluded")?["visitors"].as_u64().unwrap())
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
        filter in select(&FILTERS[..]), asking in asking(),
    ) {
        let asked = asking.of(&steps);
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.entry = Some("open".into());
        asked.ask(&mut request, asking.window.0);
        let answer = ask(&world, &request);
        let histories = oracle::histories(&world, false);
        let mut histories: Vec<Vec<&Stored>> = histories.iter().map(|rows| asked.walked(rows, |row| filter.1(&row.event))).collect();
        let pair = |place: usize| Asked { steps: &steps[place.saturating_sub(1)..=place], ..asked };
        let is_left_out = |rows: &Vec<&Stored>| (1..steps.len()).any(|place| pair(place).is_left_out(rows, period));
        let all = histories.len();
        histories.retain(|rows| !is_left_out(rows));
        let left_out = (all - histories.len()) as u64;
        assert_eq!(excluded(&answer), asked.exclude.map(|_| left_out), "{request:?}");
        let did = |rows: &[&Stored], place: usize| {
            let is_step = |row: &&&Stored| !asked.is_excluded(row) && steps[place].1(&row.event);
            rows.iter().filter(is_step).any(|row| is_in(period, row))
        };
        let waits = |rows: &Vec<&Stored>| {
            let read: Vec<&Stored> = rows.iter().copied().filter(|row| row.event.ts.0 < period.1.0 + asked.longest()).collect();
            (1..steps.len()).any(|place| !did(rows, place) && pair(place).is_waiting(&read, period, world.now))
        };
        assert_eq!(answer.meta["open"], json!(histories.iter().filter(|rows| waits(rows)).count()), "{request:?}");
        for (place, row) in answer.rows.iter().enumerate() {
            let came_on = |rows: &Vec<&Stored>| place > 0 && pair(place).depth(rows, period) == 2;
            let visitors = histories.iter().filter(|rows| came_on(rows) || did(rows, place)).count();
            let entered = visitors - histories.iter().filter(|rows| came_on(rows)).count();
            assert_eq!((&row["visitors"], &row["entered"]), (&json!(visitors), &json!(entered)), "{request:?}");
            assert_eq!(row["filter"], json!(steps[place].0), "a row of an open funnel is about its step");
        }
    }

    #[test]
    fn a_funnel_of_each_value_sees_the_rows_of_that_value_alone(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        filter in select(&FILTERS[..]), asking in asking(), by in select(&AT_EVENTS[..]),
    ) {
        let asked = asking.of(&steps);
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.by = Some(by.name().into());
        request.attribution = Some("all".into());
        asked.ask(&mut request, asking.window.0);
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        let mut left_out = 0;
        for history in oracle::histories(&world, false) {
            let at_rows = oracle::values(by, &world.timezone(), &history);
            let value_at: BTreeMap<_, _> = history.iter().map(|row| (row.seq, row.writer)).zip(&at_rows).collect();
            let mut is_in_all = true;
            for value in at_rows.iter().collect::<BTreeSet<_>>() {
                let is_own = |row: &Stored| value_at[&(row.seq, row.writer)] == value && filter.1(&row.event);
                let own = asked.walked(&history, is_own);
                for depth in 1..=asked.depth(&own, period) {
                    *expected.entry((json!(value).to_string(), depth as u64)).or_default() += 1;
                }
                is_in_all &= !asked.is_left_out(&own, period);
            }
            left_out += u64::from(!is_in_all);
        }
        let answer = ask(&world, &request);
        assert_eq!(counts(&answer, "key"), expected, "{request:?}");
        assert_eq!(excluded(&answer), asked.exclude.map(|_| left_out), "{request:?}");
    }

    #[test]
    fn a_step_tells_whose_value_counts_for_everybody(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        asking in asking(), at in select(&["first", "last", "1", "2", "3"][..]), by in select(&AT_EVENTS[..]),
    ) {
        let asked = asking.of(&steps);
        let at = match at.parse::<usize>() {
            Ok(step) if step > steps.len() || asked.order == "any" => "first",
            _ => at,
        };
        let (mut request, period) = request("funnel", &world, hours);
        asked.ask(&mut request, asking.window.0);
        (request.by, request.attribution) = (Some(by.name().into()), Some(at.into()));
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for history in oracle::histories(&world, false) {
            let reached = asked.depth(&history, period);
            let Some((first, last)) = asked.told(&history, period, reached) else { continue };
            let row = match at {
                "first" | "1" => Some(first),
                "last" => Some(last),
                step => asked.told(&history, period, step.parse().unwrap()).map(|(_, row)| row),
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
        filter in select(&FILTERS[..]), asking in asking(),
    ) {
        let asked = asking.of(&steps);
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        asked.ask(&mut request, asking.window.0);
        let mut expected = vec![0_u64; steps.len()];
        let (mut waiting, mut left_out) = (0, 0);
        for history in oracle::histories(&world, false) {
            let rows = asked.walked(&history, |row| filter.1(&row.event));
            let reached = asked.depth(&rows, period);
            expected[..reached].iter_mut().for_each(|count| *count += 1);
            left_out += u64::from(asked.is_left_out(&rows, period));
            // What lies after the period and the longest attempt is not looked at.
            let read: Vec<&Stored> = rows.into_iter().filter(|row| row.event.ts.0 < period.1.0 + asked.longest()).collect();
            waiting += u64::from(asked.is_waiting(&read, period, world.now));
        }
        let answer = ask(&world, &request);
        let found: Vec<u64> = answer.rows.iter().map(|row| row["visitors"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{request:?}");
        assert_eq!(answer.meta["open"], json!(waiting), "{request:?}");
        assert_eq!(excluded(&answer), asked.exclude.map(|_| left_out), "{request:?}");
        for (row, step) in answer.rows.iter().zip(&steps) {
            assert_eq!(row["filter"], if asked.order == "any" { Value::Null } else { json!(step.0) });
        }
    }

    #[test]
    fn times_to_convert_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        asking in asking(), step in 0_usize..3, bars in 1_usize..9,
    ) {
        let (step, asked) = (step.min(steps.len() - 1) + 1, asking.of(&steps));
        let (mut request, period) = request("funnel-times", &world, hours);
        asked.ask(&mut request, asking.window.0);
        (request.step, request.limit) = (Some(step), Some(bars));
        let mut times: Vec<i64> = oracle::histories(&world, false)
            .iter()
            .filter_map(|history| {
                let (first, last) = asked.told(history, period, step)?;
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
        asking in asking(),
    ) {
        let asked = asking.of(&steps);
        let (mut request, period) = request("funnel", &world, hours);
        asked.ask(&mut request, asking.window.0);
        request.interval = Some("day".into());
        let mut expected: BTreeMap<(String, u64), u64> = BTreeMap::new();
        for history in oracle::histories(&world, false) {
            let reached = asked.depth(&history, period);
            let Some((first, _)) = asked.told(&history, period, reached) else { continue };
            let day = history[first].event.ts.timestamp().to_zoned(world.timezone()).date().to_string();
            for depth in 1..=reached {
                *expected.entry((json!(day).to_string(), depth as u64)).or_default() += 1;
            }
        }
        let answer = ask(&world, &request);
        assert_eq!(counts(&answer, "t"), expected, "{request:?}");
        assert_eq!(answer.rows.len() % steps.len(), 0);
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
    let by_time = problem(&|request| {
        (request.interval, request.attribution) = (Some("day".into()), Some("last".into()));
    });
    assert!(by_time.contains("give `by`"), "{by_time}");
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
