//! Conditions on visitors: a report among some visitors is the same report where the others never were.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};
use wayfarer_analysis::{Parameter, Report, Request, Segment, answer, reports};
use wayfarer_event::Micros;
use wayfarer_lake::Stored;

use super::{
    behaviour::{TESTS, Test, ask, request},
    oracle::{FILTERS, histories, is_in},
    world::{config, world},
};

/// Gives a request what its report cannot do without.
pub(crate) fn complete(report: &Report, request: Request) -> Request {
    let reads = |wanted| report.parameters().any(|parameter| parameter == wanted);
    let filter = || "name = 'purchase'".to_owned();
    let needs_end = reads(Parameter::Attribution) && reads(Parameter::End);
    Request {
        report: report.name().into(),
        by: (report.name() == "breakdown").then(|| "path".into()),
        steps: reads(Parameter::Steps).then(filter).into_iter().collect(),
        visitor: reads(Parameter::Visitor).then(|| "0000000000000001".into()),
        pattern: reads(Parameter::Pattern).then(|| "click->purchase".into()),
        end: needs_end.then(filter),
        against: reads(Parameter::Against).then(filter),
        ..request
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_report_among_visitors_is_that_of_a_world_without_the_others(
        world in world(), hours in (-3_i64..30, 0_i64..40), report in select(reports().iter().collect::<Vec<&Report>>()),
        did in prop::collection::vec(select(&TESTS[..]), 0..3), did_not in prop::option::of(select(&TESTS[..])),
        within in prop::option::of(select(&[("0s", 0), ("2h", 2), ("3d", 72)][..])),
    ) {
        prop_assume!(!did.is_empty() || did_not.is_some());
        let (plain, period) = request(report.name(), &world, hours);
        let plain = complete(report, plain);
        let mut among = plain.clone();
        among.did = did.iter().map(|test| test.0.into()).collect();
        among.did_not = did_not.iter().map(|test| test.0.into()).collect();
        among.within = within.map(|(text, _)| text.into());
        let from = within.map_or(period.0, |(_, hours)| period.1.plus(-hours * Micros::HOUR));
        let wanted: BTreeSet<u64> = histories(&world, false)
            .iter()
            .filter(|history| {
                let has = |test: &super::behaviour::Test| {
                    history.iter().any(|row| is_in((from, period.1), row) && test.1(&row.event))
                };
                did.iter().all(has) && !did_not.iter().any(has)
            })
            .map(|history| history[0].event.visitor.0)
            .collect();
        // Visitors of whom only bot events are known have done nothing.
        let nothing: BTreeSet<u64> = world.rows.iter().map(|row| row.event.visitor.0).collect();
        let known: BTreeSet<u64> = histories(&world, false).iter().map(|h| h[0].event.visitor.0).collect();
        let mut without = world.clone();
        without.rows.retain(|row| {
            let visitor = row.event.visitor.0;
            wanted.contains(&visitor) || (did.is_empty() && nothing.contains(&visitor) && !known.contains(&visitor))
        });
        assert_eq!(ask(&world, &among).rows, ask(&without, &plain).rows, "{among:?}");
    }
}

/// A length of time, and its hours.
type Within = (&'static str, i64);

const WITHIN: [Within; 3] = [("0s", 0), ("2h", 2), ("3d", 72)];

fn segment(name: &str, filter: Option<&str>, did: &Test, within: Option<Within>) -> Segment {
    Segment {
        name: name.into(),
        filter: filter.map(Into::into),
        did: vec![did.0.into()],
        within: within.map(|(text, _)| text.into()),
        ..Segment::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// A segment that narrows another, each with its own look back: the report among those of both, of the events of both.
    #[test]
    fn a_report_of_segments_is_that_of_a_world_without_the_others(
        world in world(), hours in (-3_i64..30, 0_i64..40), report in select(reports().iter().collect::<Vec<&Report>>()),
        filter in select(&FILTERS[1..5]), did in select(&TESTS[..]), other in select(&TESTS[..]),
        within in prop::option::of(select(&WITHIN[..])), within_other in prop::option::of(select(&WITHIN[..])),
    ) {
        let (plain, period) = request(report.name(), &world, hours);
        let mut plain = complete(report, plain);
        plain.filter = None;
        let mut narrow = segment("narrow", None, &did, within);
        narrow.segment = vec!["wide".into()];
        let wide = segment("wide", filter.0, &other, within_other);
        let mut context = world.context();
        context.segments = vec![narrow, wide];
        let of_segments = Request { segment: vec!["narrow".into()], ..plain.clone() };
        let found = answer(&context, &of_segments).unwrap();

        let has = |history: &[&Stored], test: &Test, within: Option<Within>| {
            let from = within.map_or(period.0, |(_, hours)| period.1.plus(-hours * Micros::HOUR));
            history.iter().any(|row| is_in((from, period.1), row) && test.1(&row.event))
        };
        let wanted: BTreeSet<u64> = histories(&world, false)
            .iter()
            .filter(|history| has(history, &did, within) && has(history, &other, within_other))
            .map(|history| history[0].event.visitor.0)
            .collect();
        let mut without = world.clone();
        without.rows.retain(|row| wanted.contains(&row.event.visitor.0));
        plain.filter = filter.0.map(Into::into);
        assert_eq!(found.rows, ask(&without, &plain).rows, "{of_segments:?}");
        assert_eq!(found.meta["segment"], serde_json::json!(["narrow"]));
    }
}

#[test]
fn a_segment_that_was_not_saved_is_refused_by_name() {
    let world = super::journeys::one_visitor(&[(0, "page_view", "Email")]);
    let mut context = world.context();
    context.segments = vec![segment("buyers", None, &TESTS[0], None)];
    let mut request = Request { report: "overview".into(), ..Request::default() };
    request.segment = vec!["buyer".into()];
    let error = answer(&context, &request).unwrap_err();
    assert!(error.is_request());
    let said = "`segment` names no saved segment `buyer`, did you mean `buyers`?";
    assert_eq!(error.to_string(), said);
}

#[test]
fn a_time_without_a_condition_is_refused() {
    let request =
        Request { report: "overview".into(), within: Some("3d".into()), ..Request::default() };
    let world = super::journeys::one_visitor(&[(0, "page_view", "Email")]);
    let error = wayfarer_analysis::answer(&world.context(), &request).unwrap_err();
    assert_eq!(error.to_string(), "`within` says when: give `did` or `did_not`, too");
}
