//! What reports read: the rows of one site as sorted runs of columns, with dictionaries kept.
//!
//! [`View::runs`](crate::View::runs) turns a [`Scan`] into [`Run`]s. Each run is sorted by (visitor, ts, seq, writer), so
//! a reader that merges the runs of one scan walks every visitor's history once, in order. Runs decode block by block on
//! the thread that asks, and hold one block at a time.

use std::{ops::RangeInclusive, sync::Arc};

use arrow_array::{Array, StringArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use wayfarer_event::{Column, Micros};

use crate::{
    Error, Result,
    file::{DataFile, SiteSpan, read::FileRun},
    gather::{Sorted, Wanted},
    hot::Chunk,
};

/// Rows of a block of hot rows.
const HOT_BLOCK_ROWS: usize = 32 << 10;

/// Which rows and columns to read.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Whose rows.
    pub site: String,
    /// Which columns, besides those that every [`Block`] has.
    pub columns: Vec<Column>,
    /// Rows at or after this instant; `None` for all.
    pub from: Option<Micros>,
    /// Rows before this instant; `None` for all.
    pub until: Option<Micros>,
    /// Rows of these visitors. Disjoint ranges split a report among threads.
    pub visitors: RangeInclusive<u64>,
}

impl Scan {
    /// All rows of a site, with these columns.
    #[must_use]
    pub fn new(site: impl Into<String>, columns: &[Column]) -> Scan {
        Scan {
            site: site.into(),
            columns: columns.to_vec(),
            from: None,
            until: None,
            visitors: 0..=u64::MAX,
        }
    }

    pub(crate) fn wanted(&self) -> Wanted<'static> {
        let time = (
            self.from.map_or(i64::MIN, |from| from.0),
            self.until.map_or(i64::MAX, |until| until.0),
        );
        Wanted { site: None, visitors: self.visitors.clone(), time }
    }
}

/// Rows of one scan from one place, sorted by (visitor, ts, seq, writer).
#[derive(Debug)]
pub struct Run {
    source: Source,
    wanted: Wanted<'static>,
    /// The last row given, to see that the next one does not come before it.
    last: Option<(u64, i64, u64)>,
}

#[derive(Debug)]
enum Source {
    File(Box<FileRun>),
    Hot(Box<HotRun>),
}

impl Run {
    pub(crate) fn of_file(file: Arc<DataFile>, span: SiteSpan, scan: &Scan) -> Run {
        let source = FileRun::new(file, span, scan.wanted(), &scan.columns);
        Run { source: Source::File(Box::new(source)), wanted: scan.wanted(), last: None }
    }

    pub(crate) fn of_hot(hot: HotRun, scan: &Scan) -> Run {
        Run { source: Source::Hot(Box::new(hot)), wanted: scan.wanted(), last: None }
    }

    /// The next rows, or `None` at the end. Blocks are not empty. Blocking: it reads and decodes.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, or is not in order.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            let block = match &mut self.source {
                Source::File(run) => run.next_block()?,
                Source::Hot(run) => return Ok(run.next_block()),
            };
            let Some(block) = block else { return Ok(None) };
            self.check_order(&block)?;
            let block = block.narrow(&self.wanted);
            if block.len() > 0 {
                return Ok(Some(block));
            }
        }
    }

    /// A reader that merges runs would answer wrongly from rows that are out of order, so they are an error.
    fn check_order(&mut self, block: &Block) -> Result<()> {
        let Source::File(run) = &self.source else { return Ok(()) };
        let rows = block.len();
        let key = |row: usize| {
            Some((*block.visitor.get(row)?, *block.ts.get(row)?, *block.seq.get(row)?))
        };
        let inside = block.is_sorted();
        if !inside || key(0).is_some_and(|first| self.last.is_some_and(|last| first < last)) {
            return Err(Error::corrupt(run.name(), "its rows are not in order"));
        }
        self.last = rows.checked_sub(1).and_then(key);
        Ok(())
    }
}

/// The wanted rows of hot chunks as one run. They are sorted when the first block is asked for.
#[derive(Debug)]
pub(crate) struct HotRun {
    chunks: Vec<Arc<Chunk>>,
    writer: u64,
    scan: Scan,
    sorted: Option<Sorted>,
    next_row: usize,
}

impl HotRun {
    pub(crate) fn new(chunks: Vec<Arc<Chunk>>, writer: u64, scan: &Scan) -> HotRun {
        HotRun { chunks, writer, scan: scan.clone(), sorted: None, next_row: 0 }
    }

    fn next_block(&mut self) -> Option<Block> {
        let HotRun { chunks, writer, scan, sorted, next_row } = self;
        let sort = || {
            let wanted = Wanted { site: Some(&scan.site), ..scan.wanted() };
            Sorted::new(chunks, *writer, &wanted)
        };
        let rows = sorted.get_or_insert_with(sort);
        let start = *next_row;
        let end = rows.rows().min(start + HOT_BLOCK_ROWS);
        *next_row = end;
        (start < end).then(|| Block {
            visitor: rows.visitor(start, end),
            ts: rows.ts(start, end),
            seq: rows.seq(start, end),
            writer: vec![*writer; end - start].into(),
            columns: scan.columns.iter().map(|&column| rows.column(column, start, end)).collect(),
        })
    }
}

/// Some rows as columns; all columns are equally long.
#[derive(Clone, Debug)]
pub struct Block {
    /// The visitors, in ascending order.
    pub visitor: ScalarBuffer<u64>,
    /// The times in microseconds of UTC; ascending within a visitor.
    pub ts: ScalarBuffer<i64>,
    /// The order of arrival at the writer.
    pub seq: ScalarBuffer<u64>,
    /// The writer.
    pub writer: ScalarBuffer<u64>,
    /// The columns asked for, in the order of [`Scan::columns`].
    pub columns: Vec<Values>,
}

impl Block {
    /// How many rows there are; never 0 in what [`Run::next_block`] gives.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block of a run is never empty")]
    pub fn len(&self) -> usize {
        self.visitor.len()
    }

    /// visitor, ts, seq and writer of a row.
    pub(crate) fn key(&self, row: usize) -> Option<(u64, i64, u64, u64)> {
        let (visitor, ts) = (*self.visitor.get(row)?, *self.ts.get(row)?);
        Some((visitor, ts, *self.seq.get(row)?, *self.writer.get(row)?))
    }

    /// How many rows are of a site, in a block that has every column.
    pub(crate) fn count_of_site(&self, site: &str) -> u64 {
        let Some(Values::Text { codes, dictionary }) = self.columns.get(Column::Site.index())
        else {
            return 0;
        };
        let of_site = |code: usize| code < dictionary.len() && dictionary.value(code) == site;
        let of_site: Vec<bool> = (0..dictionary.len()).map(of_site).collect();
        let counted = codes.iter().filter(|&&code| of_site.get(code as usize) == Some(&true));
        counted.count() as u64
    }

    /// Written without early exits, so that the compiler makes vector instructions of it.
    pub(crate) fn is_sorted(&self) -> bool {
        let pairs = self.visitor.iter().zip(&self.ts).zip(&self.seq);
        let next = pairs.clone().skip(1);
        let wrong = pairs.zip(next).fold(false, |wrong, (((v, t), s), ((w, u), r))| {
            wrong | (v > w) | ((v == w) & ((t > u) | ((t == u) & (s > r))))
        });
        !wrong
    }

    /// The rows that are wanted.
    fn narrow(self, wanted: &Wanted<'_>) -> Block {
        let start = self.visitor.partition_point(|visitor| visitor < wanted.visitors.start());
        let end = self.visitor.partition_point(|visitor| visitor <= wanted.visitors.end());
        let block = match end.saturating_sub(start) {
            rows if rows == self.len() => self,
            rows => self.slice(start, rows),
        };
        let (from, until) = wanted.time;
        if wanted.time == Wanted::ALL.time || block.ts.iter().all(|ts| (from..until).contains(ts)) {
            return block;
        }
        let kept = block.ts.iter().enumerate().filter(|(_, ts)| (from..until).contains(ts));
        let rows: Vec<usize> = kept.map(|(row, _)| row).collect();
        block.pick(&rows)
    }

    fn slice(&self, start: usize, rows: usize) -> Block {
        Block {
            visitor: self.visitor.slice(start, rows),
            ts: self.ts.slice(start, rows),
            seq: self.seq.slice(start, rows),
            writer: self.writer.slice(start, rows),
            columns: self.columns.iter().map(|values| values.slice(start, rows)).collect(),
        }
    }

    fn pick(&self, rows: &[usize]) -> Block {
        Block {
            visitor: pick(&self.visitor, rows),
            ts: pick(&self.ts, rows),
            seq: pick(&self.seq, rows),
            writer: pick(&self.writer, rows),
            columns: self.columns.iter().map(|values| values.pick(rows)).collect(),
        }
    }
}

fn pick<T: ArrowNativeType>(values: &ScalarBuffer<T>, rows: &[usize]) -> ScalarBuffer<T> {
    let value = |&row: &usize| values.get(row).copied().unwrap_or_default();
    rows.iter().map(value).collect::<Vec<T>>().into()
}

fn pick_nulls(nulls: Option<&NullBuffer>, rows: &[usize]) -> Option<NullBuffer> {
    let nulls = nulls?;
    Some(rows.iter().map(|&row| nulls.is_valid(row)).collect::<Vec<bool>>().into())
}

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Values {
    /// Text, as codes into a dictionary.
    Text {
        /// One code a row; [`Values::NULL`] where the value is null.
        codes: ScalarBuffer<u32>,
        /// The texts. Blocks that share a dictionary share the `Arc`: what was worked out for one block by code holds for
        /// the next while `Arc::ptr_eq` says so. A text may stand in it twice, and some may belong to no row.
        dictionary: Arc<StringArray>,
    },
    /// Whole numbers and times (microseconds).
    Int {
        /// One value a row; anything where it is null.
        values: ScalarBuffer<i64>,
        /// Where values are null; `None` when none is.
        nulls: Option<NullBuffer>,
    },
    /// `visitor`, `writer` and `seq`, when a scan asks for them by name. Never null.
    Unsigned {
        /// One value a row.
        values: ScalarBuffer<u64>,
    },
    /// Numbers.
    Float {
        /// One value a row; anything where it is null.
        values: ScalarBuffer<f64>,
        /// Where values are null; `None` when none is.
        nulls: Option<NullBuffer>,
    },
}

impl Values {
    /// The code of a null text.
    pub const NULL: u32 = u32::MAX;

    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Text { codes, .. } => codes.len(),
            Values::Int { values, .. } => values.len(),
            Values::Unsigned { values } => values.len(),
            Values::Float { values, .. } => values.len(),
        }
    }

    pub(crate) fn null_count(&self) -> usize {
        match self {
            Values::Text { codes, .. } => codes.iter().filter(|&&c| c == Values::NULL).count(),
            Values::Int { nulls, .. } | Values::Float { nulls, .. } => {
                nulls.as_ref().map_or(0, NullBuffer::null_count)
            }
            Values::Unsigned { .. } => 0,
        }
    }

    fn slice(&self, start: usize, rows: usize) -> Values {
        let cut = |nulls: &Option<NullBuffer>| nulls.as_ref().map(|n| n.slice(start, rows));
        match self {
            Values::Text { codes, dictionary } => {
                Values::Text { codes: codes.slice(start, rows), dictionary: Arc::clone(dictionary) }
            }
            Values::Int { values, nulls } => {
                Values::Int { values: values.slice(start, rows), nulls: cut(nulls) }
            }
            Values::Unsigned { values } => Values::Unsigned { values: values.slice(start, rows) },
            Values::Float { values, nulls } => {
                Values::Float { values: values.slice(start, rows), nulls: cut(nulls) }
            }
        }
    }

    fn pick(&self, rows: &[usize]) -> Values {
        match self {
            Values::Text { codes, dictionary } => {
                Values::Text { codes: pick(codes, rows), dictionary: Arc::clone(dictionary) }
            }
            Values::Int { values, nulls } => {
                Values::Int { values: pick(values, rows), nulls: pick_nulls(nulls.as_ref(), rows) }
            }
            Values::Unsigned { values } => Values::Unsigned { values: pick(values, rows) },
            Values::Float { values, nulls } => Values::Float {
                values: pick(values, rows),
                nulls: pick_nulls(nulls.as_ref(), rows),
            },
        }
    }
}
