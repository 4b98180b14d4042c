//! The fold behind `overview`, `trend` and `breakdown`: metrics by key.
//!
//! Events that the filter selects are counted where they lie in the period. Visits are counted where they start in it and
//! have at least one selected event; what is told of them (bounce, duration, …) is told of the visit as a whole.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wayfarer_event::{Column, Text};

use crate::{
    Error,
    dimension::Dimension,
    facts::{Facts, FactsReader},
    filter::{Expr, Field},
    fold::{Cells, Fold, Groups, History, KeySlot, MaskSlot, NumberSlot, Plan, TestSlot, Visit},
    job::{Job, goal_filters, page_view},
    metric::{Metric, Tally, millionths},
    period::Intervals,
    visit_key::VisitKey,
};

/// Counts metrics by key.
pub(crate) struct Measure {
    key: Key,
    selected: Option<TestSlot>,
    /// Set where a metric or the key must know visits.
    visits: Option<FactsReader>,
    /// Set where events are counted, too.
    events: Option<Events>,
}

/// What is counted of events.
#[derive(Clone, Copy)]
struct Events {
    page_view: TestSlot,
    goal: Option<TestSlot>,
    money: Option<(NumberSlot, KeySlot)>,
}

/// Under which key an event counts.
enum Key {
    /// All under one.
    One,
    /// Each under the interval that it lies in; a visit under the one that it starts in.
    Time(Intervals),
    /// Each under its own value; a visit under each value of its selected events.
    Event(KeySlot),
    /// Each under every goal that it reaches; a visit under every goal that one of its selected events reaches.
    Goals(MaskSlot, Vec<Text>),
    /// All of a visit under one value.
    Visit(VisitKey),
}

/// What was counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    cells: Cells<Tally>,
    #[serde(skip)]
    visitors: u32,
    #[serde(skip)]
    visits: u32,
}

impl Measure {
    /// All under one key.
    pub(crate) fn whole(plan: &mut Plan, job: &Job<'_>, metrics: &[Metric]) -> Measure {
        Measure::new(plan, job, metrics, Key::One)
    }

    /// By interval.
    pub(crate) fn by_time(
        plan: &mut Plan,
        job: &Job<'_>,
        metrics: &[Metric],
        intervals: Intervals,
    ) -> Measure {
        Measure::new(plan, job, metrics, Key::Time(intervals))
    }

    /// By dimension.
    pub(crate) fn by(
        plan: &mut Plan,
        job: &Job<'_>,
        metrics: &[Metric],
        dimension: &Dimension,
    ) -> Result<Measure, Error> {
        let groups = Groups::read("group", &job.request.group)?;
        if groups.is_some() && matches!(dimension, Dimension::Goal | Dimension::NewReturning) {
            return Err(Error::parameter("group", "cannot be given for this dimension"));
        }
        let of_visit = VisitKey::of(plan, job.context.visits, dimension, groups.as_ref());
        let key = match dimension {
            Dimension::Goal => {
                let goals = &job.context.goals;
                let mask = plan.mask(&goal_filters(job.context)?);
                Key::Goals(mask, goals.iter().map(|goal| Text::from(&goal.name)).collect())
            }
            Dimension::Event(field) => Key::Event(plan.grouped(field, groups.as_ref())),
            _ => of_visit.map_or(Key::One, Key::Visit),
        };
        Ok(Measure::new(plan, job, metrics, key))
    }

    fn new(plan: &mut Plan, job: &Job<'_>, metrics: &[Metric], key: Key) -> Measure {
        let of_visits =
            metrics.iter().any(|metric| metric.of_visits()) || matches!(key, Key::Visit(_));
        if of_visits {
            plan.visits(job.context.visits);
        }
        // Under other keys an event makes a row, whatever is told of it.
        let of_events = !matches!(key, Key::One | Key::Time(_))
            || metrics.iter().any(|metric| !metric.of_visits());
        Measure {
            key,
            selected: job.filter.as_ref().map(|filter| plan.test(filter)),
            visits: of_visits.then(|| FactsReader::telling(plan, metrics, job.goal.as_ref())),
            events: of_events.then(|| Events::new(plan, job, metrics)),
        }
    }
}

impl Events {
    fn new(plan: &mut Plan, job: &Job<'_>, metrics: &[Metric]) -> Events {
        let with_goals = metrics
            .iter()
            .any(|metric| matches!(metric, Metric::Conversions | Metric::ConversionRate));
        Events {
            page_view: plan.test(&page_view()),
            goal: job.goal.as_ref().filter(|_| with_goals).map(|goal| plan.test(goal)),
            money: metrics
                .contains(&Metric::Revenue)
                .then(|| (plan.number(Column::Value), self::key(plan, Column::Currency))),
        }
    }
}

fn key(plan: &mut Plan, column: Column) -> KeySlot {
    plan.key(&Field::Column(column))
}

impl Fold for Measure {
    type State = Counted;
    type Output = Vec<(Option<Text>, Tally)>;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        counted.visitors += 1;
        let inside = history.inside();
        let Some(facts) = &self.visits else {
            self.events(counted, history, inside, None);
            return Ok(());
        };
        for (nth, visit) in history.visits().enumerate() {
            let (start, end) = (visit.rows.start.max(inside.start), visit.rows.end.min(inside.end));
            if start >= end {
                continue;
            }
            let code = match &self.key {
                Key::Visit(key) => Some(key.code(history, &visit, nth)),
                _ => None,
            };
            self.events(counted, history, start..end, code);
            if visit.starts_inside {
                counted.visits += 1;
                self.visit(counted, history, &visit, (code, &facts.read(history, &visit)));
            }
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.cells.merge(other.cells, Tally::add);
    }

    fn finish(&self, counted: Counted) -> Self::Output {
        counted.cells.into_iter().collect()
    }
}

impl Measure {
    /// Counts the selected events among these rows, if events are counted.
    fn events(
        &self,
        counted: &mut Counted,
        history: &History<'_>,
        rows: Range<usize>,
        of_visit: Option<u32>,
    ) {
        let Some(events) = &self.events else { return };
        match &self.key {
            Key::One | Key::Visit(_) => {
                self.together(events, counted, history, (rows, of_visit.unwrap_or(0)));
            }
            Key::Time(intervals) => {
                self.by_interval(events, counted, history, (rows, intervals));
            }
            Key::Event(slot) => {
                let codes = history.key(*slot);
                for row in rows.filter(|row| history.selects(self.selected, *row)) {
                    self.event(events, counted, history, (row, codes[row]));
                }
            }
            Key::Goals(mask, _) => {
                for row in rows.filter(|row| history.selects(self.selected, *row)) {
                    for goal in bits(history.mask(*mask)[row]) {
                        self.event(events, counted, history, (row, goal));
                    }
                }
            }
        }
    }

    /// Counts the selected events among these rows, each under its interval.
    fn by_interval(
        &self,
        events: &Events,
        counted: &mut Counted,
        history: &History<'_>,
        (rows, intervals): (Range<usize>, &Intervals),
    ) {
        if events.goal.is_some() || events.money.is_some() {
            for (interval, rows) in intervals.cut(history.times(), rows) {
                self.together(events, counted, history, (rows, interval as u32));
            }
            return;
        }
        // Most of what is asked, and a few rows an interval: their times are looked at as they are counted.
        let times = &history.times()[rows.clone()];
        let page_views = &history.test(events.page_view)[rows.clone()];
        let selected = self.selected.map(|selected| &history.test(selected)[rows.clone()]);
        let (mut row, mut interval) = (0, 0);
        while let Some(&first) = times.get(row) {
            interval = intervals.find(interval, first);
            let (_, end) = intervals.bounds(interval);
            let (mut all, mut pageviews) = (0, 0);
            loop {
                let is_selected = selected.is_none_or(|selected| selected[row]);
                all += u64::from(is_selected);
                pageviews += u64::from(is_selected & page_views[row]);
                row += 1;
                if times.get(row).is_none_or(|ts| *ts >= end) {
                    break;
                }
            }
            if all > 0 {
                let turn = counted.visitors;
                let tally = self.cell(counted, history, interval as u32);
                tally.count(turn, all, pageviews);
            }
        }
    }

    /// Counts the selected events among these rows, all under one key.
    fn together(
        &self,
        events: &Events,
        counted: &mut Counted,
        history: &History<'_>,
        (rows, code): (Range<usize>, u32),
    ) {
        let selected = self.selected.map(|selected| &history.test(selected)[rows.clone()]);
        // How many of the selected rows a test selects, too.
        let both = |test: TestSlot| {
            let truths = &history.test(test)[rows.clone()];
            match selected {
                None => truths.iter().map(|truth| u64::from(*truth)).sum::<u64>(),
                Some(selected) => {
                    truths.iter().zip(selected).map(|(one, other)| u64::from(one & other)).sum()
                }
            }
        };
        let all = selected.map_or(rows.len() as u64, |selected| {
            selected.iter().map(|truth| u64::from(*truth)).sum()
        });
        if all == 0 {
            return;
        }
        let turn = counted.visitors;
        let tally = self.cell(counted, history, code);
        tally.count(turn, all, both(events.page_view));
        if events.goal.is_some_and(|goal| both(goal) > 0) {
            tally.converted += u64::from(tally.last_converted.first(turn));
        }
        if let Some(money) = events.money {
            for row in rows.filter(|row| history.selects(self.selected, *row)) {
                earn(tally, history, money, row);
            }
        }
    }

    /// Counts an event under a key.
    fn event(
        &self,
        events: &Events,
        counted: &mut Counted,
        history: &History<'_>,
        (row, code): (usize, u32),
    ) {
        let turn = counted.visitors;
        let tally = self.cell(counted, history, code);
        tally.count(turn, 1, u64::from(history.test(events.page_view)[row]));
        if events.goal.is_some_and(|goal| history.test(goal)[row]) {
            tally.converted += u64::from(tally.last_converted.first(turn));
        }
        if let Some(money) = events.money {
            earn(tally, history, money, row);
        }
    }

    /// Counts a visit under each key that it has.
    fn visit(
        &self,
        counted: &mut Counted,
        history: &History<'_>,
        visit: &Visit,
        (code, facts): (Option<u32>, &Facts),
    ) {
        let turn = counted.visits;
        let mut count = |code: u32| {
            let tally = self.cell(counted, history, code);
            if tally.last_visit.first(turn) {
                tally.visits.count(facts);
            }
        };
        for row in visit.rows.clone().filter(|row| history.selects(self.selected, *row)) {
            match &self.key {
                Key::Goals(mask, _) => bits(history.mask(*mask)[row]).for_each(&mut count),
                Key::Event(slot) => count(history.key(*slot)[row]),
                Key::Time(intervals) => return count(intervals.find(0, visit.start) as u32),
                Key::One | Key::Visit(_) => return count(code.unwrap_or(0)),
            }
        }
    }

    fn cell<'c>(
        &self,
        counted: &'c mut Counted,
        history: &History<'_>,
        code: u32,
    ) -> &'c mut Tally {
        counted.cells.of(code, |code| match &self.key {
            Key::One => None,
            Key::Time(intervals) => intervals.labels().get(code as usize).map(Into::into),
            Key::Goals(_, names) => names.get(code as usize).cloned(),
            Key::Event(slot) => history.words(*slot).get(code).cloned(),
            Key::Visit(key) => key.name(history, code),
        })
    }
}

/// Adds the money of a row, if it has any.
fn earn(tally: &mut Tally, history: &History<'_>, money: (NumberSlot, KeySlot), row: usize) {
    let (value, currency) = money;
    let value = history.number(value)[row];
    if !value.is_nan() {
        let currency = history.words(currency).get(history.key(currency)[row]);
        tally.earn(currency, millionths(value));
    }
}

/// The places of the bits that are set.
fn bits(mask: u64) -> impl Iterator<Item = u32> {
    let next = |mask: &u64| (*mask != 0).then(|| mask & (mask - 1));
    std::iter::successors(Some(mask), next).filter(|mask| *mask != 0).map(u64::trailing_zeros)
}

/// The filter of a report by which bot events are known.
pub(crate) fn is_bot() -> Expr {
    let is_null = Expr::Test(Field::Column(Column::BotReason), crate::filter::Test::IsNull);
    Expr::Not(Box::new(is_null))
}
