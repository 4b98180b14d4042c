//! The table `visits`: what the rule of visits makes of the events of people, one row a visit.
//!
//! Visitors are walked over in so many ranges that the visits of one range, which are held at once, are few.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::TableType,
    physical_plan::streaming::PartitionStream,
};
use serde::{Deserialize, Serialize};
use wayfarer_analysis::{
    Error, VisitRule,
    filter::{self, Field as EventField},
    fold::{Fold, History, Hooks, KeySlot, Plan, TestSlot, Walk},
};
use wayfarer_event::{Column, Text};
use wayfarer_lake::View;

use crate::table::{Asked, Rows, Table, blocking, external, instant, ranges};

/// About how many rows one range of visitors has.
const RANGE_ROWS: u64 = 1 << 20;
/// How many visits one batch has.
const BATCH: usize = 8192;

/// The rows.
pub(crate) struct Visits {
    rule: VisitRule,
    /// All columns.
    schema: SchemaRef,
}

/// The table.
pub(crate) fn visits(view: Arc<View>, rule: VisitRule, threads: usize) -> Table<Visits> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("site", DataType::Utf8, false),
        Field::new("visitor", DataType::UInt64, false),
        Field::new("start", instant(), false),
        Field::new("end", instant(), false),
        Field::new("duration_s", DataType::Float64, false),
        Field::new("entry", DataType::Utf8, true),
        Field::new("exit", DataType::Utf8, true),
        Field::new("pageviews", DataType::UInt64, false),
        Field::new("events", DataType::UInt64, false),
        Field::new("bounce", DataType::Boolean, false),
    ]));
    let rows = Visits { rule, schema: Arc::clone(&schema) };
    Table { view, threads, schema, rows }
}

impl Rows for Visits {
    const KIND: TableType = TableType::View;

    fn parts(&self, asked: &Asked) -> Vec<Arc<dyn PartitionStream>> {
        let part = |nth: usize| -> Arc<dyn PartitionStream> {
            let mut walks = Vec::new();
            for site in &asked.sites {
                let rows = asked.view.rows(Some(site));
                let ranges = self::ranges((rows / RANGE_ROWS) as usize + asked.threads);
                let own = ranges.into_iter().skip(nth).step_by(asked.threads);
                walks.extend(own.map(|range| (site.clone(), range)));
            }
            Arc::new(Part {
                view: Arc::clone(&asked.view),
                rule: self.rule,
                all: Arc::clone(&self.schema),
                schema: Arc::clone(&asked.schema),
                places: asked.places.clone(),
                walks,
            })
        };
        (0..asked.threads).map(part).collect()
    }
}

/// The visits of some visitors.
struct Part {
    view: Arc<View>,
    rule: VisitRule,
    /// All columns, and those that are wanted.
    all: SchemaRef,
    schema: SchemaRef,
    places: Vec<usize>,
    walks: Vec<(String, RangeInclusive<u64>)>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("walks", &self.walks).finish_non_exhaustive()
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (view, rule, walks) = (Arc::clone(&self.view), self.rule, self.walks.clone());
        let (all, places) = (Arc::clone(&self.all), self.places.clone());
        blocking(&self.schema, move |send| {
            for (site, visitors) in walks {
                let visits = visits_of(&view, rule, &site, visitors).map_err(external)?;
                for visits in visits.chunks(BATCH) {
                    if !send(batch(&site, visits, &all)?.project(&places)?) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }
}

/// One visit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    visitor: u64,
    start: i64,
    end: i64,
    entry: Option<Text>,
    exit: Option<Text>,
    pageviews: u64,
    events: u64,
    bounce: bool,
}

/// Collects visits.
struct Collect {
    page_view: TestSlot,
    /// What nobody does on purpose.
    passive: TestSlot,
    path: KeySlot,
}

fn visits_of(
    view: &View,
    rule: VisitRule,
    site: &str,
    visitors: RangeInclusive<u64>,
) -> Result<Vec<Line>, Error> {
    let Some((first, last)) = view.time_range(site) else { return Ok(Vec::new()) };
    let read = |text: &str| {
        filter::parse(text).map_err(|source| Error::Filter { parameter: "filter", source })
    };
    let mut plan = Plan::default();
    plan.visits(rule);
    let collect = Collect {
        page_view: plan.test(&read("name = 'page_view'")?),
        passive: plan.test(&read("name in ('page_view', 'engagement', 'session')")?),
        path: plan.key(&EventField::Column(Column::Path)),
    };
    let hooks = Hooks::default();
    let walk = Walk {
        source: view,
        site,
        period: (first, last.plus(1)),
        visitors: visitors.clone(),
        plan,
        bots: false,
        threads: 1,
        hooks: &hooks,
    };
    walk.part(&collect, visitors)
}

impl Fold for Collect {
    type State = Vec<Line>;
    type Output = Vec<Line>;
    const VERSION: u32 = 1;

    fn start(&self) -> Vec<Line> {
        Vec::new()
    }

    fn visitor(&self, visits: &mut Vec<Line>, history: &History<'_>) -> Result<(), Error> {
        let (page_view, passive) = (history.test(self.page_view), history.test(self.passive));
        let path = |row: usize| history.words(self.path).get(history.key(self.path)[row]).cloned();
        for visit in history.visits() {
            let pages: Vec<usize> = visit.rows.clone().filter(|row| page_view[*row]).collect();
            let interactions = visit.rows.clone().filter(|row| !passive[*row]).count();
            visits.push(Line {
                visitor: history.visitor().0,
                start: visit.start,
                end: visit.end,
                entry: pages.first().and_then(|row| path(*row)),
                exit: pages.last().and_then(|row| path(*row)),
                pageviews: pages.len() as u64,
                events: visit.rows.len() as u64,
                bounce: pages.len() + interactions == 1,
            });
        }
        Ok(())
    }

    fn merge(&self, visits: &mut Vec<Line>, other: Vec<Line>) {
        visits.extend(other);
    }

    fn finish(&self, visits: Vec<Line>) -> Vec<Line> {
        visits
    }
}

fn batch(site: &str, visits: &[Line], schema: &SchemaRef) -> Result<RecordBatch> {
    let times = |of: fn(&Line) -> i64| -> ArrayRef {
        let times = visits.iter().map(of);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let counts = |of: fn(&Line) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(visits.iter().map(of)))
    };
    let paths = |of: fn(&Line) -> Option<&Text>| -> ArrayRef {
        let paths = visits.iter().map(|line| of(line).map(Text::as_str));
        Arc::new(paths.collect::<StringArray>())
    };
    let seconds = visits.iter().map(|line| (line.end - line.start) as f64 / 1e6);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(site, visits.len()))),
        counts(|line| line.visitor),
        times(|line| line.start),
        times(|line| line.end),
        Arc::new(Float64Array::from_iter_values(seconds)),
        paths(|line| line.entry.as_ref()),
        paths(|line| line.exit.as_ref()),
        counts(|line| line.pageviews),
        counts(|line| line.events),
        Arc::new(visits.iter().map(|line| Some(line.bounce)).collect::<BooleanArray>()),
    ];
    let options = RecordBatchOptions::new().with_row_count(Some(visits.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
}
