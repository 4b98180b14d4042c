//! Answers from memory are those that would be worked out anew, whatever happened in between.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use wayfarer_analysis::{Answers, Context, Goal, Request, Segment, VisitRule, answer};
use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::{Ids, Lake, Options, Person};

const SITE: &str = "a.example";
const NOW: i64 = 1_769_000_000_000_000;

/// What may happen between two questions.
#[derive(Clone, Debug)]
enum Change {
    /// An event of a visitor, so many minutes before the present.
    Event(u64, i64),
    Erase(u64),
    Seal,
    Compact,
    /// The present moves on, by minutes.
    Time(i64),
    Zone(&'static str),
    Goal(&'static str),
    Segment(&'static str),
    Gap(i64),
}

fn change() -> impl Strategy<Value = Change> {
    let minutes = prop_oneof![0..3_i64, 0..300_i64, 0..60_000_i64];
    prop_oneof![
        6 => (0..4_u64, minutes).prop_map(|(visitor, ago)| Change::Event(visitor, ago)),
        1 => (0..4_u64).prop_map(Change::Erase),
        1 => Just(Change::Seal),
        1 => Just(Change::Compact),
        2 => prop_oneof![Just(0), 1..10_i64, 1..3000_i64].prop_map(Change::Time),
        1 => prop_oneof![Just("UTC"), Just("Asia/Shanghai")].prop_map(Change::Zone),
        1 => prop_oneof![Just("path = '/1'"), Just("path = '/2'")].prop_map(Change::Goal),
        1 => prop_oneof![Just("path = '/0'"), Just("path != '/0'")].prop_map(Change::Segment),
        1 => prop_oneof![Just(30), Just(5)].prop_map(Change::Gap),
    ]
}

/// Questions of every kind: whole, of days, of the last hours; that look at the present, and that do not.
fn questions() -> Vec<Request> {
    let of =
        |report: &str| Request { report: report.into(), site: SITE.into(), ..Request::default() };
    let segment = vec!["some".to_owned()];
    vec![
        of("overview"),
        Request { from: Some("24h".into()), ..of("trend") },
        Request { from: Some("7d".into()), compare: Some("previous".into()), ..of("trend") },
        Request { by: Some("path".into()), segment, ..of("breakdown") },
        Request { by: Some("goal".into()), from: Some("30d".into()), ..of("breakdown") },
        of("goals"),
        of("visits"),
        of("transitions"),
        Request { interval: Some("day".into()), ..of("retention") },
        Request {
            steps: vec!["path = '/0'".into(), "path = '/1'".into()],
            window: Some("1h".into()),
            ..of("funnel")
        },
    ]
}

fn event(visitor: u64, ts: Micros, n: usize) -> Event {
    Event {
        site: SITE.into(),
        visitor: VisitorId(visitor << 60 | 7),
        visitor_kind: VisitorKind::FirstParty,
        name: "page_view".into(),
        path: Some(format!("/{}", n % 3).into()),
        ts,
        received_at: ts,
        ..Event::default()
    }
}

/// Asks all questions after each change, from memory and anew. Tells how many answers came from memory.
async fn history(changes: Vec<Change>, bytes: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let day = Duration::from_hours(24);
    let options = Options {
        clock: Arc::new(|| Micros(NOW)),
        seal_after: day,
        compact_after: day,
        ..Options::default()
    };
    let lake = Lake::open(folder.path(), options).await.unwrap();
    let answers = Answers::new(bytes);
    let mut context = Context::new(lake.view(), TimeZone::UTC, Micros(NOW));
    context.threads = 1;
    context.goals = vec![Goal { name: "g".into(), filter: "path = '/1'".into() }];
    let segment = |filter: &str| Segment {
        name: "some".into(),
        filter: Some(filter.into()),
        ..Segment::default()
    };
    context.segments = vec![segment("path = '/0'")];
    for (n, change) in changes.into_iter().enumerate() {
        match change {
            Change::Event(visitor, ago) => {
                let ts = context.now.plus(-ago * Micros::MINUTE);
                lake.append(vec![event(visitor, ts, n)], Ids::Window).await.unwrap();
            }
            Change::Erase(visitor) => {
                let person = Person::Visitor(VisitorId(visitor << 60 | 7));
                lake.erase(&[SITE.to_owned()], &person).await.unwrap();
            }
            Change::Seal => lake.seal().await.unwrap(),
            Change::Compact => drop(lake.compact().await.unwrap()),
            Change::Time(minutes) => context.now = context.now.plus(minutes * Micros::MINUTE),
            Change::Zone(name) => context.timezone = TimeZone::get(name).unwrap(),
            Change::Goal(filter) => context.goals[0].filter = filter.into(),
            Change::Segment(filter) => context.segments = vec![segment(filter)],
            Change::Gap(minutes) => {
                context.visits =
                    VisitRule { gap: minutes * Micros::MINUTE, ..VisitRule::default() };
            }
        }
        context.source = Arc::new(lake.view());
        for request in questions() {
            let anew = answer(&context, &request).unwrap();
            for time in ["first", "second"] {
                let told = answers.answer(&context, &request).unwrap();
                assert_eq!(told, anew, "the {time} time, after change {n}: {request:?}");
            }
            assert!(answers.bytes() <= bytes);
        }
    }
    lake.close().await.unwrap();
    answers.found()
}

fn tell(changes: Vec<Change>, bytes: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(history(changes, bytes))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::world::config().cases.min(4096) / 64 + 3, ..crate::world::config() })]

    #[test]
    fn an_answer_from_memory_is_never_an_old_one(
        changes in prop::collection::vec(change(), 1..14),
        bytes in prop_oneof![Just(1 << 20), Just(20_000)],
    ) {
        tell(changes, bytes);
    }
}

#[test]
fn what_did_not_change_is_not_worked_out_again() {
    let questions = questions().len() as u64;
    assert_eq!(tell(vec![Change::Event(1, 5)], 1 << 20), questions);
    // With time, only what looks at the present is asked anew.
    let found = tell(vec![Change::Event(1, 5), Change::Time(0)], 1 << 20);
    assert_eq!(found, 3 * questions);
    let found = tell(vec![Change::Event(1, 5), Change::Time(1)], 1 << 20);
    assert!(found > 2 * questions && found < 3 * questions, "{found}");
    assert_eq!(tell(vec![Change::Event(1, 5)], 0), 0);
}

#[test]
fn who_has_left_is_not_active_in_an_old_answer() {
    // What is told from memory is compared with what is worked out anew: only time has passed.
    tell(vec![Change::Event(1, 1), Change::Time(20)], 1 << 20);
}
