//! `engagement`: how long people stay with a page, and how far they read it.
//!
//! Told of visits that start in the period, under each value of a field. **Active time** is what the tracker measured while
//! the page was visible and focused; all of a visit under one value is added up. **Scroll** is the deepest that the visit got
//! there. **Time on page** is told of servers alone, too: from a page view to the visit's next one; how long its last page was
//! looked at is not known, and not 0.

use serde::{Deserialize, Serialize};
use serde_json::json;
use wayfarer_event::{Column, Text};

use super::{Parameter, Report};
use crate::{
    Answer, Context, Error, Request, Row,
    filter::Field,
    fold::{Cells, Fold, Groups, History, KeySlot, NumberSlot, Plan, TestSlot, Visit},
    job::{Job, event_field, page_view},
    metric::ratio,
    order::Order,
};

pub(super) const REPORT: Report = Report {
    name: "engagement",
    doc: "How long people stay with a page, and how far they read it",
    looks_at_now: true,
    parameters: &[
        Parameter::Unit,
        Parameter::By,
        Parameter::Group,
        Parameter::Limit,
        Parameter::Order,
    ],
    fields: &[
        ("key", "the value of the field: the path unless `by` says another"),
        ("visits", "visits that start in the period and have an event under it"),
        ("pageviews", "page views under it in these visits"),
        ("active_s", "mean active seconds of a visit under it, where they are known"),
        ("active_total_s", "all active seconds under it"),
        ("scroll", "mean of the deepest that a visit scrolled under it, 0-100, where it is known"),
        ("time_s", "mean seconds from a page view under it to the visit's next page view"),
    ],
    run,
};

fn run(context: &Context, request: &Request) -> Result<Answer, Error> {
    let job = Job::new(context, request)?;
    let names: Vec<&str> = REPORT.fields.iter().map(|(name, _)| *name).collect();
    let order = Order::of(request, &names, "active_total_s")?;
    let field = event_field(request)?.unwrap_or(Field::Column(Column::Path));
    let groups = Groups::read("group", &request.group)?;
    let mut plan = Plan::default();
    let key = plan.grouped(&field, groups.as_ref());
    let count = Count::new(&mut plan, &job, key);
    let counted = job.walk(plan, &count)?;
    let seen = counted.into_iter().filter(|(_, engaged)| engaged.visits > 0);
    let mut rows: Vec<Row> = seen.map(|(key, engaged)| row(key.as_ref(), &engaged)).collect();
    let mut meta = Row::new();
    meta.insert("keys".into(), json!(rows.len()));
    order.apply(&mut rows, "key", request.limit);
    Ok(job.answer(rows, meta))
}

fn row(key: Option<&Text>, engaged: &Engaged) -> Row {
    let mut row = Row::new();
    row.insert("key".into(), json!(key));
    row.insert("visits".into(), json!(engaged.visits));
    row.insert("pageviews".into(), json!(engaged.pageviews));
    row.insert("active_s".into(), ratio(engaged.active_ms as f64 / 1e3, engaged.active_visits));
    row.insert("active_total_s".into(), json!(engaged.active_ms as f64 / 1e3));
    row.insert("scroll".into(), ratio(engaged.scroll as f64, engaged.scroll_visits));
    row.insert("time_s".into(), ratio(engaged.stay as f64 / 1e6, engaged.stays));
    row
}

/// Counts engagement by key.
struct Count {
    key: KeySlot,
    selected: Option<TestSlot>,
    page_view: TestSlot,
    active: NumberSlot,
    scroll: NumberSlot,
}

/// What was counted under one key.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Engaged {
    visits: u64,
    pageviews: u64,
    /// Visits of which the active time is known, and that time.
    active_visits: u64,
    active_ms: u64,
    /// Visits of which the depth of scrolling is known, and the sum of the deepest.
    scroll_visits: u64,
    scroll: u64,
    /// Page views that another one followed, and the microseconds up to it.
    stays: u64,
    stay: u64,
}

/// What is known after some visitors.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counted {
    cells: Cells<Engaged>,
    /// The rows of one visit by key: kept for its memory alone.
    #[serde(skip)]
    rows: Vec<(u32, usize)>,
}

impl Count {
    fn new(plan: &mut Plan, job: &Job<'_>, key: KeySlot) -> Count {
        plan.visits(job.context.visits);
        Count {
            key,
            selected: job.filter.as_ref().map(|filter| plan.test(filter)),
            page_view: plan.test(&page_view()),
            active: plan.number(Column::ActiveMs),
            scroll: plan.number(Column::Scroll),
        }
    }

    /// Counts the rows that one visit has under one key.
    fn count(&self, engaged: &mut Engaged, history: &History<'_>, rows: &[(u32, usize)]) {
        let page_view = history.test(self.page_view);
        let values = |slot| {
            let values = history.number(slot);
            rows.iter().map(|(_, row)| values[*row]).filter(|value| !value.is_nan())
        };
        engaged.visits += 1;
        engaged.pageviews += rows.iter().filter(|(_, row)| page_view[*row]).count() as u64;
        if let Some(active) = values(self.active).reduce(|one, other| one + other) {
            engaged.active_visits += 1;
            engaged.active_ms += active as u64;
        }
        if let Some(deepest) = values(self.scroll).reduce(f64::max) {
            engaged.scroll_visits += 1;
            engaged.scroll += deepest as u64;
        }
    }

    /// Adds the times from each selected page view of a visit to the next page view.
    fn stay(&self, cells: &mut Cells<Engaged>, history: &History<'_>, visit: &Visit) {
        let (page_view, times, keys) =
            (history.test(self.page_view), history.times(), history.key(self.key));
        let name = |code| history.words(self.key).get(code).cloned();
        let mut before: Option<usize> = None;
        for row in visit.rows.clone().filter(|row| page_view[*row]) {
            if let Some(before) = before.filter(|before| history.selects(self.selected, *before)) {
                let engaged = cells.of(keys[before], name);
                engaged.stays += 1;
                engaged.stay += times[row].abs_diff(times[before]);
            }
            before = Some(row);
        }
    }
}

impl Fold for Count {
    type State = Counted;
    type Output = Cells<Engaged>;
    const VERSION: u32 = 1;

    fn start(&self) -> Counted {
        Counted::default()
    }

    fn visitor(&self, counted: &mut Counted, history: &History<'_>) -> Result<(), Error> {
        let keys = history.key(self.key);
        let name = |code| history.words(self.key).get(code).cloned();
        let Counted { cells, rows } = counted;
        for visit in history.visits().filter(|visit| visit.starts_inside) {
            rows.clear();
            let selected = visit.rows.clone().filter(|row| history.selects(self.selected, *row));
            rows.extend(selected.map(|row| (keys[row], row)));
            rows.sort_unstable();
            for rows in rows.chunk_by(|one, other| one.0 == other.0) {
                self.count(cells.of(rows[0].0, name), history, rows);
            }
            self.stay(cells, history, &visit);
        }
        Ok(())
    }

    fn merge(&self, counted: &mut Counted, other: Counted) {
        counted.cells.merge(other.cells, |engaged, other| {
            engaged.visits += other.visits;
            engaged.pageviews += other.pageviews;
            engaged.active_visits += other.active_visits;
            engaged.active_ms += other.active_ms;
            engaged.scroll_visits += other.scroll_visits;
            engaged.scroll += other.scroll;
            engaged.stays += other.stays;
            engaged.stay += other.stay;
        });
    }

    fn finish(&self, counted: Counted) -> Cells<Engaged> {
        counted.cells
    }
}
