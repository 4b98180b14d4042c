//! The reports against the oracle.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Value, json};
use wayfarer_analysis::{Answer, Request, answer};
use wayfarer_event::{Event, Micros};

use super::{
    behaviour::Test,
    journeys::one_visitor,
    oracle::{self, By, FILTERS, Filter, Key, Period},
    world::{SITE, World, config, world},
};

/// The goals of a world that has goals, and what reaches them.
const GOALS: [Test; 2] = [
    ("bought", |event| event.name == "purchase"),
    ("read", |event| {
        event.name == "page_view" && event.path.as_ref().is_some_and(|path| path.starts_with("/b"))
    }),
];

/// All metrics, in the order of the table.
fn metrics() -> Vec<String> {
    wayfarer_analysis::metrics().map(|(name, _)| name.to_owned()).collect()
}

/// Those that are told of visits.
const OF_VISITS: [&str; 6] =
    ["visits", "bounce_rate", "engaged_rate", "visit_duration_s", "active_s", "views_per_visit"];

/// All metrics, or just a few: what is not asked for is not counted, which is another way through the code.
fn some_metrics() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![Just(metrics()), subsequence(metrics(), 1..4)]
}

/// A period, as it is asked for and as it is meant.
fn period() -> impl Strategy<Value = Option<(i64, i64)>> {
    prop::option::weighted(0.8, (-3_i64..60, 0_i64..40))
}

/// The request for a report over a period of so many hours after the first event, and the instants that it means.
fn request(
    report: &str,
    world: &World,
    hours: Option<(i64, i64)>,
    filter: Filter,
) -> (Request, Option<Period>) {
    let mut request = Request {
        report: report.into(),
        site: SITE.into(),
        filter: filter.0.map(Into::into),
        ..Request::default()
    };
    let first = world.rows.iter().map(|row| row.event.ts).min();
    let (Some((after, length)), Some(first)) = (hours, first) else {
        return (request, oracle::everything(world));
    };
    let from = first.plus(after * Micros::HOUR);
    let until = from.plus(length * Micros::HOUR);
    request.from = Some(from.to_string());
    request.to = Some(until.to_string());
    (request, Some((from, until)))
}

fn ask(world: &World, request: &Request) -> Answer {
    answer(&world.context(), request).unwrap_or_else(|error| panic!("{error}: {request:?}"))
}

/// Compares all metrics; numbers that are sums of fractions to within rounding.
#[track_caller]
fn assert_metrics(
    row: &serde_json::Map<String, Value>,
    expected: &Value,
    what: &dyn std::fmt::Debug,
) {
    for (name, expected) in expected.as_object().unwrap() {
        let Some(found) = row.get(name) else { continue };
        let same = match (found.as_f64(), expected.as_f64()) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
            _ => found == expected,
        };
        assert!(same, "{name} is {found}, not {expected}: {what:?}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn overview_is_what_the_definitions_say(
        world in world(), hours in period(), filter in select(&FILTERS[..]), bots in any::<bool>(),
    ) {
        let (mut request, period) = request("overview", &world, hours, filter);
        request.bots = bots;
        let answer = ask(&world, &request);
        let period = period.unwrap_or((Micros(0), Micros(0)));
        let expected = oracle::measure(&world, period, filter.1, By::One, bots);
        let expected = expected.get(&None).cloned().unwrap_or_else(|| oracle::nothing(&world));
        assert_eq!(answer.rows.len(), 1);
        let row = &answer.rows[0];
        assert_metrics(row, &expected, &request);
        assert_eq!(row.keys().filter(|key| expected.get(key).is_some()).count(), 11);
        let in_period = |row: &&wayfarer_lake::Stored| oracle::is_in(period, row) && filter.1(&row.event);
        let bot_events = world.rows.iter().filter(in_period).filter(|row| row.event.bot_reason.is_some());
        assert_eq!(row["bots"], json!(bot_events.count()));
        let recent = (world.now.plus(1 - 5 * Micros::MINUTE), world.now.plus(1));
        let now = oracle::measure(&world, recent, filter.1, By::One, bots);
        assert_eq!(row["active_now"], now.get(&None).map_or(json!(0), |now| now["visitors"].clone()));
    }

    #[test]
    fn trend_is_what_the_definitions_say(
        world in world(), hours in period(), filter in select(&FILTERS[..]), by in select(&[By::Hour, By::Day][..]),
        metrics in some_metrics(),
    ) {
        let (mut request, period) = request("trend", &world, hours, filter);
        request.metrics = metrics;
        request.interval = Some(by.name().into());
        let answer = ask(&world, &request);
        let mut expected = match period {
            Some(period) => oracle::measure(&world, period, filter.1, by, false),
            None => BTreeMap::new(),
        };
        let mut last = String::new();
        for row in &answer.rows {
            let label = row["t"].as_str().unwrap().to_owned();
            let expected = expected.remove(&Some(label.clone())).unwrap_or_else(|| oracle::nothing(&world));
            assert_metrics(row, &expected, &(&request, &label));
            assert_ne!(label, last);
            last = label;
        }
        assert!(expected.is_empty(), "no rows for {:?}", expected.keys());
    }

    #[test]
    fn breakdown_is_what_the_definitions_say(
        world in world(), hours in period(), filter in select(&FILTERS[..]),
        by in select(&[By::Path, By::Name, By::Plan, By::Status, By::Source, By::Entry, By::Exit, By::NewReturning][..]),
        metrics in some_metrics(),
    ) {
        let (mut request, period) = request("breakdown", &world, hours, filter);
        // Rows come in the order of the first.
        let others = metrics.into_iter().filter(|name| name != "visitors");
        request.metrics = std::iter::once("visitors".to_owned()).chain(others).collect();
        request.by = Some(by.name().into());
        let answer = ask(&world, &request);
        let mut expected: BTreeMap<Key, Value> = match period {
            Some(period) => oracle::measure(&world, period, filter.1, by, false),
            None => BTreeMap::new(),
        };
        // A visit that starts in the period may have all of a key's events behind it: it makes a row where visits are asked for.
        let by_visit = matches!(by, By::Source | By::Entry | By::Exit | By::NewReturning);
        let with_visits = by_visit || request.metrics.iter().any(|name| OF_VISITS.contains(&name.as_str()));
        expected.retain(|_, row| with_visits || row["events"] != json!(0));
        let keys: Vec<Key> = answer.rows.iter().map(|row| row["key"].as_str().map(Into::into)).collect();
        let visitors = |key: &Key| expected.get(key).map_or(0, |row| row["visitors"].as_u64().unwrap());
        let mut ordered: Vec<Key> = expected.keys().cloned().collect();
        ordered.sort_by_key(|key| (std::cmp::Reverse(visitors(key)), key.clone()));
        assert_eq!(keys, ordered, "{request:?}");
        for (row, key) in answer.rows.iter().zip(&keys) {
            assert_metrics(row, &expected[key], &(&request, key));
        }
    }

    /// Under a goal counts what would count if the filter also asked for the goal.
    #[test]
    fn breakdown_by_goal_is_what_the_definitions_say(
        mut world in world(), hours in period(), filter in select(&FILTERS[..]),
    ) {
        world.goals = true;
        let (mut request, period) = request("breakdown", &world, hours, filter);
        request.metrics = metrics();
        request.by = Some("goal".into());
        let answer = ask(&world, &request);
        let mut expected = BTreeMap::new();
        for (goal, reaches) in GOALS {
            let reached = |event: &Event| filter.1(event) && reaches(event);
            let counted = period.map(|period| oracle::measure(&world, period, reached, By::One, false));
            expected.extend(counted.and_then(|mut one| one.remove(&None)).map(|row| (goal, row)));
        }
        let keys: Vec<&str> = answer.rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
        let mut ordered: Vec<&str> = expected.keys().copied().collect();
        ordered.sort_by_key(|key| (std::cmp::Reverse(expected[key]["visitors"].as_u64()), *key));
        assert_eq!(keys, ordered, "{request:?}");
        for (row, key) in answer.rows.iter().zip(keys) {
            assert_metrics(row, &expected[key], &(&request, key));
        }
    }

    #[test]
    fn visits_are_what_the_definitions_say(
        world in world(), hours in period(), filter in select(&FILTERS[..]), limit in prop::option::of(0_usize..5),
    ) {
        let (mut request, period) = request("visits", &world, hours, filter);
        request.limit = limit;
        let answer = ask(&world, &request);
        let period = period.unwrap_or((Micros(0), Micros(0)));
        let histories = oracle::histories(&world, false);
        let mut visits: Vec<oracle::Visit<'_>> = histories.iter().flat_map(|h| oracle::visits(h)).collect();
        visits.retain(|visit| {
            oracle::is_in(period, visit[0]) && visit.iter().any(|row| filter.1(&row.event))
        });
        visits.sort_by_key(|visit| (std::cmp::Reverse(visit[0].event.ts), visit[0].event.visitor));
        assert_eq!(answer.meta["visits"], json!(visits.len()));
        visits.truncate(limit.unwrap_or(usize::MAX));
        assert_eq!(answer.rows.len(), visits.len());
        for (row, visit) in answer.rows.iter().zip(&visits) {
            let pages: Vec<_> = visit.iter().filter(|row| row.event.name == "page_view").collect();
            let path = |row: Option<&&&wayfarer_lake::Stored>| json!(row.and_then(|row| row.event.path.clone()));
            let (first, last) = (visit[0].event.ts, visit[visit.len() - 1].event.ts);
            assert_eq!(row["visitor"], json!(visit[0].event.visitor.to_string()));
            assert_eq!(row["start"], json!(first.to_string()));
            assert_eq!(row["end"], json!(last.to_string()));
            assert_eq!(row["duration_s"], json!((last.0 - first.0) as f64 / 1e6));
            assert_eq!(row["entry"], path(pages.first()));
            assert_eq!(row["exit"], path(pages.last()));
            assert_eq!(row["pageviews"], json!(pages.len()));
            assert_eq!(row["events"], json!(visit.len()));
        }
    }
}

/// Midnight belongs to the day that begins, also for who was there just before it, whatever is counted.
#[test]
fn an_event_at_midnight_is_of_the_new_day() {
    let world = one_visitor(&[(959, "page_view", "Direct"), (960, "page_view", "Direct")]);
    for metrics in [metrics(), vec!["events".into(), "pageviews".into()]] {
        let (mut request, _) = request("trend", &world, Some((0, 48)), FILTERS[0]);
        (request.metrics, request.interval) = (metrics, Some("day".into()));
        let days = ask(&world, &request).rows;
        let counted: Vec<_> = days.iter().map(|day| (&day["events"], &day["pageviews"])).collect();
        assert!(counted.starts_with(&[(&json!(1), &json!(1)), (&json!(1), &json!(1))]), "{days:?}");
    }
}
