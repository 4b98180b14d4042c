//! Some files of a site as one sorted run in memory: decoded once, put in one order once, column by column as reports ask.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use wayfarer_event::Column;

use super::{
    builder::Builder,
    order::{Layout, Mixed, Order, SEGMENT_BYTES, Segment, Segments},
    packed::Packed,
};
use crate::{
    Error, Result,
    block::Values,
    file::{
        DataFile, SiteSpan,
        arrivals::Arrivals,
        read::{each_part, expect, foreign},
    },
};

/// With more different texts than this a column stays in its files.
const MOST_TEXTS: usize = 1 << 20;

/// The files, and what of them was decoded so far.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(super) parts: Vec<Part>,
    pub(super) rows: usize,
    /// `None` where it would take too much memory.
    order: OnceLock<Option<Order>>,
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
        let (order, columns) = (OnceLock::new(), Mutex::default());
        Bundle { parts, rows, order, columns }
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

    /// Lets the disk begin to fetch what is not decoded yet of these columns.
    pub(super) fn expect(&self, columns: &[Column]) -> Result<()> {
        let lacking = columns.iter().copied().filter(|column| self.column(*column).is_none());
        let lacking: Vec<Column> = lacking.collect();
        if self.order.get().is_some() && lacking.is_empty() {
            return Ok(());
        }
        self.parts.iter().try_for_each(|part| expect(&part.file, &part.span, &lacking))
    }

    /// Works out the order of the rows, where it is worth the memory, of which there are so many bytes for all bundles. Blocking.
    pub(super) fn sort(&self, limit: usize) -> Result<()> {
        if self.order.get().is_none() {
            // Three rows of every two visitors of a file, or else an order that takes an eighth of the memory.
            let most = (2 * self.rows / 3).max(limit / 8 / SEGMENT_BYTES);
            let sorted = self.sorted(most)?;
            self.order.get_or_init(|| sorted);
        }
        Ok(())
    }

    /// `None` where there are more segments than that.
    fn sorted(&self, most: usize) -> Result<Option<Order>> {
        let mut segments = Segments::for_rows(self.rows.min(most));
        for (nth, part) in self.parts.iter().enumerate() {
            part.segments(nth as u32, &mut segments)?;
            if segments.len() > most {
                return Ok(None);
            }
        }
        segments.sort();
        let mut mixed = Mixed::default();
        let (mut visitors, mut layout) = segments.lay_out(self.parts.len(), &mixed);
        let mut ts = vec![0; self.rows];
        for (nth, part) in self.parts.iter().enumerate() {
            let mut places = layout.places(nth);
            each_part(&part.file, &part.span, Column::Ts, &mut |values| match values {
                Values::Int { values, nulls: None } => {
                    places.put(&values, &mut ts, |ts| ts);
                    Ok(())
                }
                _ => Err(foreign(&part.file, Column::Ts)),
            })?;
        }
        let last = Mutex::default();
        for (segments, places) in segments.each_visitor() {
            let (Some(first), start) = (segments.first(), places.start) else { continue };
            let ts = ts.get_mut(places).unwrap_or_default();
            if !ts.is_sorted() || meet(segments, ts) {
                let order = self.mix(segments, ts, &layout, start, &last)?;
                mixed.insert(first.visitor, order);
            }
        }
        if !mixed.is_empty() {
            (visitors, layout) = segments.lay_out(self.parts.len(), &mixed);
        }
        Ok(Some(Order { visitors, ts: ts.into(), layout }))
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

    /// Decodes a column. The order must be there. Blocking.
    pub(super) fn decode(&self, column: Column) -> Result<()> {
        if self.column(column).is_some() {
            return Ok(());
        }
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
    /// Adds the visitors of its rows, of which it is the part of this number.
    fn segments(&self, nth: u32, segments: &mut Segments) -> Result<()> {
        let (file, mut rows) = (&self.file, 0);
        each_part(file, &self.span, Column::Visitor, &mut |values| {
            let Values::Unsigned { values } = values else {
                return Err(foreign(file, Column::Visitor));
            };
            rows += values.len() as u64;
            match segments.add(nth, &values) {
                true => Ok(()),
                false => Err(self.out_of_order()),
            }
        })?;
        match rows == self.span.rows {
            true => Ok(()),
            false => Err(Error::corrupt(&file.path, "it has other rows than the catalog says")),
        }
    }

    fn out_of_order(&self) -> Error {
        Error::corrupt(&self.file.path, "its rows are not in order")
    }
}

/// Whether a visitor's segment begins when the one before ends.
fn meet(segments: &[Segment], ts: &[i64]) -> bool {
    let mut end = 0;
    segments.split_last().is_some_and(|(_, before)| {
        before.iter().any(|segment| {
            end += segment.rows as usize;
            ts.get(end - 1) == ts.get(end)
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
