//! `attribution`: which sources brought the visits that led to what the site's owner wants to happen.
//!
//! A *conversion* is an event in the period that `end` selects, or that reaches a goal. It is led to by its visitor's visits
//! that began before it, and no longer ago than the window; the visit that it happens in is one of them, however old. One of
//! these visits gets all of it: the `first`, the `last`, or the `last-non-direct` one, which is the last whose channel is not
//! Direct, or simply the last where all are.
//!
//! A visitor known for one day only has a past that nobody knows, so it takes no part, and is counted as excluded.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Micros, Text};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    activity::Activity,
    dimension::Dimension,
    facts::PagesReader,
    filter::{Expr, Field},
    fold::{Cells, Fold, History, KeySlot, NULL, NumberSlot, Plan, TestSlot, Visit},
    job::{Job, read},
    metric::{Metric, Tally, currencies, millionths, ratio},
    order::Order,
    span::span,
};

/// How far back visits are looked for unless the request says it.
const WINDOW: &str = "30d";

/// The channel of visits that nothing is known to have brought.
const DIRECT: &str = "Direct";

pub(super) const REPORT: Report = Report {
    name: "attribution",
    doc: "Which sources brought the visits that led to a conversion",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::End,
        Parameter::By,
        Parameter::Attribution,
        Parameter::Window,
        Parameter::Limit,
        Parameter::Order,
    ],
    fields: &[
        (
            "key",
            "the value of the dimension for the visit that gets the conversion: its channel unless `by` says another",
        ),
        ("conversions", "conversions in the period"),
        ("share", "share of all conversions, 0-1"),
        ("visitors", "distinct visitors that converted"),
        (
            "revenue",
            "sum of the conversions' `value`; null where none has one, or they are of several currencies",
        ),
        ("visits", "mean number of visits that led to a conversion"),
        ("days", "mean days from the visit that gets it to the conversion"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let names: Vec<&str> = REPORT.fields.iter().map(|(name, _)| *name).collect();
    let order = Order::of(request, &names, "conversions")?;
    let mut plan = Plan::default();
    let count = Count::new(&mut plan, &job)?;
    let counted = job.walk(plan, &count)?;
    let cells: Vec<(Option<Text>, Earned)> =
        counted.cells.into_iter().filter(|(_, earned)| earned.tally.events > 0).collect();
    let mut total = Tally::default();
    for (_, earned) in &cells {
        total.add(earned.tally.clone());
    }
    let mut rows: Vec<Row> =
        cells.iter().map(|(key, earned)| row(key.as_ref(), earned, total.events)).collect();
    order.apply(&mut rows, "key", request.limit);
    let mut meta = Row::new();
    meta.insert("conversions".into(), json!(total.events));
    meta.insert("excluded".into(), json!({"daily_visitors": counted.daily}));
    if let Some(currencies) = currencies(&total) {
        meta.insert("revenue".into(), currencies);
    }
    Ok(job.answer(rows, meta))
}

fn row(key: Option<&Text>, earned: &Earned, total: u64) -> Row {
    let tally = &earned.tally;
    let mut row = Row::new();
    row.insert("key".into(), json!(key));
    row.insert("conversions".into(), json!(tally.events));
    row.insert("share".into(), ratio(tally.events as f64, total));
    row.insert("visitors".into(), json!(tally.visitors));
    row.insert("revenue".into(), Metric::Revenue.tell(tally, true));
    row.insert("visits".into(), ratio(earned.visits as f64, tally.events));
    row.insert("days".into(), ratio(earned.since as f64 / Micros::DAY as f64, tally.events));
    row
}

/// Which of the visits that led to a conversion gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touch {
    First,
    Last,
    LastNonDirect,
}

impl Touch {
    fn of(request: &Request) -> Result<Touch, Error> {
        match request.attribution.as_deref() {
            Some("first") => Ok(Touch::First),
            None | Some("last") => Ok(Touch::Last),
            Some("last-non-direct") => Ok(Touch::LastNonDirect),
            Some(other) => {
                let problem = format!("is `{other}`: it can be first, last or last-non-direct");
                Err(Error::parameter("attribution", problem))
            }
        }
    }
}

/// Counts conversions by what led to them.
struct Count {
    converts: TestSlot,
    touch: Touch,
    window: i64,
    by: By,
    channel: KeySlot,
    pages: PagesReader,
    activity: Activity,
    money: (NumberSlot, KeySlot),
}

/// Whose value a visit counts under.
#[derive(Clone, Copy, Debug)]
enum By {
    Visit(KeySlot),
    Entry(KeySlot),
}

/// What was counted under one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Earned {
    /// Conversions as events, who converted, and the money.
    tally: Tally,
    /// The visits that led to each conversion, added up.
    visits: u64,
    /// The time from the visit that gets it to each conversion, added up, in microseconds.
    since: u128,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    cells: Cells<Earned>,
    daily: u64,
    #[serde(skip)]
    visitors: u32,
}

impl Count {
    fn new(plan: &mut Plan, job: &Job<'_>) -> Result<Count, Error> {
        plan.visits(job.context.visits);
        plan.ever();
        let request = job.request;
        let converts = read("end", request.end.as_deref())?.or_else(|| job.goal.clone());
        let converts = converts.ok_or_else(|| {
            Error::parameter(
                "end",
                "is required where the site has no goals: say what is a conversion",
            )
        })?;
        let converts = Expr::All(job.filter.iter().cloned().chain([converts]).collect());
        Ok(Count {
            converts: plan.test(&converts),
            touch: Touch::of(request)?,
            window: span("window", request.window.as_deref().unwrap_or(WINDOW))?,
            by: by(plan, request)?,
            channel: key(plan, Column::Channel),
            pages: PagesReader::new(plan),
            activity: Activity::new(plan, job),
            money: (plan.number(Column::Value), key(plan, Column::Currency)),
        })
    }

    /// The visit that gets a conversion, of those that led to it.
    fn touched<'v>(&self, history: &History<'_>, led: &'v [Visit]) -> Option<&'v Visit> {
        let is_direct = |visit: &&Visit| {
            let channel = history.key(self.channel)[self.pages.first_or_row(history, visit)];
            history.words(self.channel).get(channel).is_none_or(|channel| channel == DIRECT)
        };
        match self.touch {
            Touch::First => led.first(),
            Touch::Last => led.last(),
            Touch::LastNonDirect => {
                led.iter().rev().find(|visit| !is_direct(visit)).or_else(|| led.last())
            }
        }
    }

    /// The code under which a visit counts.
    fn code(&self, history: &History<'_>, visit: &Visit) -> u32 {
        match self.by {
            By::Visit(slot) => history.key(slot)[self.pages.first_or_row(history, visit)],
            By::Entry(slot) => {
                let page = self.pages.first(history, visit);
                page.map_or(NULL, |row| history.key(slot)[row])
            }
        }
    }

    fn earn(&self, earned: &mut Earned, history: &History<'_>, row: usize, turn: u32) {
        let tally = &mut earned.tally;
        tally.events += 1;
        tally.visitors += u64::from(tally.last_visitor.first(turn));
        let (value, currency) = self.money;
        let value = history.number(value)[row];
        if !value.is_nan() {
            let currency = history.words(currency).get(history.key(currency)[row]);
            tally.earn(currency, millionths(value));
        }
    }
}

fn key(plan: &mut Plan, column: Column) -> KeySlot {
    plan.key(&Field::Column(column))
}

fn by(plan: &mut Plan, request: &Request) -> Result<By, Error> {
    match Dimension::named(request.by.as_deref().unwrap_or("channel"))? {
        Dimension::Visit(column) => Ok(By::Visit(key(plan, column))),
        Dimension::Entry => Ok(By::Entry(key(plan, Column::Path))),
        _ => Err(Error::parameter(
            "by",
            "must be told of a visit: channel, source, entry, country, …",
        )),
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Counted;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        counted.visitors += 1;
        let (converts, times) = (history.test(self.converts), history.times());
        let mut conversions = history.inside().filter(|row| converts[*row]).peekable();
        if conversions.peek().is_none() {
            return Ok(());
        }
        if self.activity.is_daily(history, 0) {
            counted.daily += 1;
            return Ok(());
        }
        let visits: Vec<Visit> = history.visits().collect();
        let (By::Visit(slot) | By::Entry(slot)) = self.by;
        let name = history.words(slot);
        for row in conversions {
            let own = visits.partition_point(|visit| visit.rows.end <= row);
            let oldest = times[row].saturating_sub(self.window);
            let first = visits.partition_point(|visit| visit.start < oldest).min(own);
            let led = visits.get(first..=own).unwrap_or_default();
            let Some(touched) = self.touched(history, led) else { continue };
            let earned =
                counted.cells.of(self.code(history, touched), |code| name.get(code).cloned());
            earned.visits += led.len() as u64;
            earned.since += u128::from(times[row].abs_diff(touched.start));
            self.earn(earned, history, row, counted.visitors);
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.daily += other.daily;
        counted.cells.merge(other.cells, |earned, other| {
            earned.tally.add(other.tally);
            earned.visits += other.visits;
            earned.since += other.since;
        });
    }

    fn finish(&self, counted: Counted) -> Counted {
        counted
    }
}
