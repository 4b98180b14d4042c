//! Some files of a site as one sorted run in memory: decoded once, put in one order once, column by column as reports ask.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use wayfarer_event::Column;

use super::{
    builder::Builder,
    order::{Layout, Mixed, Order, SEGMENT_BYTES, Segment, Segments, add_visitors},
    packed::Packed,
    times::Times,
};
use crate::{
    Error, Result,
    block::{Ascent, Values, VisitorRun},
    file::{
        DataFile, SiteSpan,
        arrivals::Arrivals,
        read::{BLOCK_ROWS, each_part, expect, foreign},
        visitors::{VisitorRows, each_visitor, expect_visitors},
    },
};

/// With more different texts than this a column stays in its files.
const MOST_TEXTS: usize = 1 << 20;

/// The files, and what of them was decoded so far.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(super) parts: Vec<Part>,
    pub(super) rows: usize,
    /// `None` where it would take too much memory, or times lie too far apart.
    order: OnceLock<Option<Order>>,
    /// Held by who works out the order.
    sorting: Mutex<()>,
    /// `None` for a column that has too many texts.
    columns: Mutex<HashMap<Column, Option<Arc<Packed>>>>,
}

/// The rows of the site in one file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: Arc<DataFile>,
    pub(super) span: SiteSpan,
}

/// The row group whose order of arrival was asked for last.
pub(super) type LastArrivals = Mutex<Option<(usize, usize, Arc<Arrivals>)>>;

impl Bundle {
    /// Files in the order of their times.
    pub(super) fn new(files: &[(Arc<DataFile>, SiteSpan)]) -> Bundle {
        let rows = files.iter().map(|(_, span)| span.rows as usize).sum();
        let part = |(file, span): &(Arc<DataFile>, SiteSpan)| Part {
            file: Arc::clone(file),
            span: span.clone(),
        };
        let parts = files.iter().map(part).collect();
        Bundle {
            parts,
            rows,
            order: OnceLock::new(),
            sorting: Mutex::default(),
            columns: Mutex::default(),
        }
    }

    /// How long it takes to put in order, beside others: rows of several parts take twice as long as those that stay.
    pub(super) fn effort(&self) -> usize {
        if self.parts.len() > 1 { 2 * self.rows } else { self.rows }
    }

    /// The order of the rows, where it was worked out.
    pub(super) fn order(&self) -> Option<&Order> {
        self.order.get()?.as_ref()
    }

    /// Whether it turned out that the order takes too much memory.
    pub(super) fn is_left_in_files(&self) -> bool {
        self.order.get().is_some_and(Option::is_none)
    }

    /// A column, where it was decoded: within, `None` where it cannot be kept.
    pub(super) fn column(&self, column: Column) -> Option<Option<Arc<Packed>>> {
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).get(&column).cloned()
    }

    /// Lets go of all other columns.
    pub(super) fn keep_columns(&self, columns: &[Column]) {
        let mut own = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|column, _| columns.contains(column));
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let order = self.order().map_or(0, Order::bytes);
        let columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        order + columns.values().flatten().map(|column| column.bytes()).sum::<usize>()
    }

    /// Whether a column was decoded, or the order worked out where none is named: or it turned out that it cannot be kept.
    pub(super) fn has(&self, column: Option<Column>) -> bool {
        column.map_or(self.order.get().is_some(), |column| self.column(column).is_some())
    }

    /// Lets the disk begin to fetch what it takes to decode a column, or to work out the order where none is named.
    pub(super) fn expect(&self, column: Option<Column>) -> Result<()> {
        if self.has(column) {
            return Ok(());
        }
        self.parts.iter().try_for_each(|Part { file, span }| match column {
            Some(column) => expect(file, span, column),
            None => expect_visitors(file, span).and_then(|()| expect(file, span, Column::Ts)),
        })
    }

    /// Works out the order of the rows, where it is worth the memory, of which there are so many bytes for all bundles; or waits
    /// for who is at it. Blocking.
    pub(super) fn sort(&self, limit: usize) -> Result<()> {
        let _one_at_a_time = self.sorting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.order.get().is_none() {
            // Three rows of every two visitors of a file, or else an order that takes an eighth of the memory.
            let most = (2 * self.rows / 3).max(limit / 8 / SEGMENT_BYTES);
            let order = match self.parts.as_slice() {
                [part] => self.as_it_lies(part, most)?,
                _ => self.sorted(most)?,
            };
            self.order.get_or_init(|| order);
        }
        Ok(())
    }

    /// The order of the only part, whose rows stay where they are. `None` where it has more visitors than that.
    fn as_it_lies(&self, part: &Part, most: usize) -> Result<Option<Order>> {
        // What is not used of it takes no memory.
        let mut visitors: Vec<VisitorRun> = Vec::with_capacity(self.rows.min(most));
        part.visitors(&mut |rows| part.in_order(add_visitors(&mut visitors, rows)))?;
        if visitors.len() > most {
            return Ok(None);
        }
        let Some(mut times) = Times::between(self.bounds(), self.rows) else { return Ok(None) };
        let mut ascent = Ascent::new(visitors.iter().map(|run| run.end as usize));
        part.times(&mut |more| {
            part.as_known(times.extend(more))?;
            part.in_order(ascent.goes_on(more))
        })?;
        let layout = Layout::as_it_lies(self.rows);
        Ok(Some(Order { visitors, times, layout }))
    }

    /// The least and the greatest time.
    fn bounds(&self) -> (i64, i64) {
        let times = || self.parts.iter().map(|part| &part.span.times);
        let least = times().map(|times| *times.start()).min();
        (least.unwrap_or_default(), times().map(|times| *times.end()).max().unwrap_or_default())
    }

    /// `None` where there are more segments than that, or times lie too far apart.
    fn sorted(&self, most: usize) -> Result<Option<Order>> {
        let mut segments = Segments::for_rows(self.rows.min(most));
        for (nth, part) in self.parts.iter().enumerate() {
            part.visitors(&mut |rows| part.in_order(segments.add(nth as u32, rows)))?;
            if segments.len() > most {
                return Ok(None);
            }
        }
        segments.sort();
        let mut mixed = Mixed::default();
        let (mut visitors, mut layout) = segments.lay_out(self.parts.len(), &mixed);
        let Some(mut times) = Times::in_places(self.bounds(), self.rows) else { return Ok(None) };
        for (nth, part) in self.parts.iter().enumerate() {
            let mut places = layout.places(nth);
            part.times(&mut |more| part.as_known(times.put(more, &mut places)))?;
        }
        let last = Mutex::default();
        let is_in_order = self.ascend(&times, &segments);
        for (segments, places) in segments.each_visitor() {
            let (Some(first), start) = (segments.first(), places.start) else { continue };
            let ascends = || is_in_order || times.of(places.clone()).is_sorted();
            if meet(segments, start, &times) || !ascends() {
                let mut ts: Vec<i64> = times.of(places).collect();
                let order = self.mix(segments, &mut ts, &layout, start, &last)?;
                times.write(start, &ts);
                mixed.insert(first.visitor, order);
            }
        }
        if !mixed.is_empty() {
            (visitors, layout) = segments.lay_out(self.parts.len(), &mixed);
        }
        Ok(Some(Order { visitors, times, layout }))
    }

    /// Whether times ascend within each segment.
    fn ascend(&self, times: &Times, segments: &Segments) -> bool {
        let mut ascent = Ascent::new(segments.ends());
        let mut block = Vec::with_capacity(BLOCK_ROWS);
        (0..self.rows).step_by(BLOCK_ROWS).all(|start| {
            block.clear();
            block.extend(times.of(start..self.rows.min(start + BLOCK_ROWS)));
            ascent.goes_on(&block)
        })
    }

    /// Puts the rows of one visitor, the first of which has this place, in order: by time, and by arrival where rows of several
    /// parts are equal in time. Says of which part each is then.
    fn mix(
        &self,
        segments: &[Segment],
        ts: &mut [i64],
        layout: &Layout,
        start: usize,
        last: &LastArrivals,
    ) -> Result<Vec<u32>> {
        let mut rows: Vec<Row> = Vec::with_capacity(ts.len());
        for segment in segments {
            let own = rows.len()..rows.len() + segment.rows as usize;
            let (part, first) = layout.origin(start + own.start);
            let own = ts.get(own).unwrap_or_default();
            if let Some(part) = self.parts.get(part).filter(|_| !own.is_sorted()) {
                return Err(part.out_of_order());
            }
            let row = |(&ts, row)| Row { ts, part: segment.part, row };
            rows.extend(own.iter().zip(first..).map(row));
        }
        rows.sort_unstable();
        for rows in rows.chunk_by_mut(|a, b| a.ts == b.ts) {
            if rows.windows(2).any(|pair| pair.first().map(Row::part) != pair.last().map(Row::part))
            {
                let arrival = |row: &Row| {
                    Ok((self.arrival_of(row.part as usize, row.row, last)?, row.part, row.row))
                };
                let mut arrivals = rows.iter().map(arrival).collect::<Result<Vec<_>>>()?;
                arrivals.sort_unstable();
                for (own, (_, part, row)) in rows.iter_mut().zip(arrivals) {
                    (own.part, own.row) = (part, row);
                }
            }
        }
        for (ts, row) in ts.iter_mut().zip(&rows) {
            *ts = row.ts;
        }
        Ok(rows.iter().map(Row::part).collect())
    }

    /// Decodes a column, once the order is there. Blocking.
    pub(super) fn decode(&self, column: Column, limit: usize) -> Result<()> {
        if self.column(column).is_some() {
            return Ok(());
        }
        self.sort(limit)?;
        let Some(order) = self.order() else { return Ok(()) };
        let packed = self.decoded(column, &order.layout)?.map(Arc::new);
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).insert(column, packed);
        Ok(())
    }

    fn decoded(&self, column: Column, layout: &Layout) -> Result<Option<Packed>> {
        let mut builder = Builder::new(self.rows);
        for (nth, part) in self.parts.iter().enumerate() {
            let foreign =
                || Error::corrupt(&part.file.path, format!("`{column}` changes its type"));
            let mut places = layout.places(nth);
            each_part(&part.file, &part.span, column, &mut |values| {
                if builder.add(&values, &mut places) { Ok(()) } else { Err(foreign()) }
            })?;
            if builder.texts() > MOST_TEXTS {
                return Ok(None);
            }
        }
        Ok(Some(builder.finish()))
    }

    /// The `seq` and the writer of the row at a place.
    pub(super) fn arrival(&self, place: usize, last: &LastArrivals) -> Result<(u64, u64)> {
        let Some(order) = self.order() else { return Ok((0, 0)) };
        let (part, row) = order.layout.origin(place);
        self.arrival_of(part, row, last)
    }

    /// The same of a row of a part.
    fn arrival_of(&self, nth: usize, row: usize, last: &LastArrivals) -> Result<(u64, u64)> {
        let Some(part) = self.parts.get(nth) else { return Ok((0, 0)) };
        let mut row = part.span.first_row as usize + row;
        let mut group = 0;
        for (index, own) in part.file.footer()?.metadata().row_groups().iter().enumerate() {
            group = index;
            let rows = own.num_rows().unsigned_abs() as usize;
            if row < rows {
                break;
            }
            row -= rows;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|known| (known.0, known.1) == (nth, group));
        let known = known.unwrap_or_else(|| {
            (nth, group, Arc::new(Arrivals::new(Arc::clone(&part.file), group)))
        });
        last.insert(known).2.of(row)
    }
}

impl Part {
    /// Hands over its visitors, each with its rows, some thousand rows at a time.
    fn visitors(&self, take: &mut dyn FnMut(&[VisitorRows]) -> Result<()>) -> Result<()> {
        let mut rows = 0;
        each_visitor(&self.file, &self.span, &mut |visitors| {
            rows += visitors.iter().map(|visitor| u64::from(visitor.rows)).sum::<u64>();
            take(visitors)
        })?;
        self.has_rows(rows)
    }

    /// Hands over the time of each of its rows in the same way.
    fn times(&self, take: &mut dyn FnMut(&[i64]) -> Result<()>) -> Result<()> {
        let mut rows = 0;
        each_part(&self.file, &self.span, Column::Ts, &mut |values| match values {
            Values::Int { values, nulls: None } => {
                rows += values.len() as u64;
                take(&values)
            }
            _ => Err(foreign(&self.file, Column::Ts)),
        })?;
        self.has_rows(rows)
    }

    /// An error unless it has so many rows.
    fn has_rows(&self, rows: u64) -> Result<()> {
        self.as_known(rows == self.span.rows)
    }

    /// An error unless its rows are as the catalog says.
    fn as_known(&self, is_as_known: bool) -> Result<()> {
        match is_as_known {
            true => Ok(()),
            false => {
                Err(Error::corrupt(&self.file.path, "it has other rows than the catalog says"))
            }
        }
    }

    /// An error unless it is in order.
    fn in_order(&self, is_in_order: bool) -> Result<()> {
        if is_in_order { Ok(()) } else { Err(self.out_of_order()) }
    }

    fn out_of_order(&self) -> Error {
        Error::corrupt(&self.file.path, "its rows are not in order")
    }
}

/// Whether a visitor's segment, of those whose first row has this place, begins when the one before ends, or earlier.
fn meet(segments: &[Segment], start: usize, times: &Times) -> bool {
    let mut end = start;
    segments.split_last().is_some_and(|(_, before)| {
        before.iter().any(|segment| {
            end += segment.rows as usize;
            times.get(end - 1) >= times.get(end)
        })
    })
}

/// A row of a visitor whose parts overlap in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    ts: i64,
    part: u32,
    row: usize,
}

impl Row {
    fn part(&self) -> u32 {
        self.part
    }
}
