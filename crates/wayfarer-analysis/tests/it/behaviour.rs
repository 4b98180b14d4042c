//! The reports on behaviour against oracles of their own: funnel, retention, transitions, goals, timeline.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{Unit, Zoned};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use wayfarer_analysis::{Answer, Request, answer};
use wayfarer_event::{Event, Micros, VisitorKind};
use wayfarer_lake::Stored;

use super::{
    oracle::{self, AT_EVENTS, FILTERS, Key, Period, is_in},
    world::{SITE, World, config, world},
};

pub(crate) type Test = (&'static str, fn(&Event) -> bool);

pub(crate) const TESTS: [Test; 4] = [
    ("name = 'page_view'", |event| event.name == "page_view"),
    ("path ~ '^/b'", |event| event.path.as_ref().is_some_and(|path| path.starts_with("/b"))),
    ("name in ('click', 'purchase')", |event| event.name == "click" || event.name == "purchase"),
    ("value is not null", |event| event.value.is_some()),
];

pub(crate) fn ask(world: &World, request: &Request) -> Answer {
    answer(&world.context(), request).unwrap_or_else(|error| panic!("{error}: {request:?}"))
}

/// A request over some hours, and the instants that it means.
pub(crate) fn request(report: &str, world: &World, hours: (i64, i64)) -> (Request, Period) {
    let first = world.rows.iter().map(|row| row.event.ts).min().unwrap_or(world.now);
    let from = first.plus(hours.0 * Micros::HOUR);
    let until = from.plus(hours.1 * Micros::HOUR);
    let request = Request {
        report: report.into(),
        site: SITE.into(),
        from: Some(from.to_string()),
        to: Some(until.to_string()),
        ..Request::default()
    };
    (request, (from, until))
}

/// The deepest sequential attempt, by trying every row for every step.
fn depth(
    rows: &[&Stored],
    steps: &[Test],
    from: Option<&Stored>,
    window: i64,
    period: Period,
) -> usize {
    let Some((step, rest)) = steps.split_first() else { return 0 };
    let attempts = rows.iter().enumerate().filter(|(_, row)| step.1(&row.event));
    let depths = attempts.filter_map(|(place, row)| {
        let first = from.unwrap_or(row);
        let fits = is_in(period, first) && row.event.ts.0 - first.event.ts.0 <= window;
        fits.then(|| 1 + depth(&rows[place + 1..], rest, Some(first), window, period))
    });
    depths.max().unwrap_or(0)
}

fn offset(zone: &jiff::tz::TimeZone, from: Micros, to: Micros, unit: Unit) -> (String, i64) {
    let at = |ts: Micros| -> Zoned { ts.timestamp().to_zoned(zone.clone()) };
    match unit {
        Unit::Day => {
            let days = at(from).date().until(at(to).date()).unwrap();
            (at(from).date().to_string(), i64::from(days.get_days()))
        }
        _ => {
            let hour =
                |at: Zoned| at.with().minute(0).second(0).subsec_nanosecond(0).build().unwrap();
            let (from, to) = (hour(at(from)), hour(at(to)));
            let seconds = to.timestamp().as_second() - from.timestamp().as_second();
            (from.strftime("%Y-%m-%dT%H:00:00%:z").to_string(), seconds / 3600)
        }
    }
}

/// The interval so many after the one of this label.
fn interval(zone: &jiff::tz::TimeZone, label: &str, offset: i64, unit: Unit) -> (Micros, Micros) {
    let at = |nth: i64| -> Micros {
        if unit == Unit::Day {
            let day: jiff::civil::Date = label.parse().unwrap();
            let day = day.checked_add(jiff::Span::new().days(nth)).unwrap();
            return day.to_zoned(zone.clone()).unwrap().timestamp().into();
        }
        let start: jiff::Timestamp = label.parse().unwrap();
        start.checked_add(jiff::SignedDuration::from_hours(nth)).unwrap().into()
    };
    (at(offset), at(offset + 1))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn funnel_is_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), steps in prop::collection::vec(select(&TESTS[..]), 1..4),
        filter in select(&FILTERS[..]), window in select(&[("0s", 0), ("30m", 30), ("3h", 180), ("2d", 2880)][..]),
    ) {
        let (mut request, period) = request("funnel", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.steps = steps.iter().map(|step| step.0.into()).collect();
        request.window = Some(window.0.into());
        let answer = ask(&world, &request);
        let mut expected = vec![0_u64; steps.len()];
        for history in oracle::histories(&world, false) {
            // Few enough rows that every choice can be tried.
            let rows: Vec<&Stored> = history.into_iter().filter(|row| filter.1(&row.event)).collect();
            let reached = depth(&rows, &steps, None, window.1 * Micros::MINUTE, period);
            expected[..reached].iter_mut().for_each(|count| *count += 1);
        }
        let found: Vec<u64> = answer.rows.iter().map(|row| row["visitors"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{request:?}");
    }

    #[test]
    fn retention_is_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), start in select(&TESTS[..]), back in select(&TESTS[..]),
        unit in select(&[Unit::Hour, Unit::Day][..]), unbounded in any::<bool>(),
        (first_ever, recurring) in select(&[(false, false), (true, false), (false, true)][..]),
        by in prop::option::of(select(&AT_EVENTS[..])),
    ) {
        let (mut request, period) = request("retention", &world, hours);
        request.by = by.map(|by| by.name().into());
        request.start = Some(start.0.into());
        request.returning = Some(back.0.into());
        request.interval = Some(if unit == Unit::Day { "day" } else { "hour" }.into());
        (request.first_ever, request.unbounded, request.recurring) = (first_ever, unbounded, recurring);
        let answer = ask(&world, &request);
        let zone = world.timezone();
        let mut sizes: BTreeMap<(Key, String), u64> = BTreeMap::new();
        let mut cells: BTreeMap<((Key, String), i64), u64> = BTreeMap::new();
        let mut daily = 0;
        for history in oracle::histories(&world, false) {
            let starts = || history.iter().filter(|row| start.1(&row.event));
            let first = if first_ever { starts().next() } else { starts().find(|row| is_in(period, row)) };
            let Some(first) = first.filter(|row| is_in(period, row)) else { continue };
            if first.event.visitor_kind == VisitorKind::Daily {
                daily += 1;
                continue;
            }
            // The first start event of each cohort that the visitor belongs to.
            let mut cohorts: BTreeMap<String, usize> = BTreeMap::new();
            for (place, row) in history.iter().enumerate().filter(|(_, row)| is_in(period, row) && start.1(&row.event)) {
                cohorts.entry(offset(&zone, row.event.ts, row.event.ts, unit).0).or_insert(place);
            }
            let (own, _) = offset(&zone, first.event.ts, first.event.ts, unit);
            cohorts.retain(|cohort, _| recurring || *cohort == own);
            for (cohort, place) in cohorts {
                let key = by.and_then(|by| oracle::values(by, &zone, &history)[place].clone());
                let cohort = (key, cohort);
                *sizes.entry(cohort.clone()).or_default() += 1;
                let began = history[place].event.ts;
                let returns = history[place..].iter().filter(|row| is_in(period, row) && back.1(&row.event));
                let offsets: BTreeSet<i64> = returns.map(|row| offset(&zone, began, row.event.ts, unit).1).collect();
                let offsets: BTreeSet<i64> = match (unbounded, offsets.last()) {
                    (true, Some(last)) => (0..=*last).collect(),
                    _ => offsets,
                };
                for offset in offsets {
                    *cells.entry((cohort.clone(), offset)).or_default() += 1;
                }
            }
        }
        assert_eq!(answer.meta["excluded"]["daily_visitors"], json!(daily));
        for row in &answer.rows {
            assert_eq!(row.contains_key("key"), by.is_some());
            let key = row.get("key").and_then(Value::as_str).map(ToOwned::to_owned);
            let cohort = (key, row["cohort"].as_str().unwrap().to_owned());
            assert_eq!(row["size"], json!(sizes[&cohort]), "{request:?}");
            let cell = cells.remove(&(cohort, row["offset"].as_i64().unwrap())).unwrap_or(0);
            assert_eq!(row["visitors"], json!(cell), "{request:?} {row:?}");
            let cohort = row["cohort"].as_str().unwrap();
            let whole = [0, row["offset"].as_i64().unwrap()].iter().all(|offset| {
                let (from, until) = interval(&zone, cohort, *offset, unit);
                period.0 <= from && until <= period.1 && until <= world.now
            });
            assert_eq!(row["complete"], json!(whole), "{request:?} {row:?}");
        }
        // What is left lies in intervals that have not begun yet.
        let told: BTreeSet<&str> = answer.rows.iter().map(|row| row["cohort"].as_str().unwrap()).collect();
        let keys: Vec<&Value> = answer.rows.iter().filter_map(|row| row.get("key")).collect();
        let changes = keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!(changes, keys.iter().collect::<HashSet<_>>().len().saturating_sub(1), "a key's rows lie together");
        let now = world.now.timestamp().to_zoned(zone);
        for ((_, cohort), _) in cells.keys() {
            let is_future = cohort.as_str() > now.strftime("%Y-%m-%dT%H").to_string().as_str();
            assert!(told.contains(cohort.as_str()) || is_future, "{cohort} is not told");
        }
    }

    #[test]
    fn transitions_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
    ) {
        let (mut request, period) = request("transitions", &world, hours);
        request.filter = filter.0.map(Into::into);
        let answer = ask(&world, &request);
        let mut pairs: BTreeMap<(String, String), (u64, BTreeSet<u64>)> = BTreeMap::new();
        for visit in oracle::histories(&world, false).iter().flat_map(|history| oracle::visits(history)) {
            if !is_in(period, visit[0]) {
                continue;
            }
            let is_page = |row: &&&Stored| row.event.name == "page_view" && filter.1(&row.event);
            let paths: Vec<String> = visit.iter().filter(is_page)
                .filter_map(|row| row.event.path.as_ref()).map(ToString::to_string).collect();
            for pair in paths.windows(2) {
                let seen = pairs.entry((pair[0].clone(), pair[1].clone())).or_default();
                seen.0 += 1;
                seen.1.insert(visit[0].event.visitor.0);
            }
        }
        let mut expected: Vec<Value> = pairs.into_iter().map(|((from, to), (count, visitors))| {
            json!({"from": from, "to": to, "count": count, "visitors": visitors.len()})
        }).collect();
        expected.sort_by_key(|row| std::cmp::Reverse(row["count"].as_u64()));
        assert_eq!(json!(answer.rows), json!(expected));
    }

    #[test]
    fn transitions_of_two_segments_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]), against in select(&TESTS[..]),
    ) {
        let (mut request, period) = request("transitions", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.against = Some(against.0.into());
        let answer = ask(&world, &request);
        type Seen = [(u64, BTreeSet<u64>); 2];
        let mut pairs: BTreeMap<(String, String), Seen> = BTreeMap::new();
        let mut totals = [0_u64; 2];
        for visit in oracle::histories(&world, false).iter().flat_map(|history| oracle::visits(history)) {
            if !is_in(period, visit[0]) {
                continue;
            }
            let paths: Vec<String> = visit.iter().filter(|row| row.event.name == "page_view")
                .filter_map(|row| row.event.path.as_ref()).map(ToString::to_string).collect();
            let belongs = [filter.1, against.1].map(|test| visit.iter().any(|row| test(&row.event)));
            for (pair, segment) in paths.windows(2).flat_map(|pair| [(pair, 0), (pair, 1)]) {
                if belongs[segment] {
                    let seen = pairs.entry((pair[0].clone(), pair[1].clone())).or_default();
                    seen[segment].0 += 1;
                    seen[segment].1.insert(visit[0].event.visitor.0);
                    totals[segment] += 1;
                }
            }
        }
        assert_eq!([&answer.meta["count"], &answer.meta["against_count"]], [&json!(totals[0]), &json!(totals[1])]);
        assert_eq!(answer.rows.len(), pairs.len());
        let mut last = f64::INFINITY;
        for row in &answer.rows {
            let key = (row["from"].as_str().unwrap().to_owned(), row["to"].as_str().unwrap().to_owned());
            let [one, other] = &pairs[&key];
            assert_eq!((&row["count"], &row["visitors"]), (&json!(one.0), &json!(one.1.len())), "{request:?}");
            assert_eq!(
                (&row["against_count"], &row["against_visitors"]), (&json!(other.0), &json!(other.1.len())), "{request:?}"
            );
            let rate = |count: u64, total: u64| (total > 0).then(|| count as f64 / total as f64);
            let difference = rate(one.0, totals[0]).zip(rate(other.0, totals[1])).map(|(one, other)| one - other);
            assert_eq!(row["difference"].as_f64(), difference);
            let size = difference.map_or(0.0, f64::abs);
            assert!(size <= last + 1e-12, "the largest come first");
            last = size;
        }
    }

    #[test]
    fn goals_are_what_the_definition_says(
        mut world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
    ) {
        world.goals = true;
        let (mut request, period) = request("goals", &world, hours);
        request.filter = filter.0.map(Into::into);
        let answer = ask(&world, &request);
        let goals: [Test; 2] = [
            ("bought", |event| event.name == "purchase"),
            ("read", |event| event.name == "page_view" && TESTS[1].1(event)),
        ];
        for (row, (name, reaches)) in answer.rows.iter().zip(goals) {
            let histories = oracle::histories(&world, false);
            let reached = |row: &&&Stored| filter.1(&row.event) && reaches(&row.event);
            let events = histories.iter().flatten().filter(reached).filter(|row| is_in(period, row));
            let visitors = |history: &&Vec<&Stored>| history.iter().filter(reached).any(|row| is_in(period, row));
            let visits = histories.iter().flat_map(|history| oracle::visits(history))
                .filter(|visit| is_in(period, visit[0]) && visit.iter().any(|row| reached(&row)));
            assert_eq!(row["goal"], json!(name));
            assert_eq!(row["events"], json!(events.count()));
            assert_eq!(row["visitors"], json!(histories.iter().filter(visitors).count()));
            assert_eq!(row["visits"], json!(visits.count()));
        }
        assert_eq!(answer.rows.len(), 2);
    }

    #[test]
    fn a_timeline_has_every_event_of_an_account(world in world(), limit in prop::option::of(0_usize..9)) {
        let request = Request {
            report: "timeline".into(), site: SITE.into(), user: Some("ann".into()), limit, ..Request::default()
        };
        let answer = ask(&world, &request);
        let histories = oracle::histories(&world, false);
        let of_ann = histories.iter().filter(|rows| rows.iter().any(|row| row.event.user.as_deref() == Some("ann")));
        let mut expected: Vec<(Micros, String, String)> = Vec::new();
        for history in of_ann {
            for row in history.iter().filter(|row| row.event.user.as_deref().is_none_or(|user| user == "ann")) {
                let event = &row.event;
                expected.push((event.ts, event.visitor.to_string(), event.name.to_string()));
            }
        }
        expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let first = expected.len().saturating_sub(limit.unwrap_or(1000));
        let text = |row: &serde_json::Map<String, Value>, field: &str| row[field].as_str().unwrap().to_owned();
        let found: Vec<_> = answer.rows.iter().map(|row| {
            (Micros::parse(&text(row, "t")).unwrap(), text(row, "visitor"), text(row, "name"))
        }).collect();
        assert_eq!(found, expected[first..]);
    }

    #[test]
    fn lifecycle_and_stickiness_are_what_the_definitions_say(
        world in world(), hours in (-3_i64..50, 0_i64..60), filter in select(&FILTERS[..]),
        unit in select(&[Unit::Hour, Unit::Day][..]),
    ) {
        let (mut request, period) = request("lifecycle", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.interval = Some(if unit == Unit::Day { "day" } else { "hour" }.into());
        let lifecycle = ask(&world, &request);
        request.report = "stickiness".into();
        let stickiness = ask(&world, &request);
        let zone = world.timezone();
        let base = Micros::parse("2026-01-01T00:00:00Z").unwrap();
        let place = |ts: Micros| offset(&zone, base, ts, unit).1;
        let mut states: BTreeMap<String, [u64; 4]> = BTreeMap::new();
        let mut sticky: BTreeMap<usize, u64> = BTreeMap::new();
        let mut daily = 0;
        let (from, until) = period;
        for history in oracle::histories(&world, false) {
            let of_period: Vec<_> = history.iter().filter(|row| is_in(period, row)).collect();
            let is_daily = |row: &Stored| row.event.visitor_kind == VisitorKind::Daily;
            daily += u64::from(of_period.first().is_some_and(|row| is_daily(row)));
            let selected: Vec<Micros> = history.iter().filter(|row| filter.1(&row.event))
                .map(|row| row.event.ts).filter(|ts| *ts < until).collect();
            let inside: BTreeSet<i64> =
                selected.iter().filter(|ts| **ts >= from).map(|ts| place(*ts)).collect();
            if !inside.is_empty() && !is_daily(of_period[0]) {
                *sticky.entry(inside.len()).or_default() += 1;
            }
            let active: BTreeSet<i64> = selected.iter().map(|ts| place(*ts)).collect();
            let first = selected.iter().map(|ts| place(*ts)).min();
            if is_daily(history[0]) {
                continue;
            }
            for row in &lifecycle.rows {
                let label = row["t"].as_str().unwrap();
                let start = label.parse::<jiff::Timestamp>().unwrap_or_else(|_| {
                    let day: jiff::civil::Date = label.parse().unwrap();
                    day.to_zoned(zone.clone()).unwrap().timestamp()
                });
                let here = place(start.into());
                let (is, was) = (active.contains(&here), active.contains(&(here - 1)));
                let counts = states.entry(label.to_owned()).or_default();
                counts[0] += u64::from(is && first == Some(here));
                counts[1] += u64::from(is && was);
                counts[2] += u64::from(is && !was && first != Some(here));
                counts[3] += u64::from(!is && was);
            }
        }
        for row in &lifecycle.rows {
            let counts = states.get(row["t"].as_str().unwrap()).copied().unwrap_or_default();
            let found = ["new", "returning", "resurrecting", "dormant"].map(|field| row[field].as_u64().unwrap());
            assert_eq!(found, counts, "{request:?} {row:?}");
        }
        // Every interval that has begun is told, and no other.
        let (label, _) = offset(&zone, from, from, unit);
        let begun: Vec<_> = (0..).map(|nth| interval(&zone, &label, nth, unit))
            .take_while(|(start, _)| *start < until && *start <= world.now).collect();
        let told: Vec<Micros> = lifecycle.rows.iter().map(|row| {
            interval(&zone, row["t"].as_str().unwrap(), 0, unit).0
        }).collect();
        assert_eq!(told, begun.iter().map(|(start, _)| *start).collect::<Vec<_>>(), "{request:?}");
        for (row, (_, end)) in lifecycle.rows.iter().zip(&begun) {
            assert_eq!(row["complete"], json!(*end <= until && *end <= world.now), "{request:?} {row:?}");
        }
        for row in &stickiness.rows {
            let visitors = sticky.get(&(row["intervals"].as_u64().unwrap() as usize)).copied().unwrap_or(0);
            assert_eq!(row["visitors"], json!(visitors));
        }
        assert_eq!(stickiness.meta["excluded"]["daily_visitors"], json!(daily));
    }

    #[test]
    fn errors_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
    ) {
        let (mut request, period) = request("errors", &world, hours);
        request.filter = filter.0.map(Into::into);
        let answer = ask(&world, &request);
        type Hit = (u64, BTreeSet<u64>, u64);
        let mut kinds: BTreeMap<(String, Option<String>), Hit> = BTreeMap::new();
        let kind = |row: &Stored| {
            let props: Value = serde_json::from_str(row.event.props.as_deref().unwrap_or("{}")).unwrap();
            let error = match row.event.name.as_str() {
                "exception" => props["message"].as_str().unwrap_or("exception").to_owned(),
                _ => row.event.status.filter(|status| *status >= 400)?.to_string(),
            };
            filter.1(&row.event).then(|| (error, row.event.path.as_ref().map(ToString::to_string)))
        };
        for history in oracle::histories(&world, false) {
            for (row, kind) in history.iter().filter(|row| is_in(period, row)).filter_map(|row| Some((row, kind(row)?))) {
                let hit = kinds.entry(kind).or_default();
                hit.0 += 1;
                hit.1.insert(row.event.visitor.0);
            }
            for visit in oracle::visits(&history).iter().filter(|visit| is_in(period, visit[0])) {
                for kind in visit.iter().filter_map(|row| kind(row)).collect::<BTreeSet<_>>() {
                    kinds.entry(kind).or_default().2 += 1;
                }
            }
        }
        let mut expected: Vec<Value> = kinds.into_iter().map(|((error, path), (events, visitors, visits))| {
            json!({"error": error, "path": path, "events": events, "visitors": visitors.len(), "visits": visits})
        }).collect();
        expected.sort_by_key(|row| std::cmp::Reverse(row["events"].as_u64()));
        assert_eq!(json!(answer.rows), json!(expected));
    }

    #[test]
    fn paths_are_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
        anchor in prop::option::of(select(&TESTS[..])), backwards in any::<bool>(), depth in 1_usize..4, top in 1_usize..3,
    ) {
        let (mut request, period) = request("paths", &world, hours);
        request.filter = filter.0.map(Into::into);
        (request.depth, request.top) = (Some(depth), Some(top));
        let backwards = backwards && anchor.is_some();
        let text = anchor.map(|anchor| anchor.0.to_owned());
        if backwards { request.end = text } else { request.start = text }
        let answer = ask(&world, &request);
        let mut ways: Vec<(u64, Vec<String>)> = Vec::new();
        for visit in oracle::histories(&world, false).iter().flat_map(|history| oracle::visits(history)) {
            let is_page = |row: &&Stored| row.event.name == "page_view" && row.event.path.is_some() && filter.1(&row.event);
            let mut pages: Vec<&Stored> = visit.iter().copied().filter(is_page).collect();
            if backwards { pages.reverse() }
            let pages = pages.into_iter().skip_while(|row| anchor.is_some_and(|anchor| !anchor.1(&row.event)));
            let mut way: Vec<String> = pages.map(|row| row.event.path.as_ref().unwrap().to_string()).collect();
            way.dedup();
            if is_in(period, visit[0]) {
                ways.push((visit[0].event.visitor.0, way));
            }
        }
        let told = |place: usize, page: &String| -> String {
            let mut counts: BTreeMap<&String, u64> = BTreeMap::new();
            for page in ways.iter().filter_map(|(_, way)| way.get(place)) {
                *counts.entry(page).or_default() += 1;
            }
            let mut pages: Vec<_> = counts.into_iter().collect();
            pages.sort_by_key(|(page, count)| (std::cmp::Reverse(*count), *page));
            let is_top = pages.iter().take(top).any(|(top, _)| *top == page);
            if is_top { page.clone() } else { "(other)".into() }
        };
        let mut steps: BTreeMap<(usize, String, String), (u64, BTreeSet<u64>)> = BTreeMap::new();
        for (visitor, way) in &ways {
            for place in 0..way.len().min(depth) {
                let near = told(place, &way[place]);
                let outside = if backwards { "(entry)" } else { "(exit)" };
                let far = way.get(place + 1).map_or_else(|| outside.to_owned(), |page| told(place + 1, page));
                let (from, to) = if backwards { (far, near) } else { (near, far) };
                let step = steps.entry((place + 1, from, to)).or_default();
                step.0 += 1;
                step.1.insert(*visitor);
            }
        }
        let row = |((step, from, to), (visits, visitors)): ((usize, String, String), (u64, BTreeSet<u64>))| {
            json!({"step": step, "from": from, "to": to, "visits": visits, "visitors": visitors.len()}).to_string()
        };
        let expected: BTreeSet<String> = steps.into_iter().map(row).collect();
        let found: BTreeSet<String> = answer.rows.iter().map(|row| json!(row).to_string()).collect();
        assert_eq!(found, expected, "{request:?}");
        assert_eq!(found.len(), answer.rows.len());
    }
}
