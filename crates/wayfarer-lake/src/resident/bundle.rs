//! Some files of a site as one sorted run in memory: decoded once, put in one order once, column by column as reports ask.

use std::{
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arrow_buffer::ScalarBuffer;
use hashbrown::HashMap;
use wayfarer_event::Column;

use super::packed::{Builder, Packed, ordered};
use crate::{
    Error, Result, Run, Scan,
    block::VisitorRun,
    file::{
        DataFile, SiteSpan,
        arrivals::Arrivals,
        read::{each_part, expect},
    },
};

/// With more different texts than this a column stays in its files.
const MOST_TEXTS: usize = 1 << 20;

/// The files, and what of them was decoded so far.
#[derive(Debug)]
pub(crate) struct Bundle {
    site: String,
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
    /// How many rows the parts before have.
    base: usize,
}

/// The rows in the order (visitor, ts, seq, writer).
#[derive(Debug)]
pub(super) struct Order {
    pub(super) visitors: Vec<VisitorRun>,
    pub(super) ts: ScalarBuffer<i64>,
    pieces: Vec<Piece>,
}

/// Rows that follow each other here as they do in their file.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// The place of the first.
    at: u32,
    /// Which row it is where parts lie one after the other.
    from: u32,
}

/// The row group whose order of arrival was asked for last.
pub(super) type LastArrivals = Mutex<Option<(usize, usize, Arc<Arrivals>)>>;

impl Bundle {
    /// Files in the order of their times.
    pub(super) fn new(site: &str, files: &[(Arc<DataFile>, SiteSpan)]) -> Bundle {
        let mut rows = 0;
        let part = |(file, span): &(Arc<DataFile>, SiteSpan)| {
            let base = rows;
            rows += span.rows as usize;
            Part { file: Arc::clone(file), span: span.clone(), base }
        };
        let parts = files.iter().map(part).collect();
        let (order, columns) = (OnceLock::new(), Mutex::default());
        Bundle { site: site.to_owned(), parts, rows, order, columns }
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
        let (mut ts, mut segments) = (Vec::with_capacity(self.rows), Vec::new());
        for part in &self.parts {
            let scan = Scan::new(self.site.as_str(), &[]);
            let mut run = Run::of_file(Arc::clone(&part.file), part.span.clone(), &scan);
            while let Some(block) = run.next_block()? {
                let first = ts.len();
                ts.extend_from_slice(&block.ts);
                add_segments(&mut segments, block.visitors.runs(), (first, part.base));
            }
            if ts.len() != part.base + part.span.rows as usize {
                let text = "it has other rows than the catalog says";
                return Err(Error::corrupt(&part.file.path, text));
            }
            if segments.len() > most {
                return Ok(None);
            }
        }
        if let [_] = self.parts.as_slice() {
            let run = |segment: &Segment| VisitorRun { visitor: segment.visitor, end: segment.end };
            let visitors = segments.iter().map(run).collect();
            let pieces = vec![Piece { at: 0, from: 0 }];
            return Ok(Some(Order { visitors, ts: ts.into(), pieces }));
        }
        // Each part's are in order, and what is in order already is quickly merged.
        segments.sort_by_key(|segment| segment.visitor);
        self.merged(ts, &segments).map(Some)
    }

    fn merged(&self, ts: Vec<i64>, segments: &[Segment]) -> Result<Order> {
        let time = |row: usize| ts.get(row).copied().unwrap_or_default();
        let last = Mutex::default();
        let mut merged = Merged::default();
        for segments in segments.chunk_by(|a, b| a.visitor == b.visitor) {
            let follow_each_other = segments.windows(2).all(|pair| match pair {
                [a, b] => time(a.end as usize - 1) < time(b.start as usize),
                _ => true,
            });
            if follow_each_other {
                segments.iter().for_each(|segment| merged.push(segment.rows()));
            } else {
                let mut rows: Vec<Row> = Vec::new();
                for (nth, segment) in segments.iter().enumerate() {
                    let row = |row| Row { ts: time(row), arrival: (0, 0), row, segment: nth };
                    rows.extend(segment.rows().map(row));
                }
                self.sort_rows(&mut rows, &last)?;
                rows.iter().for_each(|row| merged.push(row.row..row.row + 1));
            }
            let visitor = segments.first().map_or(0, |segment| segment.visitor);
            merged.visitors.push(VisitorRun { visitor, end: merged.rows as u32 });
        }
        let Merged { visitors, pieces, rows } = merged;
        let order = Order { visitors, ts: ScalarBuffer::default(), pieces };
        let sorted = ordered(ts, &order.ranges(rows), rows);
        Ok(Order { ts: sorted.into(), ..order })
    }

    /// By time, and by arrival where rows of several files are equal in time.
    fn sort_rows(&self, rows: &mut [Row], last: &LastArrivals) -> Result<()> {
        rows.sort_unstable_by_key(|row| (row.ts, row.row));
        let tie = |a: &Row, b: &Row| a.ts == b.ts && a.segment != b.segment;
        for rows in rows.chunk_by_mut(|a, b| a.ts == b.ts) {
            if rows.iter().zip(rows.iter().skip(1)).any(|(a, b)| tie(a, b)) {
                for row in rows.iter_mut() {
                    row.arrival = self.arrival_of(row.row, last)?;
                }
                rows.sort_unstable_by_key(|row| row.arrival);
            }
        }
        Ok(())
    }

    /// Decodes a column. The order must be there. Blocking.
    pub(super) fn decode(&self, column: Column) -> Result<()> {
        if self.column(column).is_some() {
            return Ok(());
        }
        let Some(order) = self.order() else { return Ok(()) };
        let packed = self.decoded(column)?;
        let packed = packed.map(|builder| Arc::new(builder.finish(&order.ranges(self.rows))));
        self.columns.lock().unwrap_or_else(PoisonError::into_inner).insert(column, packed);
        Ok(())
    }

    fn decoded(&self, column: Column) -> Result<Option<Builder>> {
        let mut builder = Builder::new(self.rows);
        for part in &self.parts {
            let foreign =
                || Error::corrupt(&part.file.path, format!("`{column}` changes its type"));
            each_part(&part.file, &part.span, column, &mut |values| {
                if builder.add(values) { Ok(()) } else { Err(foreign()) }
            })?;
            if builder.texts() > MOST_TEXTS {
                return Ok(None);
            }
        }
        Ok(Some(builder))
    }

    /// The `seq` and the writer of a row.
    pub(super) fn arrival(&self, row: usize, last: &LastArrivals) -> Result<(u64, u64)> {
        let pieces = self.order().map(|order| order.pieces.as_slice()).unwrap_or_default();
        let piece = pieces.partition_point(|piece| piece.at as usize <= row);
        let piece = piece.checked_sub(1).and_then(|piece| pieces.get(piece));
        let row = piece.map_or(row, |piece| piece.from as usize + row - piece.at as usize);
        self.arrival_of(row, last)
    }

    /// The same of a row by its place where parts lie one after the other.
    fn arrival_of(&self, row: usize, last: &LastArrivals) -> Result<(u64, u64)> {
        let nth = self.parts.partition_point(|part| part.base <= row).saturating_sub(1);
        let Some(part) = self.parts.get(nth) else { return Ok((0, 0)) };
        let mut row = part.span.first_row as usize + row - part.base;
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

impl Order {
    fn bytes(&self) -> usize {
        size_of_val(self.visitors.as_slice())
            + size_of_val(&*self.ts)
            + size_of_val(self.pieces.as_slice())
    }

    /// The rows as they lie one part after the other, in this order.
    fn ranges(&self, rows: usize) -> Vec<Range<usize>> {
        let ends = self.pieces.iter().skip(1).map(|piece| piece.at as usize).chain([rows]);
        let range = |(piece, end): (&Piece, usize)| {
            let from = piece.from as usize;
            from..from + end - piece.at as usize
        };
        self.pieces.iter().zip(ends).map(range).collect()
    }
}

/// What a segment takes while rows are put in order, and in the order that comes of it.
const SEGMENT_BYTES: usize = size_of::<Segment>() + size_of::<Piece>() + size_of::<VisitorRun>();

/// The rows of one visitor in one part. A bundle has fewer than 2³² rows.
#[derive(Debug)]
struct Segment {
    visitor: u64,
    start: u32,
    end: u32,
}

impl Segment {
    fn rows(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A row of a visitor whose files overlap in time.
struct Row {
    ts: i64,
    arrival: (u64, u64),
    row: usize,
    segment: usize,
}

/// Adds the visitors of a block, whose first row is at `first`, of a part that begins at `base`.
fn add_segments(segments: &mut Vec<Segment>, runs: &[VisitorRun], (first, base): (usize, usize)) {
    let mut start = first;
    for run in runs {
        let end = first + run.end as usize;
        match segments.last_mut() {
            // The visitor goes on from the block before.
            Some(last) if last.visitor == run.visitor && last.start as usize >= base => {
                last.end = end as u32;
            }
            _ => segments.push(Segment {
                visitor: run.visitor,
                start: start as u32,
                end: end as u32,
            }),
        }
        start = end;
    }
}

/// An order while it grows.
#[derive(Default)]
struct Merged {
    visitors: Vec<VisitorRun>,
    pieces: Vec<Piece>,
    rows: usize,
}

impl Merged {
    fn push(&mut self, rows: Range<usize>) {
        let follows = self
            .pieces
            .last()
            .is_some_and(|last| last.from as usize + self.rows - last.at as usize == rows.start);
        if !follows {
            self.pieces.push(Piece { at: self.rows as u32, from: rows.start as u32 });
        }
        self.rows += rows.len();
    }
}
