//! Reports by person: the same reports over a world in which every row already is its person's.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};
use wayfarer_analysis::{Parameter, Report, Request, reports};
use wayfarer_event::{VisitorId, VisitorKind};

use super::{
    among::complete,
    behaviour::{ask, request},
    journeys::one_visitor,
    oracle::{FILTERS, histories},
    world::{World, config, world},
};

/// The number of a person in the other world: far from those of visitors, so that they share no thread with their browsers.
fn number(user: &str) -> VisitorId {
    VisitorId(user.bytes().fold(1 << 40, |sum, byte| sum * 31 + u64::from(byte)))
}

/// The world in which an event is its user's, or else the last user's before it on the same browser, or else the first's after.
pub(crate) fn by_person(world: &World) -> World {
    let mut other = world.clone();
    other.rows.clear();
    for history in histories(world, true) {
        for row in &history {
            let users = || history.iter().filter(|row| row.event.user.is_some());
            let before = users().rfind(|known| known.event.ts <= row.event.ts);
            let own = row.event.user.as_ref().map(|_| row);
            let person = own.or(before).or_else(|| users().next());
            let mut row = (*row).clone();
            if let Some(user) = person.and_then(|row| row.event.user.as_deref()) {
                row.event.visitor = number(user);
                row.event.visitor_kind = VisitorKind::Subject;
            }
            other.rows.push(row);
        }
    }
    other
}

/// Calls persons by their accounts instead of numbers.
pub(crate) fn call_by_account(world: &World, rows: &mut [Map<String, Value>]) {
    let users: BTreeSet<&str> =
        world.rows.iter().filter_map(|row| row.event.user.as_deref()).collect();
    for row in rows {
        let is_of = |user: &&&str| row["visitor"] == number(user).to_string();
        if let Some(user) = users.iter().find(is_of) {
            (row["visitor"], row["user"]) = (Value::Null, json!(user));
        }
    }
}

fn by_unit() -> Vec<&'static Report> {
    reports().iter().filter(|report| report.parameters().any(|it| it == Parameter::Unit)).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_report_by_person_is_that_of_a_world_of_persons(
        world in world(), hours in (-3_i64..30, 0_i64..40), report in select(by_unit()),
        filter in select(&FILTERS[..5]), bots in any::<bool>(), interval in select(&["hour", "day"][..]),
    ) {
        let (plain, _) = request(report.name(), &world, hours);
        let mut plain = complete(report, plain);
        plain.filter = filter.0.map(Into::into);
        plain.bots = bots;
        if report.parameters().any(|it| it == Parameter::Interval) && report.name() != "funnel" {
            plain.interval = Some(interval.into());
        }
        let person = Request { unit: Some("user".into()), ..plain.clone() };
        let (mut found, mut expected) = (ask(&world, &person).rows, ask(&by_person(&world), &plain).rows);
        if report.name() == "funnel-visitors" {
            call_by_account(&world, &mut expected);
            // Of those that came at the same instant, the order is by numbers that only this world has.
            for rows in [&mut found, &mut expected] {
                rows.sort_by_key(|row| json!(row).to_string());
            }
        }
        assert_eq!(found, expected, "{person:?}");
        let visitor = Request { unit: Some("visitor".into()), ..plain.clone() };
        assert_eq!(ask(&world, &visitor).rows, ask(&world, &plain).rows);
    }
}

/// Three visitors, of whom the first two are one account.
fn two_browsers_of_ann_and_one_of_nobody() -> World {
    let mut world = one_visitor(&[
        (0, "page_view", "Email"),
        (90, "page_view", "Direct"),
        (200, "page_view", "Direct"),
    ]);
    world.rows[1].event.visitor = VisitorId(7);
    world.rows[2].event.visitor = VisitorId(8);
    for row in &mut world.rows[..2] {
        row.event.user = Some("ann".into());
    }
    world
}

#[test]
fn two_browsers_of_one_account_are_one_person() {
    let world = two_browsers_of_ann_and_one_of_nobody();
    let visitors = |unit: Option<&str>| {
        let (mut request, _) = request("overview", &world, (0, 24));
        request.unit = unit.map(Into::into);
        ask(&world, &request).rows[0]["visitors"].clone()
    };
    assert_eq!((visitors(None), visitors(Some("user"))), (json!(3), json!(2)));
}

#[test]
fn a_unit_is_a_visitor_or_a_user() {
    let world = one_visitor(&[(0, "page_view", "Email")]);
    let (mut request, _) = request("overview", &world, (0, 24));
    request.unit = Some("household".into());
    let error = wayfarer_analysis::answer(&world.context(), &request).unwrap_err();
    assert_eq!(error.to_string(), "`unit` is `household`: it can be visitor or user");
}

#[test]
fn behind_a_bar_stand_accounts() {
    let world = two_browsers_of_ann_and_one_of_nobody();
    let (mut request, _) = request("funnel-visitors", &world, (0, 24));
    request.steps = vec!["name = 'page_view'".into()];
    request.unit = Some("user".into());
    let rows = ask(&world, &request).rows;
    let who: Vec<_> = rows.iter().map(|row| (&row["visitor"], &row["user"])).collect();
    let eight = json!(VisitorId(8).to_string());
    assert_eq!(who, [(&eight, &Value::Null), (&Value::Null, &json!("ann"))]);
}
