//! The reports on journeys against oracles of their own: engagement, step-matrix, pattern, attribution, segments.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};
use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::Stored;

use super::{
    behaviour::{TESTS, Test, ask, request},
    memory::Layout,
    oracle::{self, FILTERS, Period, Visit, is_in},
    world::{SITE, World, config, world},
};

fn is_page(row: &Stored) -> bool {
    row.event.name == "page_view"
}

/// Every visitor's visits.
fn visits(world: &World) -> Vec<Vec<Visit<'_>>> {
    oracle::histories(world, false).iter().map(|history| oracle::visits(history)).collect()
}

/// The visits that belong to the period.
fn inside<'a>(visits: &'a [Vec<Visit<'a>>], period: Period) -> impl Iterator<Item = &'a Visit<'a>> {
    visits.iter().flatten().filter(move |visit| is_in(period, visit[0]))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[track_caller]
fn assert_near(row: &Map<String, Value>, field: &str, expected: Option<f64>) {
    let near = match (row[field].as_f64(), expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
        (found, expected) => found.is_none() && expected.is_none(),
    };
    assert!(near, "{field} is {}, not {expected:?}", row[field]);
}

/// What one visit has under one key: active seconds, the deepest scrolling, page views, and times to the next page view.
type Part = (Option<f64>, Option<f64>, usize, Vec<f64>);

fn engagement(visit: &Visit<'_>, selects: fn(&Event) -> bool) -> BTreeMap<Option<String>, Part> {
    let mut parts: BTreeMap<Option<String>, Part> = BTreeMap::new();
    for (place, row) in visit.iter().enumerate().filter(|(_, row)| selects(&row.event)) {
        let part = parts.entry(row.event.path.as_ref().map(ToString::to_string)).or_default();
        if let Some(ms) = row.event.active_ms {
            part.0 = Some(part.0.unwrap_or(0.0) + f64::from(ms) / 1e3);
        }
        if let Some(scroll) = row.event.scroll {
            part.1 = Some(part.1.unwrap_or(0.0).max(f64::from(scroll)));
        }
        if is_page(row) {
            part.2 += 1;
            let next = visit[place + 1..].iter().find(|row| is_page(row));
            part.3.extend(next.map(|next| (next.event.ts.0 - row.event.ts.0) as f64 / 1e6));
        }
    }
    parts
}

/// The pages of a visit, from the anchor on.
fn pages(visit: &Visit<'_>, anchor: Option<(Test, bool)>) -> Vec<String> {
    let mut rows: Vec<&Stored> =
        visit.iter().copied().filter(|row| is_page(row) && row.event.path.is_some()).collect();
    if let Some((anchor, backwards)) = anchor {
        if backwards {
            rows.reverse();
        }
        let first = rows.iter().position(|row| anchor.1(&row.event)).unwrap_or(rows.len());
        rows.drain(..first);
    }
    let mut pages: Vec<String> =
        rows.iter().filter_map(|row| row.event.path.as_deref().map(Into::into)).collect();
    pages.dedup();
    pages
}

fn channel<'a>(visit: &Visit<'a>) -> Option<&'a str> {
    let first = visit.iter().find(|row| is_page(row)).unwrap_or(&visit[0]);
    first.event.channel.as_deref()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn engagement_is_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
    ) {
        let (mut request, period) = request("engagement", &world, hours);
        request.filter = filter.0.map(Into::into);
        let answer = ask(&world, &request);
        let mut keys: BTreeMap<Option<String>, Vec<Part>> = BTreeMap::new();
        for visit in inside(&visits(&world), period) {
            for (key, part) in engagement(visit, filter.1) {
                keys.entry(key).or_default().push(part);
            }
        }
        for row in &answer.rows {
            let parts = keys.remove(&row["key"].as_str().map(Into::into)).unwrap();
            let active: Vec<f64> = parts.iter().filter_map(|part| part.0).collect();
            let scroll: Vec<f64> = parts.iter().filter_map(|part| part.1).collect();
            let times: Vec<f64> = parts.iter().flat_map(|part| part.3.clone()).collect();
            assert_eq!(row["visits"], json!(parts.len()));
            assert_eq!(row["pageviews"], json!(parts.iter().map(|part| part.2).sum::<usize>()));
            assert_near(row, "active_s", mean(&active));
            assert_near(row, "active_total_s", Some(active.iter().sum()));
            assert_near(row, "scroll", mean(&scroll));
            assert_near(row, "time_s", mean(&times));
        }
        assert!(keys.is_empty(), "no rows for {:?}", keys.keys());
    }

    #[test]
    fn the_step_matrix_is_what_the_definition_says(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in prop::option::of(select(&TESTS[..])),
        against in prop::option::of(select(&TESTS[..])), anchor in prop::option::of((select(&TESTS[..]), any::<bool>())),
        depth in 1_usize..5, top in 1_usize..4,
    ) {
        let (mut request, period) = request("step-matrix", &world, hours);
        request.filter = filter.map(|test| test.0.into());
        request.against = against.map(|test| test.0.into());
        (request.depth, request.top) = (Some(depth), Some(top));
        let backwards = anchor.is_some_and(|(_, backwards)| backwards);
        if let Some((test, _)) = anchor {
            *(if backwards { &mut request.end } else { &mut request.start }) = Some(test.0.into());
        }
        let answer = ask(&world, &request);
        let has = |visit: &Visit<'_>, test: Option<Test>| test.is_none_or(|test| visit.iter().any(|row| test.1(&row.event)));
        let all = visits(&world);
        let members: Vec<(Vec<String>, bool, bool)> = inside(&all, period)
            .map(|visit| (pages(visit, anchor), has(visit, filter), against.is_some() && has(visit, against)))
            .filter(|(pages, one, other)| !pages.is_empty() && (*one || *other))
            .collect();
        let mut frequent: BTreeMap<&str, usize> = BTreeMap::new();
        for (pages, one, other) in &members {
            for page in pages.iter().take(depth) {
                *frequent.entry(page).or_default() += usize::from(*one) + usize::from(*other);
            }
        }
        let mut frequent: Vec<(&str, usize)> = frequent.into_iter().collect();
        frequent.sort_by_key(|(page, count)| (std::cmp::Reverse(*count), *page));
        frequent.truncate(top);
        let outside = if backwards { "(entry)" } else { "(exit)" };
        let place = |pages: &[String], step: usize| match pages.get(step) {
            None => outside.to_owned(),
            Some(page) if frequent.iter().any(|(told, _)| told == page) => page.clone(),
            Some(_) => "(other)".to_owned(),
        };
        let totals = [members.iter().filter(|m| m.1).count(), members.iter().filter(|m| m.2).count()];
        let mut expected: BTreeMap<(usize, String), [usize; 2]> = BTreeMap::new();
        for (step, (pages, one, other)) in (0..depth).flat_map(|step| members.iter().map(move |m| (step, m))) {
            let counts = expected.entry((step + 1, place(pages, step))).or_default();
            *counts = [counts[0] + usize::from(*one), counts[1] + usize::from(*other)];
        }
        for row in &answer.rows {
            let key = (row["step"].as_u64().unwrap() as usize, row["page"].as_str().unwrap().to_owned());
            let [one, other] = expected.remove(&key).unwrap_or_else(|| panic!("{key:?} {request:?}"));
            let rate = |count: usize, total: usize| (total > 0).then(|| count as f64 / total as f64);
            assert_eq!(row["visits"], json!(one));
            assert_near(row, "rate", rate(one, totals[0]));
            if against.is_some() {
                assert_eq!(row["against_visits"], json!(other));
                let difference = rate(one, totals[0]).zip(rate(other, totals[1])).map(|(a, b)| a - b);
                assert_near(row, "difference", difference);
            }
        }
        assert!(expected.is_empty(), "no rows for {expected:?}: {request:?}");
    }

    #[test]
    fn patterns_are_counted_in_visits(
        world in world(), hours in (-3_i64..30, 0_i64..40), filter in select(&FILTERS[..]),
    ) {
        let (mut request, period) = request("pattern", &world, hours);
        request.filter = filter.0.map(Into::into);
        // A page view of /b or below, anything but a purchase, a click.
        request.pattern = Some("(path ~ '^/b')->[^purchase]*->click".into());
        let answer = ask(&world, &request);
        let (mut all, mut matched, mut times) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for visit in inside(&visits(&world), period) {
            let rows: Vec<&Event> = visit.iter().map(|row| &row.event).filter(|event| filter.1(event)).collect();
            let mut begun = None;
            for event in &rows {
                *all.entry(event.visitor.0).or_insert(0) += usize::from(std::ptr::eq(*event, rows[0]));
                if let Some(began) = begun.filter(|_| event.name == "click") {
                    let _ = matched.entry(event.visitor.0).or_insert_with(BTreeSet::new).insert(rows[0].ts);
                    times.push(event.ts.0 - began);
                    begun = None;
                } else if TESTS[1].1(event) {
                    begun = Some(event.ts.0);
                } else if event.name == "purchase" {
                    begun = None;
                }
            }
        }
        let row = &answer.rows[0];
        assert_eq!(row["matches"], json!(times.len()), "{request:?}");
        assert_eq!(row["visits"], json!(matched.values().map(BTreeSet::len).sum::<usize>()));
        assert_eq!(row["visitors"], json!(matched.len()));
        assert_eq!(answer.meta["visits"], json!(all.values().sum::<usize>()));
        assert_eq!(answer.meta["visitors"], json!(all.len()));
    }

    #[test]
    fn attribution_is_what_the_definition_says(
        world in world(), hours in (-3_i64..60, 0_i64..60), filter in select(&FILTERS[..]), end in select(&TESTS[..]),
        touch in select(&["first", "last", "last-non-direct"][..]),
        window in select(&[("0s", 0), ("2h", 120), ("2d", 2880)][..]),
    ) {
        let (mut request, period) = request("attribution", &world, hours);
        request.filter = filter.0.map(Into::into);
        request.end = Some(end.0.into());
        request.attribution = Some(touch.into());
        request.window = Some(window.0.into());
        let answer = ask(&world, &request);
        let converts = |row: &Stored| is_in(period, row) && filter.1(&row.event) && end.1(&row.event);
        let mut earned: BTreeMap<Option<String>, (u64, BTreeSet<u64>, usize, i64)> = BTreeMap::new();
        let mut daily = 0;
        for visits in visits(&world) {
            if visits[0][0].event.visitor_kind == VisitorKind::Daily {
                daily += u64::from(visits.iter().flatten().any(|row| converts(row)));
                continue;
            }
            for (own, visit) in visits.iter().enumerate() {
                for row in visit.iter().filter(|row| converts(row)) {
                    let ts = row.event.ts.0;
                    let is_recent = |visit: &&Visit<'_>| ts - visit[0].event.ts.0 <= window.1 * Micros::MINUTE;
                    let mut led: Vec<&Visit<'_>> = visits[..own].iter().filter(is_recent).collect();
                    led.push(visit);
                    let is_sent = |visit: &&&Visit<'_>| channel(visit).is_some_and(|channel| channel != "Direct");
                    let touched = match touch {
                        "first" => led[0],
                        "last-non-direct" => led.iter().rev().find(is_sent).copied().unwrap_or(visit),
                        _ => visit,
                    };
                    let earned = earned.entry(channel(touched).map(Into::into)).or_default();
                    earned.0 += 1;
                    earned.1.insert(row.event.visitor.0);
                    earned.2 += led.len();
                    earned.3 += ts - touched[0].event.ts.0;
                }
            }
        }
        assert_eq!(answer.meta["excluded"]["daily_visitors"], json!(daily));
        for row in &answer.rows {
            let (conversions, visitors, visits, since) = earned.remove(&row["key"].as_str().map(Into::into)).unwrap();
            assert_eq!(row["conversions"], json!(conversions), "{request:?}");
            assert_eq!(row["visitors"], json!(visitors.len()));
            assert_near(row, "visits", Some(visits as f64 / conversions as f64));
            assert_near(row, "days", Some(since as f64 / conversions as f64 / Micros::DAY as f64));
        }
        assert!(earned.is_empty(), "no rows for {earned:?}: {request:?}");
    }

    #[test]
    fn segments_are_what_the_definition_says(
        mut world in world(), hours in (-3_i64..30, 0_i64..40),
        filter in prop::option::of(select(&TESTS[..])), against in select(&TESTS[..]),
        currency in prop::option::of(Just("EUR")),
    ) {
        world.goals = true;
        if let Some(currency) = currency {
            world.rows.iter_mut().for_each(|row| row.event.currency = Some(currency.into()));
        }
        let (mut request, period) = request("segments", &world, hours);
        request.filter = filter.map(|test| test.0.into());
        request.against = Some(against.0.into());
        let answer = ask(&world, &request);
        let mut groups: [Vec<Vec<Visit<'_>>>; 2] = Default::default();
        let mut both = 0;
        for visits in visits(&world) {
            let rows = || visits.iter().flatten().filter(|row| is_in(period, row));
            let other = rows().any(|row| against.1(&row.event));
            let one = filter.map_or(!other, |test| rows().any(|row| test.1(&row.event)));
            if rows().next().is_none() {
                continue;
            }
            let of_period = visits.iter().filter(|visit| is_in(period, visit[0])).cloned().collect();
            match (one, other) {
                (true, true) => both += 1,
                (true, false) => groups[0].push(of_period),
                (false, true) => groups[1].push(of_period),
                (false, false) => {}
            }
        }
        assert_eq!(answer.meta["excluded"]["in_both"], json!(both));
        let goal = |row: &&Stored| row.event.name == "purchase" || is_page(row) && TESTS[1].1(&row.event);
        let count = |visits: &[Visit<'_>], test: &dyn Fn(&&Stored) -> bool| {
            visits.iter().flatten().filter(|row| test(row)).count() as f64
        };
        let values = |group: &[Vec<Visit<'_>>], metric: &str| -> Vec<f64> {
            let of_visitor = |visits: &Vec<Visit<'_>>| Some(match metric {
                "conversion_rate" => f64::from(u8::from(count(visits, &|row| goal(row)) > 0.0)),
                "return_rate" => f64::from(u8::from(visits.len() > 1)),
                "visits" => visits.len() as f64,
                "pageviews" => count(visits, &|row| is_page(row)),
                "value" => visits.iter().flatten().filter_map(|row| row.event.value).sum(),
                "active_s" => {
                    let active: Vec<u32> = visits.iter().flatten().filter_map(|row| row.event.active_ms).collect();
                    return (!active.is_empty()).then(|| f64::from(active.iter().sum::<u32>()) / 1e3);
                }
                _ => return None,
            });
            group.iter().filter_map(of_visitor).collect()
        };
        let mut earned: BTreeMap<String, f64> = BTreeMap::new();
        for event in groups.iter().flatten().flatten().flatten().map(|row| &row.event).filter(|event| event.value.is_some()) {
            let currency = event.currency.as_ref().map_or_else(String::new, ToString::to_string);
            *earned.entry(currency).or_default() += event.value.unwrap();
        }
        let is_mixed = earned.len() > 1;
        let told: Option<BTreeMap<String, f64>> =
            answer.meta.get("value").map(|value| serde_json::from_value(value.clone()).unwrap());
        let cents = |earned: BTreeMap<String, f64>| earned.into_iter()
            .map(|(currency, value)| (currency, (value * 100.0).round() as i64)).collect::<Vec<_>>();
        assert_eq!(told.map(cents), is_mixed.then(|| cents(earned)));
        assert_eq!(answer.rows.len(), 7);
        for row in answer.rows.iter().filter(|row| row["metric"] != "engaged_rate") {
            let metric = row["metric"].as_str().unwrap();
            let [of_one, of_other] = [0, 1].map(|group| values(&groups[group], metric));
            let is_told = metric != "value" || !is_mixed;
            let [one, other] = [&of_one, &of_other].map(|of| mean(of).filter(|_| is_told));
            // Welch's test divides by a variance, which is that of two visitors at the least.
            let differ = |values: &[f64]| values.iter().any(|value| (value - values[0]).abs() > 1e-9);
            let is_known = match metric.ends_with("_rate") {
                true => one.is_some() && other.is_some(),
                false => is_told && of_one.len() > 1 && of_other.len() > 1 && (differ(&of_one) || differ(&of_other)),
            };
            assert_eq!(["low", "high", "p"].map(|field| row[field].is_null()), [!is_known; 3], "{row:?}");
            assert_near(row, "value", one);
            assert_near(row, "against", other);
            assert_near(row, "difference", one.zip(other).map(|(one, other)| one - other));
            if let (Some(low), Some(high)) = (row["low"].as_f64(), row["high"].as_f64()) {
                let difference = row["difference"].as_f64().unwrap();
                assert!(low <= difference + 1e-9 && difference <= high + 1e-9, "{row:?}");
            }
        }
    }
}

/// One visitor's events: after how many minutes, which name, over which channel.
pub(crate) fn one_visitor(events: &[(i64, &str, &str)]) -> World {
    let start = Micros::parse("2026-05-01T08:00:00Z").unwrap();
    let row = |(seq, (minutes, name, channel)): (u64, &(i64, &str, &str))| Stored {
        event: Event {
            site: SITE.into(),
            visitor_kind: VisitorKind::Subject,
            name: (*name).into(),
            path: Some("/".into()),
            channel: Some((*channel).into()),
            ts: start.plus(minutes * Micros::MINUTE),
            ..Event::default()
        },
        writer: 0,
        seq,
    };
    World {
        rows: (0..).zip(events).map(row).collect(),
        layout: Layout { runs: 1, block: 1000, share_dictionaries: true },
        zone: "UTC",
        now: start.plus(48 * Micros::HOUR),
        threads: 1,
        goals: false,
    }
}

#[test]
fn a_conversion_goes_to_the_visit_that_the_model_names() {
    let world = one_visitor(&[
        (0, "page_view", "Email"),
        (120, "page_view", "Referral"),
        (240, "page_view", "Paid Search"),
        (360, "page_view", "Direct"),
        (361, "purchase", "Direct"),
    ]);
    let key = |attribution: &str, window: &str| {
        let (mut request, _) = request("attribution", &world, (0, 24));
        request.end = Some("name = 'purchase'".into());
        request.attribution = Some(attribution.into());
        request.window = Some(window.into());
        ask(&world, &request).rows[0]["key"].clone()
    };
    assert_eq!(key("first", "7d"), "Email");
    assert_eq!(key("last", "7d"), "Direct");
    assert_eq!(key("last-non-direct", "7d"), "Paid Search");
    // A visit that began just as long ago as the window is long led to it; a minute more, and it did not.
    assert_eq!(key("first", "241m"), "Referral");
    assert_eq!(key("first", "240m"), "Paid Search");
    assert_eq!(key("last-non-direct", "1m"), "Direct");
}

#[test]
fn a_pattern_is_found_twice_in_one_visit() {
    let world = one_visitor(&[
        (0, "page_view", "Email"),
        (1, "click", "Email"),
        (2, "page_view", "Email"),
        (4, "click", "Email"),
    ]);
    let (mut request, _) = request("pattern", &world, (0, 24));
    request.pattern = Some("page_view->click".into());
    let row = ask(&world, &request).rows.remove(0);
    assert_eq!(
        (&row["matches"], &row["visits"], &row["rate"]),
        (&json!(2), &json!(1), &json!(1.0))
    );
    assert_eq!((&row["median_s"], &row["p90_s"]), (&json!(90.0), &json!(120.0)));
}

#[test]
fn nothing_is_certain_of_groups_that_do_not_vary() {
    let visit = |visitor: u64, minutes: i64, name: &str| {
        let mut row = one_visitor(&[(minutes, name, "Email")]).rows.remove(0);
        row.event.visitor = VisitorId(visitor);
        row
    };
    let mut world = one_visitor(&[]);
    world.rows = [(1, 0, "click"), (2, 0, "click"), (3, 0, "purchase"), (4, 0, "purchase")]
        .into_iter()
        .chain([(3, 120, "purchase"), (4, 120, "purchase")])
        .map(|(visitor, minutes, name)| visit(visitor, minutes, name))
        .collect();
    let (mut request, _) = request("segments", &world, (0, 24));
    request.filter = Some("name = 'click'".into());
    request.against = Some("name = 'purchase'".into());
    let rows = ask(&world, &request).rows;
    let row = rows.iter().find(|row| row["metric"] == "visits").unwrap();
    assert_eq!(row["difference"], json!(-1.0));
    assert_eq!(["p", "low", "high"].map(|field| &row[field]), [&Value::Null; 3]);
}
