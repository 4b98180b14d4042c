//! What reports read: the rows of one site as sorted runs of columns, with dictionaries kept.
//!
//! [`View::runs`](crate::View::runs) turns a [`Scan`] into [`Run`]s. Each run is sorted by (visitor, ts, seq, writer), so
//! a reader that merges the runs of one scan walks every visitor's history once, in order. Runs decode block by block on
//! the thread that asks, and hold one block at a time. A [`Block`] is what they give.

use std::{ops::RangeInclusive, sync::Arc};

use wayfarer_event::{Column, Micros};

use crate::{
    Error, Result,
    block::{Arrival, Block},
    file::{
        DataFile, SiteSpan,
        fetch::WINDOW,
        read::{BLOCK_ROWS, FileRun},
    },
    gather::{Sorted, Wanted},
    hot::Chunk,
    resident::ResidentRun,
};

/// Rows of a block of hot rows.
const HOT_BLOCK_ROWS: usize = 32 << 10;
/// About how many rows of files are held at once, however many files there are.
const ROWS_AT_ONCE: usize = 512 << 10;
/// About how many bytes of files are held at once before they are decoded.
const BYTES_AT_ONCE: usize = 32 << 20;
/// To read less of a column at once would not pay for the calls.
const LEAST_WINDOW: usize = 16 << 10;
/// Blocks of fewer rows would not pay for the calls.
const LEAST_BLOCK_ROWS: usize = 4 << 10;

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
    last: Option<(u64, i64)>,
}

#[derive(Debug)]
enum Source {
    File(Box<FileRun>),
    Memory(Box<ResidentRun>),
    Hot(Box<HotRun>),
}

impl Run {
    pub(crate) fn of_file(file: Arc<DataFile>, span: SiteSpan, scan: &Scan) -> Run {
        Run::of_file_among(1, file, span, scan)
    }

    /// The same, where so many files are read side by side: the more they are, the fewer rows of each are held at once.
    pub(crate) fn of_file_among(
        files: usize,
        file: Arc<DataFile>,
        span: SiteSpan,
        scan: &Scan,
    ) -> Run {
        let rows = (ROWS_AT_ONCE / files.max(1)).clamp(LEAST_BLOCK_ROWS, BLOCK_ROWS);
        let window = BYTES_AT_ONCE / (files.max(1) * (scan.columns.len() + 2));
        let source = FileRun::new(file, span, scan.wanted(), &scan.columns)
            .with_batch_rows(rows)
            .with_window(window.clamp(LEAST_WINDOW, WINDOW));
        Run { source: Source::File(Box::new(source)), wanted: scan.wanted(), last: None }
    }

    pub(crate) fn of_hot(hot: HotRun, scan: &Scan) -> Run {
        Run { source: Source::Hot(Box::new(hot)), wanted: scan.wanted(), last: None }
    }

    pub(crate) fn of_memory(run: ResidentRun, scan: &Scan) -> Run {
        Run { source: Source::Memory(Box::new(run)), wanted: scan.wanted(), last: None }
    }

    /// The next rows, or `None` at the end. Blocks are not empty. Blocking: it reads and decodes.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, or is not in order.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            let block = match &mut self.source {
                Source::File(run) => run.next_block()?,
                Source::Memory(run) => return Ok(run.next_block()),
                Source::Hot(run) => return Ok(run.next_block()),
            };
            let Some(block) = block else { return Ok(None) };
            self.check_order(&block)?;
            if block.begins_after(&self.wanted.visitors) {
                return Ok(None);
            }
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
        let inside = block.out_of_order().is_none() && block.arrives_in_order();
        if !inside || block.place(0).is_some_and(|first| self.last.is_some_and(|last| first < last))
        {
            return Err(Error::corrupt(run.name(), "its rows are not in order"));
        }
        self.last = rows.checked_sub(1).and_then(|row| block.place(row));
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
            visitors: rows.visitors(start, end),
            ts: rows.ts(start, end),
            arrival: Arrival::known(rows.seq(start, end), vec![*writer; end - start].into()),
            columns: scan.columns.iter().map(|&column| rows.column(column, start, end)).collect(),
        })
    }
}
