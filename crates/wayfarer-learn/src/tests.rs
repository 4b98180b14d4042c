use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use proptest::{prelude::*, sample::select, test_runner::Config};
use wayfarer_analysis::{Context, VisitRule};
use wayfarer_event::{Event, Insights, Micros, Rests, VisitorId};
use wayfarer_lake::{Ids, Lake, Options, Stored};

use crate::NextPages;

const SITE: &str = "shop";
const RULE: VisitRule = VisitRule { gap: 30 * Micros::MINUTE, cap: 2 * Micros::HOUR };
const START: i64 = 1_780_000_000_000_000;

/// One event as it arrives: who, after how long since the one before, how late, and what.
type Arrival = (u64, i64, i64, Option<&'static str>);

fn arrival() -> impl Strategy<Value = Arrival> {
    let pause = prop_oneof![
        6 => 0..20 * Micros::MINUTE,
        2 => Just(30 * Micros::MINUTE),
        1 => 0..20 * Micros::HOUR,
        1 => Just(9 * Micros::DAY),
    ];
    let late = prop_oneof![5 => Just(0), 3 => 0..90 * Micros::MINUTE];
    let page = prop::option::weighted(0.85, select(&["/", "/a", "/b", "/c", "/d"][..]));
    (1_u64..6, pause, late, page)
}

fn event((visitor, _, late, page): &Arrival, received_at: i64) -> Event {
    Event {
        site: SITE.into(),
        visitor: VisitorId(*visitor),
        name: if page.is_some() { "page_view" } else { "click" }.into(),
        path: page.map(Into::into),
        ts: Micros(received_at - late),
        received_at: Micros(received_at),
        bot_reason: (*visitor == 5).then(|| "user agent".into()),
        ..Event::default()
    }
}

/// Puts the events into a lake, and gives them back in the order of arrival.
fn store(events: Vec<Event>) -> (tempfile::TempDir, Lake, Vec<Stored>) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lake = runtime.block_on(async {
        let lake = Lake::open(folder.path(), Options::default()).await.unwrap();
        lake.append(events, Ids::Window).await.unwrap();
        lake
    });
    let mut rows: Vec<Stored> = lake.view().export(None).unwrap().map(Result::unwrap).collect();
    rows.sort_by_key(|row| row.seq);
    runtime.block_on(lake.close()).unwrap();
    (folder, lake, rows)
}

fn context(lake: &Lake, now: Micros) -> Context {
    let mut context = Context::new(lake.view(), TimeZone::UTC, now);
    context.visits = RULE;
    context.threads = 2;
    context
}

/// How many visits had a page, and how many took a step, from the definitions alone.
type Oracle = (u64, BTreeMap<String, u64>, BTreeMap<(String, String), u64>);

fn oracle(rows: &[Stored], now: Micros) -> Oracle {
    let first_day = now.0.div_euclid(Micros::DAY) - 29;
    let mut visitors: BTreeMap<u64, Vec<&Stored>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.event.bot_reason.is_none()) {
        visitors.entry(row.event.visitor.0).or_default().push(row);
    }
    let (mut count, mut pages, mut steps) = (0, BTreeMap::new(), BTreeMap::new());
    for rows in visitors.values_mut() {
        rows.sort_by_key(|row| (row.event.ts, row.seq));
        let mut visits: Vec<Vec<&Stored>> = Vec::new();
        for row in rows.iter() {
            let goes_on = visits.last().is_some_and(|visit| {
                RULE.continues(
                    visit[0].event.ts.0,
                    visit[visit.len() - 1].event.ts.0,
                    row.event.ts.0,
                )
            });
            if goes_on { visits.last_mut().unwrap().push(row) } else { visits.push(vec![row]) }
        }
        for visit in visits {
            let seen: Vec<String> = visit
                .iter()
                .filter_map(|row| row.event.path.as_ref())
                .map(ToString::to_string)
                .collect();
            if seen.is_empty() || visit[0].event.ts.0.div_euclid(Micros::DAY) < first_day {
                continue;
            }
            count += 1;
            for page in seen.iter().collect::<BTreeSet<_>>() {
                *pages.entry(page.clone()).or_default() += 1;
            }
            let pairs = seen.windows(2).filter(|pair| pair[0] != pair[1]);
            for pair in
                pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect::<BTreeSet<_>>()
            {
                *steps.entry(pair).or_default() += 1;
            }
        }
    }
    (count, pages, steps)
}

/// What the model counted, in words.
fn counted(model: &NextPages) -> Oracle {
    let pages = ["/", "/a", "/b", "/c", "/d"];
    let popular = model.counts.popular(&model.paths, usize::MAX).into_iter();
    let popular = popular.map(|(path, count)| (path.to_owned(), count)).collect();
    let mut steps = BTreeMap::new();
    for from in pages {
        if let Some(code) = model.paths.clone().code(from) {
            for (to, count) in model.counts.after(code, &model.paths, usize::MAX) {
                steps.insert((from.to_owned(), to.to_owned()), count);
            }
        }
    }
    (model.counts.visits(), popular, steps)
}

fn suggestions(model: &NextPages, now: Micros) -> Vec<Insights> {
    (0..7).map(|visitor| model.suggest(VisitorId(visitor), now)).collect()
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn live_events_teach_what_training_teaches(
        arrivals in prop::collection::vec(arrival(), 1..120), cut in 0.0..1.0_f64,
    ) {
        let mut clock = START;
        let events: Vec<Event> = arrivals.iter().map(|arrival| {
            clock += arrival.1;
            event(arrival, clock)
        }).collect();
        let now = Micros(clock);
        let cut = (events.len() as f64 * cut) as usize;
        let (_folder, whole, rows) = store(events.clone());
        let (_other, part, _) = store(events[..cut].to_vec());
        let then = events[..cut].last().map_or(Micros(START), |event| event.received_at);

        let trained = NextPages::train(&context(&whole, now), SITE).unwrap();
        let mut live = NextPages::train(&context(&part, then), SITE).unwrap();
        for row in &rows {
            live.observe(row);
        }
        assert_eq!(counted(&trained), oracle(&rows, now));
        assert_eq!(counted(&live), oracle(&rows, now));
        assert_eq!(suggestions(&live, now), suggestions(&trained, now));
        assert_eq!(live.missed(), 0);
    }
}

/// How many cases a property is tried on: `WAYFARER_CASES`, or a few.
fn cases() -> u32 {
    std::env::var("WAYFARER_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

/// A model that saw these visits, each of one visitor, one page a second.
fn model(visits: &[&[&'static str]]) -> NextPages {
    let mut model = NextPages::new(SITE, RULE);
    let mut seq = 0;
    for (visitor, pages) in visits.iter().enumerate() {
        for page in *pages {
            seq += 1;
            let arrival = (100 + visitor as u64, 0, 0, Some(*page));
            let event = event(&arrival, START + seq as i64 * Micros::SECOND);
            model.observe(&Stored { event, writer: 1, seq });
        }
    }
    model
}

fn now() -> Micros {
    Micros(START + Micros::MINUTE)
}

#[test]
fn a_suggestion_says_what_it_rests_on() {
    let model = model(&[&["/", "/a"], &["/", "/a", "/"], &["/", "/b"], &["/", "/", "/a"], &["/"]]);
    let insights = model.suggest(VisitorId(104), now());
    assert_eq!(insights.rests_on, Rests::Transitions);
    assert_eq!((insights.pages.as_slice(), insights.visits), (&["/".to_owned()][..], 5));
    let next: Vec<_> =
        insights.next_pages.iter().map(|p| (p.path.as_str(), p.visits, p.share)).collect();
    assert_eq!(next, [("/a", 3, 0.6), ("/b", 1, 0.2)]);
}

#[test]
fn popularity_is_the_floor_and_too_few_are_said_to_be() {
    let few = model(&[&["/", "/a"], &["/", "/b"], &["/"], &["/a"]]);
    let nothing = few.suggest(VisitorId(100), now());
    assert_eq!((nothing.rests_on, nothing.visits), (Rests::TooFew, 4));
    assert!(nothing.next_pages.is_empty());
    assert_eq!(nothing.pages, ["/", "/a"]);

    let more = model(&[&["/", "/a"], &["/", "/b"], &["/"], &["/a"], &["/c"]]);
    let on_a = more.suggest(VisitorId(100), now());
    assert_eq!((on_a.rests_on, on_a.visits), (Rests::Popularity, 5));
    let paths: Vec<_> = on_a.next_pages.iter().map(|page| page.path.as_str()).collect();
    assert_eq!(paths, ["/", "/b", "/c"], "the page itself is not suggested");
    let stranger = more.suggest(VisitorId(1), now());
    assert_eq!(stranger.next_pages[0].path, "/");
    assert_eq!(stranger.next_pages[0].share, 0.6);
}

#[test]
fn a_visit_that_is_over_is_not_gone_on_with() {
    let model = model(&[&["/", "/a"][..]; 6]);
    let later = Micros(START + Micros::HOUR);
    let insights = model.suggest(VisitorId(103), later);
    assert!(insights.pages.is_empty());
    assert_eq!(insights.rests_on, Rests::Popularity);
}

#[test]
fn events_of_others_and_events_seen_before_teach_nothing() {
    let mut model = model(&[&["/", "/a"][..]; 6]);
    let before = counted(&model);
    let arrival = (7, 0, 0, Some("/z"));
    let other_site = Event { site: "other".into(), ..event(&arrival, START) };
    model.observe(&Stored { event: other_site, writer: 1, seq: 100 });
    model.observe(&Stored { event: event(&arrival, START), writer: 1, seq: 100 });
    let late = Event { ts: Micros(START - Micros::DAY), ..event(&arrival, START + Micros::MINUTE) };
    model.observe(&Stored { event: late, writer: 1, seq: 101 });
    assert_eq!(counted(&model), before);
    assert_eq!(model.missed(), 1);
}

#[test]
fn a_machine_does_not_fill_memory() {
    let mut model = NextPages::new(SITE, RULE);
    for seq in 1..=6_000 {
        let event = event(&(1, 0, 0, Some("/")), START + seq as i64);
        model.observe(&Stored { event, writer: 1, seq });
    }
    assert_eq!(model.missed(), 1_000);
    assert_eq!(model.counts.visits(), 0, "a visit of so many events teaches nothing");
}

#[test]
fn a_bot_alone_moves_the_window_too() {
    let mut model = model(&[&["/"][..]]);
    assert_eq!(model.counts.visits(), 1);
    let bot = event(&(5, 0, 0, None), START + 36 * Micros::DAY);
    model.observe(&Stored { event: bot, writer: 1, seq: 100 });
    assert_eq!(model.counts.visits(), 0, "the visit is older than the window");
}
