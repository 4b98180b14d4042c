//! Generated histories: a few visitors, with ties, repeats, gaps of just the limit, days of 23 and 25 hours, bots, rows that
//! arrive late, and values that are not known.

use jiff::tz::TimeZone;
use proptest::{prelude::*, sample::select, test_runner::Config};
use wayfarer_analysis::{Context, Goal, VisitRule};
use wayfarer_event::{Event, Micros, VisitorId, VisitorKind};
use wayfarer_lake::Stored;

use super::memory::{Layout, Memory};

pub(crate) const SITE: &str = "shop";

const SECOND: i64 = Micros::SECOND;
const MINUTE: i64 = Micros::MINUTE;
const HOUR: i64 = Micros::HOUR;

/// What lies in the lake, how, and when we are.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) rows: Vec<Stored>,
    pub(crate) layout: Layout,
    pub(crate) zone: &'static str,
    pub(crate) now: Micros,
    pub(crate) threads: usize,
    pub(crate) goals: bool,
}

impl World {
    pub(crate) fn timezone(&self) -> TimeZone {
        TimeZone::get(self.zone).unwrap()
    }

    pub(crate) fn context(&self) -> Context {
        let source = Memory::new(self.rows.clone(), self.layout);
        let mut context = Context::new(source, self.timezone(), self.now);
        context.threads = self.threads;
        context.visits = RULE;
        if self.goals {
            let goal = |name: &str, filter: &str| Goal { name: name.into(), filter: filter.into() };
            context.goals = vec![
                goal("bought", "name = 'purchase'"),
                goal("read", "path ~ '^/b' and name = 'page_view'"),
            ];
        }
        context
    }
}

/// The usual rule, with a cap that generated visits do reach.
pub(crate) const RULE: VisitRule = VisitRule { gap: 30 * MINUTE, cap: 90 * MINUTE };

/// How many cases a property is tried on: `WAYFARER_CASES`, or one hundred.
pub(crate) fn config() -> Config {
    let cases = std::env::var("WAYFARER_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases: u32 = cases.unwrap_or(100);
    // Some properties are about half of the worlds only.
    let max_global_rejects = cases.saturating_mul(4).max(1024);
    Config { cases, max_global_rejects, failure_persistence: None, ..Config::default() }
}

/// A night in which clocks are put forward, one in which they are put back, and a plain one.
const STARTS: [&str; 3] = ["2026-03-28T20:00:00Z", "2026-10-24T19:00:00Z", "2026-06-01T21:30:00Z"];

pub(crate) fn world() -> impl Strategy<Value = World> {
    let histories = (select(&STARTS[..]), prop::collection::vec(visitor(), 0..5));
    let layout = (1_usize..4, select(&[1_usize, 2, 3, 7, 1000][..]), any::<bool>())
        .prop_map(|(runs, block, share_dictionaries)| Layout { runs, block, share_dictionaries });
    let zone = select(&["UTC", "Europe/Berlin", "Asia/Shanghai", "America/Sao_Paulo"][..]);
    (histories, layout, zone, 0_i64..80, 1_usize..4, any::<bool>()).prop_map(
        |((start, visitors), layout, zone, hours, threads, goals)| {
            let start = Micros::parse(start).unwrap();
            World {
                rows: rows(start, visitors),
                layout,
                zone,
                now: start.plus(hours * HOUR),
                threads,
                goals,
            }
        },
    )
}

/// One visitor: who it is, and what it does after how long a pause.
type Visitor = (u64, VisitorKind, Vec<(i64, Event)>);

fn visitor() -> impl Strategy<Value = Visitor> {
    let id = select(&[0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX][..]);
    let kind = select(&VisitorKind::ALL[..]);
    let events = prop_oneof![
        3 => prop::collection::vec((pause(), event()), 1..14),
        1 => prop::collection::vec((short_pause(), event()), 10..40),
    ];
    (id, kind, events)
}

fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => Just(0),
        2 => Just(1),
        4 => (1_i64..900).prop_map(|seconds| seconds * SECOND),
        3 => Just(29 * MINUTE),
        2 => Just(30 * MINUTE),
        2 => Just(30 * MINUTE + 1),
        2 => (1_i64..30).prop_map(|hours| hours * HOUR),
    ]
}

/// No pause that ends a visit: only the cap does.
fn short_pause() -> impl Strategy<Value = i64> {
    select(&[MINUTE, 20 * MINUTE, 29 * MINUTE, 30 * MINUTE][..])
}

fn event() -> impl Strategy<Value = Event> {
    let name = select(
        &[
            "page_view",
            "page_view",
            "page_view",
            "click",
            "purchase",
            "engagement",
            "session",
            "exception",
        ][..],
    );
    let path = prop::option::weighted(0.9, select(&["/", "/a", "/b", "/b/1"][..]));
    let source = prop::option::of(select(&["Google", "Bing"][..]));
    let value = prop::option::weighted(0.3, select(&[0.0, 0.1, 19.99, -3.0][..]));
    let bot = prop::option::weighted(0.08, Just("user agent"));
    let props = prop::option::weighted(
        0.4,
        select(
            &[
                r#"{"plan":"pro"}"#,
                r#"{"plan":"free","n":3}"#,
                r#"{"n":null,"plan":7}"#,
                r#"{"message":"boom"}"#,
            ][..],
        ),
    );
    let more = (
        prop::option::weighted(0.3, 0_u32..12_000),
        prop::option::weighted(0.5, select(&[200_u16, 404, 500][..])),
        prop::option::weighted(0.2, select(&["ann", "bob"][..])),
        prop::option::of(select(&["EUR", "USD"][..])),
        prop::option::weighted(0.3, 0_u8..=100),
        prop::option::weighted(0.7, select(&["Direct", "Referral", "Email"][..])),
    );
    (name, path, source, value, bot, props, more).prop_map(
        |(
            name,
            path,
            source,
            value,
            bot,
            props,
            (active_ms, status, user, currency, scroll, channel),
        )| Event {
            name: name.into(),
            path: path.map(Into::into),
            source: source.map(Into::into),
            value,
            bot_reason: bot.map(Into::into),
            props: props.map(Into::into),
            active_ms,
            status,
            user: user.map(Into::into),
            currency: currency.map(Into::into),
            scroll,
            channel: channel.map(Into::into),
            ..Event::default()
        },
    )
}

/// Gives every event its place in time, and rows an order of arrival that is not that of time.
fn rows(start: Micros, visitors: Vec<Visitor>) -> Vec<Stored> {
    let mut rows = Vec::new();
    for (nth, (id, kind, events)) in visitors.into_iter().enumerate() {
        let mut ts = start.plus(nth as i64 * 17 * MINUTE);
        for (pause, event) in events {
            ts = ts.plus(pause);
            let seq = rows.len() as u64;
            let event = Event {
                site: SITE.into(),
                visitor: VisitorId(id),
                visitor_kind: kind,
                ts,
                received_at: ts,
                ..event
            };
            rows.push(Stored { event, writer: seq % 2, seq: (seq * 7919) % 10_007 });
        }
    }
    rows
}
