//! What the definitions say, computed in the plainest way: no runs, no columns, no codes, no look-back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{ToSpan, Zoned, tz::TimeZone};
use serde_json::{Value, json};
use wayfarer_event::{Event, Micros, VisitorKind};
use wayfarer_lake::Stored;

use super::world::{RULE, World};

/// A filter, and what it means.
pub(crate) type Filter = (Option<&'static str>, fn(&Event) -> bool);

pub(crate) const FILTERS: [Filter; 6] = [
    (None, |_| true),
    (Some("name = 'page_view'"), |event| event.name == "page_view"),
    (Some("path ~ '^/b' or value > 5"), |event| {
        path(event).is_some_and(|path| path.starts_with("/b"))
            || event.value.is_some_and(|v| v > 5.0)
    }),
    // Both must be known for the whole to be false, one false one is enough for it to be true.
    (Some("not (status = 404 and source = 'Google')"), |event| {
        let status = event.status.map(|status| status == 404);
        let source = event.source.as_deref().map(|source| source == "Google");
        status == Some(false) || source == Some(false)
    }),
    (Some("source is null and name not in ('click', 'session')"), |event| {
        event.source.is_none() && event.name != "click" && event.name != "session"
    }),
    (Some("prop.plan = 'pro' or prop.n >= 3 or visitor = '0000000000000001'"), |event| {
        let props = event.props.as_deref().unwrap_or_default();
        props.contains("pro") || props.contains(r#""n":3"#) || event.visitor.0 == 1
    }),
];

fn path(event: &Event) -> Option<&str> {
    event.path.as_deref()
}

/// One visit: all rows of one visitor that belong together.
pub(crate) type Visit<'a> = Vec<&'a Stored>;

/// The rows that count, each visitor's in order.
pub(crate) fn histories<'a>(world: &'a World, bots: bool) -> Vec<Vec<&'a Stored>> {
    let mut visitors: BTreeMap<u64, Vec<&'a Stored>> = BTreeMap::new();
    for row in &world.rows {
        if bots || row.event.bot_reason.is_none() {
            visitors.entry(row.event.visitor.0).or_default().push(row);
        }
    }
    let mut histories: Vec<Vec<&Stored>> = visitors.into_values().collect();
    for rows in &mut histories {
        rows.sort_by_key(|row| (row.event.ts, row.seq, row.writer));
    }
    histories
}

/// The visits of one visitor, from the rule alone.
pub(crate) fn visits<'a>(history: &[&'a Stored]) -> Vec<Visit<'a>> {
    let mut visits: Vec<Visit<'a>> = Vec::new();
    for row in history {
        let ts = row.event.ts.0;
        match visits.last_mut() {
            Some(visit)
                if ts - visit[visit.len() - 1].event.ts.0 <= RULE.gap
                    && ts - visit[0].event.ts.0 <= RULE.cap =>
            {
                visit.push(row);
            }
            _ => visits.push(vec![row]),
        }
    }
    visits
}

/// A period: at or after the first, before the second.
pub(crate) type Period = (Micros, Micros);

pub(crate) fn is_in(period: Period, row: &Stored) -> bool {
    period.0 <= row.event.ts && row.event.ts < period.1
}

/// From the start of the first event's day to the end of the last one's.
pub(crate) fn everything(world: &World) -> Option<Period> {
    let times = || world.rows.iter().map(|row| row.event.ts);
    let zone = world.timezone();
    let day = |at: Micros| at.timestamp().to_zoned(zone.clone()).start_of_day().unwrap();
    let end = day(times().max()?).checked_add(1.day()).unwrap();
    Some((day(times().min()?).timestamp().into(), end.timestamp().into()))
}

/// The key under which something counts; `None` where it is not known.
pub(crate) type Key = Option<String>;

/// By what is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    One,
    Hour,
    Day,
    Path,
    Name,
    Plan,
    Status,
    Source,
    Entry,
    Exit,
    NewReturning,
}

impl By {
    /// The name of the dimension.
    pub(crate) fn name(self) -> &'static str {
        match self {
            By::One => "",
            By::Hour => "hour",
            By::Day => "day",
            By::Path => "path",
            By::Name => "name",
            By::Plan => "prop.plan",
            By::Status => "status",
            By::Source => "source",
            By::Entry => "entry",
            By::Exit => "exit",
            By::NewReturning => "new_returning",
        }
    }

    fn of_event(self, zone: &TimeZone, event: &Event) -> Option<Key> {
        let key = match self {
            By::One => None,
            By::Hour | By::Day => Some(self.interval(zone, event.ts)),
            By::Path => path(event).map(Into::into),
            By::Name => Some(event.name.to_string()),
            By::Plan => {
                let props: Value =
                    serde_json::from_str(event.props.as_deref().unwrap_or("{}")).unwrap();
                match &props["plan"] {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                }
            }
            By::Status => event.status.map(|status| status.to_string()),
            _ => return None,
        };
        Some(key)
    }

    fn interval(self, zone: &TimeZone, ts: Micros) -> String {
        let at: Zoned = ts.timestamp().to_zoned(zone.clone());
        match self {
            By::Hour => at.strftime("%Y-%m-%dT%H:00:00%:z").to_string(),
            _ => at.strftime("%Y-%m-%d").to_string(),
        }
    }

    /// The key of a whole visit, the `nth` of its visitor.
    fn of_visit(self, visit: &Visit<'_>, nth: usize) -> Key {
        let mut pages = visit.iter().filter(|row| row.event.name == "page_view");
        match self {
            By::Source => {
                let first = pages.next().unwrap_or(&visit[0]);
                first.event.source.as_ref().map(ToString::to_string)
            }
            By::Entry => pages.next().and_then(|row| path(&row.event)).map(Into::into),
            By::Exit => pages.next_back().and_then(|row| path(&row.event)).map(Into::into),
            By::NewReturning if visit[0].event.visitor_kind == VisitorKind::Daily => None,
            By::NewReturning if nth == 0 => Some("new".into()),
            By::NewReturning => Some("returning".into()),
            _ => None,
        }
    }
}

/// Dimensions at single events: some of the events themselves, some of their visits.
pub(crate) const AT_EVENTS: [By; 6] =
    [By::Path, By::Plan, By::Source, By::Entry, By::Exit, By::NewReturning];

/// The value at each row of a whole history: the event's own, or that of the visit in which it lies.
pub(crate) fn values(by: By, zone: &TimeZone, history: &[&Stored]) -> Vec<Key> {
    let of_visit = |(nth, visit): (usize, Visit<'_>)| -> Vec<Key> {
        let own = |row: &&Stored| by.of_event(zone, &row.event);
        visit.iter().map(|row| own(row).unwrap_or_else(|| by.of_visit(&visit, nth))).collect()
    };
    visits(history).into_iter().enumerate().flat_map(of_visit).collect()
}

/// Everything that is counted under one key.
#[derive(Default)]
struct Counts<'a> {
    events: Vec<&'a Stored>,
    visits: Vec<Visit<'a>>,
}

/// The metrics by key, from the definitions.
pub(crate) fn measure(
    world: &World,
    period: Period,
    selects: impl Fn(&Event) -> bool,
    by: By,
    bots: bool,
) -> BTreeMap<Key, Value> {
    let zone = world.timezone();
    let histories = histories(world, bots);
    let mut counts: BTreeMap<Key, Counts<'_>> = BTreeMap::new();
    for history in &histories {
        for (nth, visit) in visits(history).into_iter().enumerate() {
            let selected: Vec<&Stored> =
                visit.iter().copied().filter(|row| selects(&row.event)).collect();
            let of_visit = by.of_visit(&visit, nth);
            let key =
                |row: &Stored| by.of_event(&zone, &row.event).unwrap_or_else(|| of_visit.clone());
            for row in selected.iter().filter(|row| is_in(period, row)) {
                counts.entry(key(row)).or_default().events.push(row);
            }
            if is_in(period, visit[0]) && !selected.is_empty() {
                let keys: BTreeSet<Key> = match by {
                    By::Hour | By::Day => [key(visit[0])].into(),
                    _ => selected.iter().map(|row| key(row)).collect(),
                };
                for key in keys {
                    counts.entry(key).or_default().visits.push(visit.clone());
                }
            }
        }
    }
    counts.into_iter().map(|(key, counts)| (key, tell(world, &counts))).collect()
}

/// The metrics of nothing.
pub(crate) fn nothing(world: &World) -> Value {
    tell(world, &Counts::default())
}

fn reaches_goal(event: &Event) -> bool {
    event.name == "purchase"
        || event.name == "page_view" && path(event).is_some_and(|path| path.starts_with("/b"))
}

fn visitors<'a>(rows: impl Iterator<Item = &'a &'a Stored>) -> usize {
    rows.map(|row| row.event.visitor).collect::<BTreeSet<_>>().len()
}

fn mean(values: &[f64]) -> Value {
    if values.is_empty() {
        Value::Null
    } else {
        json!(values.iter().sum::<f64>() / values.len() as f64)
    }
}

fn tell(world: &World, counts: &Counts<'_>) -> Value {
    let pages = |rows: &[&Stored]| rows.iter().filter(|row| row.event.name == "page_view").count();
    let duration =
        |visit: &Visit<'_>| (visit[visit.len() - 1].event.ts.0 - visit[0].event.ts.0) as f64;
    let active =
        |visit: &Visit<'_>| visit.iter().filter_map(|row| row.event.active_ms).reduce(|a, b| a + b);
    let bounces = |visit: &Visit<'_>| {
        let passive = ["page_view", "engagement", "session"];
        let acts = visit.iter().filter(|row| !passive.contains(&row.event.name.as_str())).count();
        pages(visit) + acts == 1
    };
    let engaged = |visit: &Visit<'_>| {
        let long = active(visit).map_or(duration(visit) / 1e3, f64::from) > 10_000.0;
        let goal = world.goals && visit.iter().any(|row| reaches_goal(&row.event));
        long || goal || pages(visit) >= 2
    };
    let share = |holds: &dyn Fn(&Visit<'_>) -> bool| {
        mean(
            &counts
                .visits
                .iter()
                .map(|visit| f64::from(u8::from(holds(visit))))
                .collect::<Vec<_>>(),
        )
    };
    let converted = visitors(counts.events.iter().filter(|row| reaches_goal(&row.event)));
    let visitors = visitors(counts.events.iter());
    let valued: Vec<&Event> =
        counts.events.iter().map(|row| &row.event).filter(|event| event.value.is_some()).collect();
    let currencies: BTreeSet<_> = valued.iter().map(|event| event.currency.clone()).collect();
    let cents: i64 = valued.iter().map(|event| (event.value.unwrap() * 100.0).round() as i64).sum();
    let timed: Vec<f64> =
        counts.visits.iter().filter_map(active).map(|ms| f64::from(ms) / 1e3).collect();
    json!({
        "visitors": visitors,
        "visits": counts.visits.len(),
        "pageviews": pages(&counts.events),
        "events": counts.events.len(),
        "bounce_rate": share(&bounces),
        "engaged_rate": share(&engaged),
        "visit_duration_s": mean(&counts.visits.iter().map(|v| if bounces(v) { 0.0 } else { duration(v) / 1e6 }).collect::<Vec<_>>()),
        "active_s": mean(&timed),
        "views_per_visit": mean(&counts.visits.iter().map(|v| pages(v) as f64).collect::<Vec<_>>()),
        "conversions": if world.goals { json!(converted) } else { Value::Null },
        "conversion_rate": match (world.goals, visitors) {
            (false, _) | (_, 0) => Value::Null,
            _ => json!(converted as f64 / visitors as f64),
        },
        "revenue": if currencies.len() == 1 { json!(cents as f64 / 100.0) } else { Value::Null },
    })
}
