//! Pages put together by rules, and ways through something else than pages: the same reports over a world in which the rows
//! already say so.

use proptest::{prelude::*, sample::select};
use wayfarer_analysis::{Request, answer};
use wayfarer_event::Text;

use super::{
    behaviour::{ask, request},
    world::{World, config, world},
};

/// A rule, and which paths fall under it.
type Rule = (&'static str, fn(&str) -> bool);

const RULES: [Rule; 6] = [
    ("Below b=/b/*", |path| path.strip_prefix("/b/").is_some_and(|rest| !rest.contains('/'))),
    ("Below b=/a", |path| path == "/a"),
    ("/b**", |path| path.starts_with("/b")),
    ("/b/*", |path| path.strip_prefix("/b/").is_some_and(|rest| !rest.contains('/'))),
    ("/*", |path| !path[1..].contains('/')),
    ("/a", |path| path == "/a"),
];

/// The world in which every path is called as the first rule that it falls under.
fn named(world: &World, rules: &[Rule]) -> World {
    let mut world = world.clone();
    for row in &mut world.rows {
        let called = |rule: &Rule| Text::from(rule.0.split('=').next().unwrap_or(rule.0));
        let rule = |path: &Text| rules.iter().find(|rule| rule.1(path)).map(called);
        let path = row.event.path.take();
        row.event.path = path.map(|path| rule(&path).unwrap_or(path));
    }
    world
}

const GROUPED: [(&str, Option<&str>); 7] = [
    ("paths", None),
    ("step-matrix", None),
    ("transitions", None),
    ("engagement", None),
    ("breakdown", Some("path")),
    ("breakdown", Some("entry")),
    ("breakdown", Some("exit")),
];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_rule_puts_pages_together(
        mut world in world(), hours in (-3_i64..30, 0_i64..40), (report, by) in select(&GROUPED[..]),
        rules in prop::collection::vec(select(&RULES[..]), 1..4),
    ) {
        // Goals look at paths, and rules are about what is told of them alone.
        world.goals = false;
        let (mut request, _) = request(report, &world, hours);
        request.by = by.map(Into::into);
        let expected = ask(&named(&world, &rules), &request);
        request.group = rules.iter().map(|rule| rule.0.into()).collect();
        assert_eq!(ask(&world, &request).rows, expected.rows, "{request:?}");
    }

    #[test]
    fn a_way_may_lead_through_events(
        mut world in world(), hours in (-3_i64..30, 0_i64..40), report in select(&["paths", "step-matrix", "transitions"][..]),
        anchor in prop::option::of((select(&["click", "purchase", "page_view"][..]), any::<bool>())),
    ) {
        world.goals = false;
        let (plain, _) = request(report, &world, hours);
        let anchored = |field: &str| {
            let mut request = plain.clone();
            if let Some((name, backwards)) = anchor.filter(|_| report != "transitions") {
                let anchor = Some(format!("{field} = '{name}'"));
                if backwards { request.end = anchor } else { request.start = anchor }
            }
            request
        };
        // Every event is a page view of a page that is called as the event was.
        let mut pages = world.clone();
        for row in &mut pages.rows {
            row.event.path = Some(std::mem::replace(&mut row.event.name, "page_view".into()));
        }
        let expected = ask(&pages, &anchored("path"));
        let by_name = Request { by: Some("name".into()), ..anchored("name") };
        assert_eq!(ask(&world, &by_name).rows, expected.rows, "{by_name:?}");
    }
}

#[test]
fn what_cannot_be_grouped_is_refused() {
    let world = super::journeys::one_visitor(&[(0, "page_view", "Email")]);
    let said = |change: &dyn Fn(&mut Request)| {
        let (mut request, _) = request("breakdown", &world, (0, 24));
        request.group = vec!["/a/*".into()];
        change(&mut request);
        answer(&world.context(), &request).unwrap_err().to_string()
    };
    let by = |by: &'static str| move |request: &mut Request| request.by = Some(by.into());
    assert_eq!(said(&by("goal")), "`group` cannot be given for this dimension");
    assert_eq!(said(&by("new_returning")), "`group` cannot be given for this dimension");
    let odd = said(&|request| (request.report, request.by) = ("paths".into(), Some("paht".into())));
    assert_eq!(odd, "`by` names no field `paht` of an event, did you mean `path`?");
}
