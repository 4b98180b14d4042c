//! Puts the runs of one task in one order, some thousand rows at a time.
//!
//! Every run says up to which visitor its rows are in memory; up to the least of these, all visitors are whole. Their rows
//! are gathered column by column, visitor by visitor. Runs come in the order of time, so most visitors need no more; those
//! whose rows overlap in time, or are partly hidden as bots, are sorted by themselves.

use super::{
    Rows, Words,
    cursor::{Cursor, LONGEST, Segment, Task},
    load::Loaded,
    plan::Plan,
};
use crate::Error;

/// About how many rows are gathered at once: so few that they stay in the processor's cache.
const BATCH_ROWS: usize = 32 << 10;
/// How many rows of the longest run are taken at once at the least.
const LEAST_ROWS: usize = 256;

/// Walks over the visitors of several runs.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    batch: Batch,
}

/// Whole visitors, in order.
pub(super) struct Batch {
    pub(super) rows: Rows,
    pub(super) visitors: Vec<Found>,
    segments: Vec<Segment>,
    sorting: Sorting,
}

/// The rows of one visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) visitor: u64,
    pub(super) start: usize,
    /// Where the rows end that count.
    pub(super) kept: usize,
    /// Where the rows end that are left out as those of bots.
    pub(super) end: usize,
}

impl Merge {
    pub(super) fn new(cursors: Vec<Cursor>, plan: &Plan) -> Merge {
        let batch = Batch {
            rows: Rows::new(plan),
            visitors: Vec::new(),
            segments: Vec::new(),
            sorting: Sorting::default(),
        };
        Merge { cursors, batch }
    }

    /// Goes to the next visitors; `None` at the end.
    pub(super) fn next(&mut self, task: &mut Task<'_>) -> Result<Option<&Batch>, Error> {
        let mut live = Vec::with_capacity(self.cursors.len());
        for mut cursor in self.cursors.drain(..) {
            if cursor.ahead(task)? {
                live.push(cursor);
            }
        }
        self.cursors = live;
        if self.cursors.is_empty() {
            return Ok(None);
        }
        let bound = self.bound();
        let mut sources = Vec::new();
        self.batch.segments.clear();
        for cursor in &mut self.cursors {
            cursor.take(bound, &mut self.batch.segments, &mut sources);
        }
        // Each run's are in order, and what is in order already is quickly merged.
        self.batch.segments.sort_by_key(|segment| segment.visitor);
        self.batch.gather(&sources);
        self.batch.settle(&sources, task.site)?;
        Ok(Some(&self.batch))
    }

    /// The visitor before which there are about [`BATCH_ROWS`] rows, of all runs together. The longest run sets the pace: an
    /// equal share for each would make thousands of small batches of one large file beside many small ones.
    fn bound(&self) -> Option<u64> {
        let mut rows = BATCH_ROWS;
        loop {
            let bound = self.cursors.iter().filter_map(|cursor| cursor.bound(rows)).min();
            let taken: usize = self.cursors.iter().map(|cursor| cursor.rows_before(bound)).sum();
            if taken <= 2 * BATCH_ROWS || rows == LEAST_ROWS {
                return bound;
            }
            rows = (rows * BATCH_ROWS / taken).max(LEAST_ROWS);
        }
    }
}

impl Batch {
    /// Copies the rows together, column by column.
    fn gather(&mut self, sources: &[&Loaded]) {
        let Batch { rows, segments, .. } = self;
        gather(&mut rows.times, segments, sources, |block| &block.times);
        for (place, column) in rows.keys.iter_mut().enumerate() {
            gather(column, segments, sources, |block| &block.keys[place]);
        }
        for (place, column) in rows.numbers.iter_mut().enumerate() {
            gather(column, segments, sources, |block| &block.numbers[place]);
        }
        for (place, column) in rows.tests.iter_mut().enumerate() {
            gather(column, segments, sources, |block| &block.tests[place]);
        }
        for (place, column) in rows.masks.iter_mut().enumerate() {
            gather(column, segments, sources, |block| &block.masks[place]);
        }
    }

    /// Puts each visitor's rows in order, those that count first.
    fn settle(&mut self, sources: &[&Loaded], site: &str) -> Result<(), Error> {
        let Batch { rows, visitors, segments, sorting } = self;
        let has_hidden = sources.iter().any(|block| block.hidden.is_some());
        visitors.clear();
        let mut start = 0;
        for segments in segments.chunk_by(|a, b| a.visitor == b.visitor) {
            let count: usize = segments.iter().map(Segment::rows).sum();
            let mut found = Found {
                visitor: segments[0].visitor,
                start,
                kept: start + count,
                end: start + count,
            };
            start = found.end;
            if count > LONGEST {
                return Err(Error::TooMany { what: "events of one visitor", limit: LONGEST });
            }
            if has_hidden || !follow_each_other(segments, sources) {
                let failed = |source| Error::Lake { site: site.to_owned(), source };
                found.kept -= sorting.sort(segments, sources).map_err(failed)?;
                if let Some(order) = sorting.order() {
                    rows.reorder(found.start, &order);
                }
            }
            visitors.push(found);
        }
        Ok(())
    }
}

impl Segment {
    fn rows(&self) -> usize {
        (self.end - self.start) as usize
    }

    fn places(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

fn gather<'a, T: Copy + 'a>(
    into: &mut Vec<T>,
    segments: &[Segment],
    sources: &[&'a Loaded],
    column: impl Fn(&'a Loaded) -> &'a [T],
) {
    into.clear();
    let columns: Vec<&[T]> = sources.iter().map(|block| column(block)).collect();
    for segment in segments {
        into.extend_from_slice(&columns[segment.source as usize][segment.places()]);
    }
}

/// Whether each segment begins later than the one before ends.
fn follow_each_other(segments: &[Segment], sources: &[&Loaded]) -> bool {
    segments.windows(2).all(|pair| {
        let time =
            |segment: &Segment, row: u32| sources[segment.source as usize].times[row as usize];
        time(&pair[0], pair[0].end - 1) < time(&pair[1], pair[1].start)
    })
}

/// Finds the order of one visitor's rows.
#[derive(Default)]
struct Sorting {
    places: Vec<Place>,
}

/// Where a row belongs, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    hidden: bool,
    ts: i64,
    /// `seq` and writer; the same for all while they are not needed.
    arrival: (u64, u64),
    row: usize,
}

impl Sorting {
    /// Sorts the rows of a visitor by time, and by arrival where times are equal. Tells how many of them are hidden.
    fn sort(&mut self, segments: &[Segment], sources: &[&Loaded]) -> wayfarer_lake::Result<usize> {
        self.places.clear();
        for segment in segments {
            let block = sources[segment.source as usize];
            for row in segment.places() {
                let hidden = block.hidden.as_ref().is_some_and(|hidden| hidden[row]);
                let (ts, row) = (block.times[row], self.places.len());
                self.places.push(Place { hidden, ts, arrival: (0, 0), row });
            }
        }
        // What is equal in time lies in order within a run, but not between runs.
        let mut times: Vec<i64> = self.places.iter().map(|place| place.ts).collect();
        times.sort_unstable();
        if segments.len() > 1 && times.windows(2).any(|pair| pair[0] == pair[1]) {
            let rows = segments.iter().flat_map(|segment| {
                segment.places().map(|row| (sources[segment.source as usize], row))
            });
            for (place, (block, row)) in self.places.iter_mut().zip(rows) {
                place.arrival = block.arrival.of(row)?;
            }
        }
        self.places.sort_unstable();
        Ok(self.places.iter().filter(|place| place.hidden).count())
    }

    /// Where the rows lie, in their order; `None` where they lie so already.
    fn order(&self) -> Option<impl Iterator<Item = usize> + Clone + '_> {
        let order = self.places.iter().map(|place| place.row);
        (!order.clone().is_sorted()).then_some(order)
    }
}

/// Empty words for each key of the plan.
pub(super) fn words(plan: &Plan) -> Vec<Words> {
    vec![Words::default(); plan.keys.len()]
}
