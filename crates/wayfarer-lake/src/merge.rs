//! Merges data files into fewer ones of one period each: the work of a compaction, without the catalog.
//!
//! Rows are read in the order (site, visitor, ts, seq) from all files at once, a block of each in memory, and go to the
//! file of their period. So the new files are in order too, and a file is as large as its period, or split between two
//! visitors where it grows too large.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_select::interleave::interleave;
use wayfarer_event::Column;

use crate::{
    Error, ErrorKind, Result,
    block::Block,
    file::{
        DataFile,
        read::FileRun,
        schema,
        write::{FileWriter, Written},
    },
    gather::Wanted,
    period::Period,
    storage::Storage,
};

/// A file is ended between two visitors once it has this many rows.
pub(crate) const FILE_ROWS: u64 = 8 << 20;
/// Batches whose rows may still wait for their period's file, besides those that are read.
const SPARE_BATCHES: usize = 4;

/// Rows of a batch: all columns of one batch of every file lie in memory.
const BATCH_ROWS: usize = 4 << 10;
/// How much of each column of every file is read at once, in bytes.
const WINDOW: usize = 16 << 10;

/// What is merged, and how.
pub(crate) struct Merge<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) files: Vec<Arc<DataFile>>,
    /// The period of a time.
    pub(crate) period: Box<dyn Fn(i64) -> Period + Send + 'a>,
    /// The path of the n-th new file.
    pub(crate) path: Box<dyn Fn(usize) -> PathBuf + Send + 'a>,
    /// Rows of a site that are left out.
    pub(crate) leave_out: Option<LeaveOut>,
    pub(crate) pace: Pace,
    /// Whether to give up: the lake closes, and nobody is to wait for a merge then.
    pub(crate) is_closed: Box<dyn Fn() -> bool + Send + 'a>,
}

/// Whether a row of a block, which has every column, is left out.
pub(crate) type LeaveOut = Box<dyn Fn(&str, &Block, usize) -> bool + Send>;

/// How much of one processor a merge may take, and so of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All of it: somebody waits.
    Whole,
    /// Half of it: what is merged in the background must not be felt by those who send and ask.
    Half,
}

impl Pace {
    /// Rests for as long as was worked since `began`.
    fn rest(self, began: &mut Instant) {
        if self == Pace::Half {
            std::thread::sleep(began.elapsed());
        }
        *began = Instant::now();
    }
}

impl Merge<'_> {
    /// Writes the new files, durably.
    pub(crate) fn run(self) -> Result<Vec<Written>> {
        let sites: BTreeSet<&str> =
            self.files.iter().flat_map(|file| &file.spans).map(|span| span.site.as_str()).collect();
        let mut out = Outputs { merge: &self, open: BTreeMap::new(), done: Vec::new(), made: 0 };
        let mut began = Instant::now();
        for site in sites {
            let mut inputs = Inputs::open(&self.files, site)?;
            while let Some(row) = inputs.next()? {
                let leave_out = self.leave_out.as_ref();
                if !leave_out.is_some_and(|leave_out| inputs.is(site, row, leave_out)) {
                    out.add(&inputs, row)?;
                }
                if inputs.is_full() {
                    if (self.is_closed)() {
                        return Err(Error::closed());
                    }
                    out.gather(&inputs)?;
                    inputs.forget_batches();
                    self.pace.rest(&mut began);
                }
            }
            out.gather(&inputs)?;
        }
        out.finish()
    }
}

/// visitor, ts, seq, writer
type Key = (u64, i64, u64, u64);

/// A row of a block that is still in memory.
#[derive(Clone, Copy)]
struct Row {
    key: Key,
    /// The place of its batch among [`Inputs::batches`].
    batch: usize,
    row: usize,
}

/// The runs of one site, merged.
struct Inputs {
    runs: Vec<Input>,
    heads: BinaryHeap<Reverse<(Key, usize)>>,
    /// The batches that rows may still lie in, as arrays in the order of the columns.
    batches: Vec<Vec<ArrayRef>>,
    /// The same as blocks.
    blocks: Vec<Block>,
}

struct Input {
    run: FileRun,
    block: Option<Block>,
    batch: usize,
    row: usize,
}

impl Inputs {
    fn open(files: &[Arc<DataFile>], site: &str) -> Result<Inputs> {
        let mut inputs = Inputs {
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            batches: Vec::new(),
            blocks: Vec::new(),
        };
        for file in files {
            let Some(span) = file.span(site) else { continue };
            let run = FileRun::new(Arc::clone(file), span.clone(), Wanted::ALL, Column::ALL)
                .with_batch_rows(BATCH_ROWS)
                .with_window(WINDOW)
                .in_full();
            inputs.runs.push(Input { run, block: None, batch: 0, row: 0 });
            inputs.push_head(inputs.runs.len() - 1)?;
        }
        Ok(inputs)
    }

    /// The next row of all runs.
    fn next(&mut self) -> Result<Option<Row>> {
        let Some(Reverse((key, index))) = self.heads.pop() else { return Ok(None) };
        let Some(input) = self.runs.get_mut(index) else { return Ok(None) };
        let row = Row { key, batch: input.batch, row: input.row };
        input.row += 1;
        self.push_head(index)?;
        Ok(Some(row))
    }

    /// Whether a row is one of those; asked right after [`next`](Inputs::next) gave it.
    fn is(&self, site: &str, row: Row, of: &LeaveOut) -> bool {
        self.blocks.get(row.batch).is_some_and(|block| of(site, block, row.row))
    }

    /// Puts the next row of a run among the heads, and reads its next batch where one ends.
    fn push_head(&mut self, index: usize) -> Result<()> {
        let Some(input) = self.runs.get_mut(index) else { return Ok(()) };
        let mut key = input.block.as_ref().and_then(|block| block.key(input.row));
        if key.is_none() {
            input.block = None;
            if let Some(batch) = input.run.next_batch()? {
                let block = input.run.block(&batch)?;
                if block.out_of_order().is_some() || !block.arrives_in_order() {
                    return Err(Error::corrupt(input.run.name(), "its rows are not in order"));
                }
                key = block.key(0);
                input.block = Some(block.clone());
                self.blocks.push(block);
                input.row = 0;
                input.batch = self.batches.len();
                self.batches.push(columns(&batch));
            }
        }
        self.heads.extend(key.map(|key| Reverse((key, index))));
        Ok(())
    }

    /// Whether more batches lie in memory than the runs stand in, and a few.
    fn is_full(&self) -> bool {
        self.batches.len() > self.runs.len() + SPARE_BATCHES
    }

    /// Lets go of the batches that no run stands in, after all rows of them were gathered.
    fn forget_batches(&mut self) {
        let (mut batches, mut blocks) = (Vec::new(), Vec::new());
        for input in &mut self.runs {
            let Some(block) = &input.block else { continue };
            batches.extend(self.batches.get(input.batch).cloned());
            blocks.push(block.clone());
            input.batch = blocks.len() - 1;
        }
        self.batches = batches;
        self.blocks = blocks;
    }
}

/// The arrays of a batch, one a column; nulls where the file has none.
fn columns(batch: &RecordBatch) -> Vec<ArrayRef> {
    let schema = schema::written();
    let array = |column: &Column| match batch.column_by_name(column.name()) {
        Some(array) => Arc::clone(array),
        None => new_null_array(schema.field(column.index()).data_type(), batch.num_rows()),
    };
    Column::ALL.iter().map(array).collect()
}

/// The files that are being written, by period.
struct Outputs<'a> {
    merge: &'a Merge<'a>,
    open: BTreeMap<Period, Output<'a>>,
    done: Vec<Written>,
    /// How many files were begun.
    made: usize,
}

struct Output<'a> {
    writer: FileWriter<'a>,
    pending: Vec<Row>,
    last_visitor: u64,
}

impl Outputs<'_> {
    fn add(&mut self, inputs: &Inputs, row: Row) -> Result<()> {
        let period = (self.merge.period)(row.key.1);
        if let Some(output) = self.open.get_mut(&period) {
            let rows = output.writer.rows() + output.pending.len() as u64;
            if rows < FILE_ROWS || output.last_visitor == row.key.0 {
                output.last_visitor = row.key.0;
                output.pending.push(row);
                return Ok(());
            }
            self.gather(inputs)?;
            self.end(period)?;
        }
        let path = (self.merge.path)(self.made);
        self.made += 1;
        let writer = FileWriter::create(self.merge.storage, &path)?;
        let output = Output { writer, pending: vec![row], last_visitor: row.key.0 };
        self.open.insert(period, output);
        Ok(())
    }

    /// Writes the rows that wait.
    fn gather(&mut self, inputs: &Inputs) -> Result<()> {
        for output in self.open.values_mut().filter(|output| !output.pending.is_empty()) {
            let places: Vec<(usize, usize)> =
                output.pending.iter().map(|row| (row.batch, row.row)).collect();
            output.pending.clear();
            let mut arrays = Vec::with_capacity(Column::ALL.len());
            for column in 0..Column::ALL.len() {
                let sources = inputs.batches.iter().filter_map(|batch| batch.get(column));
                let sources: Vec<&dyn Array> = sources.map(AsRef::as_ref).collect();
                arrays.push(interleave(&sources, &places).map_err(merge_failed)?);
            }
            output.writer.push(arrays)?;
        }
        Ok(())
    }

    fn end(&mut self, period: Period) -> Result<()> {
        if let Some(output) = self.open.remove(&period) {
            self.done.push(output.writer.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Written>> {
        for output in std::mem::take(&mut self.open).into_values() {
            self.done.push(output.writer.finish()?);
        }
        Ok(self.done)
    }
}

fn merge_failed(error: arrow_schema::ArrowError) -> Error {
    Error::because(ErrorKind::Corrupt, "cannot merge the columns of data files", error)
}
