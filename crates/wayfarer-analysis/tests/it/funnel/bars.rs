//! Who stands behind the bars that a funnel shows.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};
use serde_json::json;
use wayfarer_analysis::{Answer, Request, Row, answer};
use wayfarer_event::{Micros, VisitorId};

use super::{
    super::{
        attempts::{Asked, Told},
        behaviour::{TESTS, ask, request},
        journeys::one_visitor,
        oracle::{self, AT_EVENTS, FILTERS, Filter, Key, Period, is_in},
        person::{by_person, call_by_account},
        world::{World, config, world},
    },
    asking,
};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn behind_every_bar_stand_those_that_it_counts(
        world in world(), hours in hours(), steps in prop::collection::vec(select(&TESTS[..]), 1..4), filter in filter(),
        asking in asking(), (told, is_open) in told(), (dropped, entered) in any::<(bool, bool)>(), limit in 1_usize..4,
        by_user in any::<bool>(),
    ) {
        let asked = asking.of(&steps);
        let (mut bars, period) = request("funnel", &world, hours);
        asked.ask(&mut bars, asking.window.0);
        bars.filter = filter.0.map(Into::into);
        bars.unit = by_user.then(|| "user".into());
        let told = tell_apart(&mut bars, told, is_open);
        // By person, the answer is that of the world of persons.
        let seen = if by_user { by_person(&world) } else { world.clone() };
        let case = Case { world: &world, seen, asked, filter, period, told, is_open, counted: ask(&world, &bars) };
        for step in 1..=steps.len() {
            let request = Request { report: "funnel-visitors".into(), step: Some(step), ..bars.clone() };
            let request = Request { dropped, entered: entered && is_open, ..request };
            case.check(&request, None);
            for key in case.keys() {
                let request = Request { key: key.clone(), no_key: key.is_none(), ..request.clone() };
                case.check(&request, Some(&key));
            }
            let few = Request { limit: Some(limit), ..request };
            let found = ask(&world, &few);
            assert_eq!(found.rows.len(), limit.min(found.meta["visitors"].as_u64().unwrap() as usize));
            if !by_user {
                assert_eq!(found.rows[..], case.expected(&few, None)[..found.rows.len()], "the latest first: {few:?}");
            }
        }
    }
}

/// A funnel over a world, and what it tells.
struct Case<'a> {
    world: &'a World,
    seen: World,
    asked: Asked<'a>,
    filter: Filter,
    period: Period,
    told: Told,
    is_open: bool,
    counted: Answer,
}

impl Case<'_> {
    /// The keys that `funnel` tells.
    fn keys(&self) -> BTreeSet<Key> {
        let Some(field) = self.told.field() else { return BTreeSet::new() };
        self.counted.rows.iter().map(|row| row[field].as_str().map(Into::into)).collect()
    }

    /// Asks who stands behind a bar, under one key or all, and compares with the oracle and with what `funnel` counts.
    fn check(&self, request: &Request, key: Option<&Key>) {
        let (answer, expected) = (ask(self.world, request), self.expected(request, key));
        assert_eq!(answer.meta["visitors"], json!(expected.len()), "{request:?}");
        if let Some(count) = self.counts(request, key) {
            assert_eq!(count, expected.len() as u64, "{request:?}");
        }
        // Of those that came at the same instant, the order of persons is by numbers that only the other world has.
        let in_order = |mut rows: Vec<Row>| {
            if request.unit.is_some() {
                rows.sort_by_key(|row| json!(row).to_string());
            }
            rows
        };
        assert_eq!(in_order(answer.rows), in_order(expected), "{request:?}");
    }

    /// The rows of those that the oracle finds, the latest first.
    fn expected(&self, request: &Request, key: Option<&Key>) -> Vec<Row> {
        let Case { asked, period, told, is_open, filter, .. } = self;
        let (zone, step) = (self.world.timezone(), request.step.unwrap());
        let until = period.1.plus(asked.longest());
        let mut found = Vec::new();
        for history in oracle::histories(&self.seen, false) {
            let known = history.iter().filter(|row| is_in((period.0, until), row));
            let user = known.filter_map(|row| row.event.user.clone()).next_back();
            let mut stands =
                asked.standings((&history, *filter), (*period, &zone), (*told, *is_open), step);
            stands.retain(|it| key.is_none_or(|key| it.key == *key));
            stands.retain(|it| !(request.dropped && it.goes_on));
            stands.retain(|it| !request.entered || it.entered);
            let visitor = history[0].event.visitor;
            found.extend(
                stands.into_iter().map(|it| (it.reached, visitor, it.key, it.began, user.clone())),
            );
        }
        found.sort_by(|one, other| other.cmp(one));
        let row = |(reached, visitor, key, began, user)| {
            let mut row = Row::new();
            row.extend(told.field().map(|name| (name.to_owned(), json!(key))));
            row.insert("visitor".into(), json!(VisitorId::to_string(&visitor)));
            row.insert("user".into(), json!(user));
            row.insert("began".into(), json!(Micros(began).to_string()));
            row.insert("reached".into(), json!(Micros(reached).to_string()));
            row
        };
        let mut rows: Vec<Row> = found.into_iter().map(row).collect();
        if request.unit.is_some() {
            call_by_account(self.world, &mut rows);
        }
        rows
    }

    /// How many the bar counts, by what `funnel` tells; `None` where that does not say it.
    fn counts(&self, request: &Request, key: Option<&Key>) -> Option<u64> {
        let is_wanted = |row: &&Row| {
            let own = self.told.field().and_then(|field| row[field].as_str());
            key.is_none_or(|key| key.as_deref() == own)
        };
        let sum = |step: usize, field: &str| -> u64 {
            let rows = self.counted.rows.iter().filter(|row| row["step"] == json!(step));
            let counts = rows.filter(is_wanted).filter_map(|row| row.get(field));
            counts.map(|count| count.as_u64().unwrap()).sum()
        };
        let step = request.step?;
        match (request.dropped, request.entered) {
            (false, false) => Some(sum(step, "visitors")),
            (false, true) => Some(sum(step, "entered")),
            (true, true) => None,
            // Who came to the next step need not have done this one in the period.
            (true, false) if self.is_open && self.asked.order == "any" => None,
            (true, false) => {
                Some(sum(step, "visitors") + sum(step + 1, "entered") - sum(step + 1, "visitors"))
            }
        }
    }
}

/// Some hours, or all that happens.
fn hours() -> impl Strategy<Value = (i64, i64)> {
    prop_oneof![(-3_i64..30, 0_i64..40), Just((-3, 400))]
}

/// Mostly everything counts. Not the filter by a visitor: persons have other numbers in the world of persons.
fn filter() -> impl Strategy<Value = Filter> {
    prop_oneof![3 => Just(FILTERS[0]), 1 => select(&FILTERS[..5])]
}

/// How a funnel is told apart, and whether people enter it at any step, where both go together.
fn told() -> impl Strategy<Value = (Told, bool)> {
    let at = select(&["first", "last", "all", "1", "2", "3"][..]);
    let by = (select(&AT_EVENTS[..]), at).prop_map(|(by, at)| (Told::By(by, at), false));
    let by_all = select(&AT_EVENTS[..]).prop_map(|by| (Told::By(by, "all"), true));
    let day = Just((Told::ByDay, false));
    prop_oneof![any::<bool>().prop_map(|open| (Told::Whole, open)), day, by, by_all]
}

/// Says how it is told apart, with a step that there is.
fn tell_apart(request: &mut Request, told: Told, is_open: bool) -> Told {
    request.entry = is_open.then(|| "open".into());
    let told = match told {
        Told::By(by, at) => match at.parse::<usize>() {
            Ok(step) if step > request.steps.len() || request.order.as_deref() == Some("any") => {
                Told::By(by, "first")
            }
            _ => told,
        },
        _ => told,
    };
    match told {
        Told::Whole => {}
        Told::ByDay => request.interval = Some("day".into()),
        Told::By(by, at) => {
            (request.by, request.attribution) = (Some(by.name().into()), Some(at.into()));
        }
    }
    told
}

#[test]
fn which_bar_is_meant_is_said_in_words() {
    let world = one_visitor(&[(0, "page_view", "Email"), (5, "page_view", "Direct")]);
    let problem = |change: &dyn Fn(&mut Request)| {
        let (mut request, _) = request("funnel-visitors", &world, (0, 24));
        request.steps = vec!["name = 'page_view'".into()];
        change(&mut request);
        answer(&world.context(), &request).unwrap_err().to_string()
    };
    let day = |key: &'static str| {
        move |request: &mut Request| {
            (request.interval, request.key) = (Some("day".into()), Some(key.into()));
        }
    };
    let without = "`key` says which of several bars: give `by` or `interval`, too";
    assert_eq!(problem(&|request| request.key = Some("/".into())), without);
    let without = "`no_key` says which of several bars: give `by` or `interval`, too";
    assert_eq!(problem(&|request| request.no_key = true), without);
    let twice = problem(&|request| {
        (request.by, request.key) = (Some("path".into()), Some("/".into()));
        request.no_key = true;
    });
    assert_eq!(twice, "`no_key` cannot be given beside `key`");
    let nameless = problem(&|request| {
        (request.interval, request.no_key) = (Some("day".into()), true);
    });
    assert_eq!(nameless, "`no_key` is about a dimension: no interval is without a name");
    let unknown = "`key` names no interval `2026-6-1` of the period: `2026-05-01` is the first, `2026-05-02` the last";
    assert_eq!(problem(&day("2026-6-1")), unknown);
    let entered =
        "`entered` is about a funnel that people enter at any step: give `entry=open`, too";
    assert_eq!(problem(&|request| request.entered = true), entered);
}

#[test]
fn a_key_that_nobody_has_has_nobody_behind_it() {
    let mut world = one_visitor(&[(0, "page_view", "Email")]);
    let (mut request, _) = request("funnel-visitors", &world, (0, 24));
    request.steps = vec!["name = 'page_view'".into()];
    (request.by, request.key) = (Some("channel".into()), Some("Email".into()));
    assert_eq!(ask(&world, &request).rows.len(), 1);
    request.key = Some("null".into());
    assert_eq!(ask(&world, &request).rows.len(), 0, "a text like others");
    (request.key, request.no_key) = (None, true);
    assert_eq!(ask(&world, &request).meta["visitors"], 0);
    // Nor behind any bar of a site without events.
    world.rows.clear();
    (request.by, request.no_key) = (None, false);
    (request.interval, request.key) = (Some("day".into()), Some("2026-06-01".into()));
    (request.from, request.to) = (None, None);
    assert_eq!(ask(&world, &request).meta["visitors"], 0);
}
