//! Puts the runs of one task in one order, some thousand rows at a time.
//!
//! Every run says up to which visitor its rows are in memory; up to the least of these, all visitors are whole. The rows of
//! a visitor that one block has stay there. Those of others are gathered column by column, visitor by visitor. Runs come in
//! the order of time, so most visitors need no more; those whose rows overlap in time, or are partly hidden as bots, are
//! sorted by themselves.

use super::{
    Rows, Words,
    cursor::{Cursor, LONGEST, Segment, Task},
    load::Loaded,
    plan::Plan,
    rows::{Columns, reorder},
};
use crate::Error;

/// About how many rows are gathered at once: so few that they stay in the processor's cache.
const BATCH_ROWS: usize = 8 << 10;
/// How many rows of the longest run are taken at once at the least.
const LEAST_ROWS: usize = 256;

/// Walks over the visitors of several runs.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    gathered: Gathered,
}

/// Whole visitors, in order.
pub(super) struct Batch<'a> {
    pub(super) visitors: &'a [Found],
    gathered: Rows<'a>,
    sources: Vec<&'a Loaded>,
}

/// Where the rows of one visitor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) visitor: u64,
    /// The block that has all of them; `None` where they were gathered.
    source: Option<u32>,
    pub(super) start: usize,
    /// Where the rows end that count.
    pub(super) kept: usize,
    /// Where the rows end that are left out as those of bots.
    pub(super) end: usize,
}

/// What is worked out for a batch. Its vectors are filled again and again.
struct Gathered {
    visitors: Vec<Found>,
    segments: Vec<Segment>,
    /// Those of visitors whose rows must be copied.
    copied: Vec<Segment>,
    times: Vec<i64>,
    columns: Columns,
    sorting: Sorting,
}

impl Batch<'_> {
    /// The rows among which a visitor's are.
    pub(super) fn rows(&self, found: &Found) -> Rows<'_> {
        match found.source {
            Some(source) => self.sources[source as usize].rows(),
            None => self.gathered,
        }
    }
}

impl Merge {
    pub(super) fn new(cursors: Vec<Cursor>, plan: &Plan) -> Merge {
        let gathered = Gathered {
            visitors: Vec::new(),
            segments: Vec::new(),
            copied: Vec::new(),
            times: Vec::new(),
            columns: Columns::new(plan),
            sorting: Sorting::default(),
        };
        Merge { cursors, gathered }
    }

    /// Goes to the next visitors; `None` at the end.
    pub(super) fn next(&mut self, task: &mut Task<'_>) -> Result<Option<Batch<'_>>, Error> {
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
        let Merge { cursors, gathered } = self;
        gathered.segments.clear();
        for cursor in cursors {
            cursor.take(bound, &mut gathered.segments, &mut sources);
        }
        // Each run's are in order, and what is in order already is quickly merged.
        gathered.segments.sort_by_key(|segment| segment.visitor);
        gathered.find(&sources)?;
        gathered.copy(&sources);
        gathered.settle(&sources, task.site)?;
        let rows = Rows { times: &gathered.times, columns: &gathered.columns };
        Ok(Some(Batch { visitors: &gathered.visitors, gathered: rows, sources }))
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

impl Gathered {
    /// Finds each visitor's rows. Those that one block has stay where they are, unless some of them are hidden.
    fn find(&mut self, sources: &[&Loaded]) -> Result<(), Error> {
        self.visitors.clear();
        self.copied.clear();
        let mut copied = 0;
        for segments in self.segments.chunk_by(|a, b| a.visitor == b.visitor) {
            let Segment { visitor, source, .. } = segments[0];
            let rows: usize = segments.iter().map(Segment::rows).sum();
            if rows > LONGEST {
                return Err(Error::TooMany { what: "events of one visitor", limit: LONGEST });
            }
            let stays = segments.len() == 1 && sources[source as usize].hidden.is_none();
            let (source, start) = if stays {
                (Some(source), segments[0].start as usize)
            } else {
                self.copied.extend_from_slice(segments);
                copied += rows;
                (None, copied - rows)
            };
            let end = start + rows;
            self.visitors.push(Found { visitor, source, start, kept: end, end });
        }
        Ok(())
    }

    /// Copies the other rows together, column by column.
    fn copy(&mut self, sources: &[&Loaded]) {
        let Gathered { copied, times, columns, .. } = self;
        gather(times, copied, sources, |block| &block.times);
        for (place, column) in columns.keys.iter_mut().enumerate() {
            gather(column, copied, sources, |block| &block.columns.keys[place]);
        }
        for (place, column) in columns.numbers.iter_mut().enumerate() {
            gather(column, copied, sources, |block| &block.columns.numbers[place]);
        }
        for (place, column) in columns.tests.iter_mut().enumerate() {
            gather(column, copied, sources, |block| &block.columns.tests[place]);
        }
        for (place, column) in columns.masks.iter_mut().enumerate() {
            gather(column, copied, sources, |block| &block.columns.masks[place]);
        }
    }

    /// Puts what was copied of each visitor in order, the rows that count first.
    fn settle(&mut self, sources: &[&Loaded], site: &str) -> Result<(), Error> {
        let has_hidden = sources.iter().any(|block| block.hidden.is_some());
        let visitors = self.visitors.iter_mut().filter(|found| found.source.is_none());
        let segments = self.copied.chunk_by(|a, b| a.visitor == b.visitor);
        for (found, segments) in visitors.zip(segments) {
            if has_hidden || !follow_each_other(segments, sources) {
                let failed = |source| Error::Lake { site: site.to_owned(), source };
                found.kept -= self.sorting.sort(segments, sources).map_err(failed)?;
                if let Some(order) = self.sorting.order() {
                    reorder(&mut self.times, found.start, order.clone());
                    self.columns.reorder(found.start, &order);
                }
            }
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

/// How many values are copied at once. Most segments are shorter: a copy of fixed length, whose rest the next one overwrites,
/// is cheaper than a call for each.
const PIECE: usize = 16;

fn gather<'a, T: Copy + Default + 'a>(
    into: &mut Vec<T>,
    segments: &[Segment],
    sources: &[&'a Loaded],
    column: impl Fn(&'a Loaded) -> &'a [T],
) {
    let rows: usize = segments.iter().map(Segment::rows).sum();
    into.resize(rows + PIECE, T::default());
    let columns: Vec<&[T]> = sources.iter().map(|block| column(block)).collect();
    let mut at = 0;
    for segment in segments {
        let from = &columns[segment.source as usize][segment.start as usize..];
        copy(&mut into[at..], from, segment.rows());
        at += segment.rows();
    }
    into.truncate(rows);
}

/// Copies so many values, and may copy some more behind them.
fn copy<T: Copy>(into: &mut [T], from: &[T], rows: usize) {
    for at in (0..rows).step_by(PIECE) {
        let piece = into[at..].first_chunk_mut::<PIECE>();
        let (Some(piece), Some(values)) = (piece, from[at..].first_chunk()) else {
            return into[at..rows].copy_from_slice(&from[at..rows]);
        };
        *piece = *values;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_whole() {
        for (rows, more_into, more_from) in
            (0..50).flat_map(|rows| [(rows, 0, 0), (rows, 40, 0), (rows, 0, 40), (rows, 40, 40)])
        {
            let from: Vec<u32> = (1..).take(rows + more_from).collect();
            let mut into = vec![0; rows + more_into];
            copy(&mut into, &from, rows);
            assert_eq!(into[..rows], from[..rows], "{rows} rows");
        }
    }
}
