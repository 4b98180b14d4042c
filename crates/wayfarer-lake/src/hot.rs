//! Hot rows: events in memory as columns with dictionaries, a chunk at a time.
//!
//! A [`Builder`] takes events as they become durable and freezes into a [`Chunk`], which never changes. A column that was
//! null so far takes no memory. [`crate::gather`] sorts the rows of chunks for readers and for sealing.

use std::{
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

use arrow_array::StringArray;
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use hashbrown::{DefaultHashBuilder, HashTable};
use wayfarer_event::{Column, Event, Kind};

use crate::block::Values;

/// A chunk is frozen when it has this many rows. Views copy the open chunk, so it stays small.
const CHUNK_ROWS: usize = 8192;
/// A chunk is frozen when it takes this many bytes.
const CHUNK_BYTES: usize = 4 << 20;

/// Texts of these columns hardly ever come twice: they are kept one by one, without a look-up.
pub(crate) fn is_distinct(column: Column) -> bool {
    matches!(column, Column::Id | Column::Props)
}

/// Some rows in order of arrival; never changed.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) first_seq: u64,
    pub(crate) visitor: Vec<u64>,
    pub(crate) ts: Vec<i64>,
    columns: Vec<Cells>,
    bytes: usize,
    /// Worked out for the first reader.
    order: OnceLock<Vec<u32>>,
}

/// The values of one column in a chunk. `Null` stands for rows that are all null.
#[derive(Clone, Debug)]
pub(crate) enum Cells {
    Null,
    Text { codes: Vec<u32>, dictionary: Arc<StringArray> },
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
}

impl Chunk {
    pub(crate) fn rows(&self) -> usize {
        self.visitor.len()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its rows in the order (visitor, ts, seq).
    pub(crate) fn order(&self) -> &[u32] {
        self.order.get_or_init(|| {
            let mut order: Vec<u32> = (0..self.rows() as u32).collect();
            let key = |row: usize| (self.visitor.get(row), self.ts.get(row));
            order.sort_by_key(|row| key(*row as usize));
            order
        })
    }

    pub(crate) fn cells(&self, column: Column) -> &Cells {
        self.columns.get(column.index()).unwrap_or(&Cells::Null)
    }
}

/// Takes events and makes a chunk of them.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    first_seq: u64,
    visitor: Vec<u64>,
    ts: Vec<i64>,
    columns: Vec<(Column, Growing)>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Growing {
    Text(Texts),
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
}

impl Builder {
    pub(crate) fn new(first_seq: u64) -> Builder {
        let growing = |&column: &Column| match column {
            Column::Visitor | Column::Ts | Column::Writer | Column::Seq => None,
            _ => Some((
                column,
                match column.kind() {
                    Kind::Text => Growing::Text(Texts::new(is_distinct(column))),
                    Kind::Time | Kind::I64 | Kind::U64 => Growing::Int(Vec::new()),
                    Kind::F64 => Growing::Float(Vec::new()),
                },
            )),
        };
        let columns = Column::ALL.iter().filter_map(growing).collect();
        Builder { first_seq, visitor: Vec::new(), ts: Vec::new(), columns, bytes: 0 }
    }

    /// Adds the event whose `seq` is the next one.
    pub(crate) fn push(&mut self, event: &Event) {
        let row = self.visitor.len();
        self.visitor.push(event.visitor.0);
        self.ts.push(event.ts.0);
        // And four bytes for its place in the order.
        self.bytes += 20;
        for (column, growing) in &mut self.columns {
            self.bytes += match growing {
                Growing::Text(texts) => texts.push(row, column.text(event)),
                Growing::Int(values) => push_sparse(values, row, column.int(event)),
                Growing::Float(values) => push_sparse(values, row, column.float(event)),
            };
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.visitor.len()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows() >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES
    }

    /// The chunk of the events so far.
    pub(crate) fn freeze(mut self) -> Chunk {
        let rows = self.visitor.len();
        let mut columns = vec![Cells::Null; Column::ALL.len()];
        for (column, growing) in self.columns.drain(..) {
            if let Some(cells) = columns.get_mut(column.index()) {
                *cells = growing.freeze(rows);
            }
        }
        let Builder { first_seq, visitor, ts, bytes, .. } = self;
        Chunk { first_seq, visitor, ts, columns, bytes, order: OnceLock::new() }
    }
}

impl Growing {
    fn freeze(self, rows: usize) -> Cells {
        match self {
            Growing::Text(texts) => texts.freeze(rows),
            Growing::Int(values) if values.is_empty() => Cells::Null,
            Growing::Int(values) => Cells::Int(padded(values, rows, None)),
            Growing::Float(values) if values.is_empty() => Cells::Null,
            Growing::Float(values) => Cells::Float(padded(values, rows, None)),
        }
    }
}

fn padded<T: Clone>(mut values: Vec<T>, rows: usize, with: T) -> Vec<T> {
    values.resize(rows, with);
    values
}

/// Adds a value at a row; nulls before the first value and after the last take no memory.
fn push_sparse<T: Clone>(values: &mut Vec<Option<T>>, row: usize, value: Option<T>) -> usize {
    if value.is_none() {
        return 0;
    }
    let before = values.len();
    values.resize(row, None);
    values.push(value);
    (values.len() - before) * size_of::<Option<T>>()
}

/// Texts with their dictionary.
#[derive(Clone, Debug)]
struct Texts {
    codes: Vec<u32>,
    ends: Vec<i32>,
    bytes: Vec<u8>,
    /// Code by text; `None` where texts are taken to be distinct.
    known: Option<HashTable<u32>>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    fn new(distinct: bool) -> Texts {
        Texts {
            codes: Vec::new(),
            ends: vec![0],
            bytes: Vec::new(),
            known: (!distinct).then(HashTable::new),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn push(&mut self, row: usize, text: Option<&str>) -> usize {
        let Some(text) = text else { return 0 };
        let before = self.codes.len();
        let dictionary = self.bytes.len();
        let code = self.code(text);
        self.codes.resize(row, Values::NULL);
        self.codes.push(code);
        let grown = self.bytes.len() - dictionary;
        // A new text also takes its end and, in most columns, a place in the table.
        (self.codes.len() - before) * 4 + if grown > 0 { grown + 12 } else { 0 }
    }

    fn code(&mut self, text: &str) -> u32 {
        let Texts { codes, ends, bytes, known, hasher } = self;
        let Some(known) = known else { return add(ends, bytes, text) };
        // Most columns say again what they said last; to see that is cheaper than to look it up.
        if let Some(&last) = codes.last()
            && text_at(ends, bytes, last) == text.as_bytes()
        {
            return last;
        }
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(&code) = known.find(hash, |&code| text_at(ends, bytes, code) == text.as_bytes())
        {
            return code;
        }
        let code = add(ends, bytes, text);
        known.insert_unique(hash, code, |&code| hasher.hash_one(text_at(ends, bytes, code)));
        code
    }

    fn freeze(self, rows: usize) -> Cells {
        if self.codes.is_empty() {
            return Cells::Null;
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        let dictionary = StringArray::new(offsets, Buffer::from_vec(self.bytes), None);
        Cells::Text {
            codes: padded(self.codes, rows, Values::NULL),
            dictionary: Arc::new(dictionary),
        }
    }
}

fn add(ends: &mut Vec<i32>, bytes: &mut Vec<u8>, text: &str) -> u32 {
    bytes.extend_from_slice(text.as_bytes());
    ends.push(bytes.len() as i32);
    (ends.len() - 2) as u32
}

fn text_at<'a>(ends: &[i32], bytes: &'a [u8], code: u32) -> &'a [u8] {
    let code = code as usize;
    match ends.get(code..code + 2) {
        Some(&[start, end]) => bytes.get(start as usize..end as usize).unwrap_or_default(),
        _ => &[],
    }
}

/// The hot rows of one writer: frozen chunks and the open one.
#[derive(Debug)]
pub(crate) struct Hot {
    chunks: Vec<Arc<Chunk>>,
    frozen_rows: usize,
    frozen_bytes: usize,
    open: Builder,
    /// The frozen copy of the open chunk that the last view took, while it still holds all rows.
    copy: Option<Arc<Chunk>>,
}

impl Hot {
    pub(crate) fn new(next_seq: u64) -> Hot {
        let open = Builder::new(next_seq);
        Hot { chunks: Vec::new(), frozen_rows: 0, frozen_bytes: 0, open, copy: None }
    }

    pub(crate) fn push(&mut self, event: &Event) {
        if self.open.is_full() {
            self.freeze();
        }
        self.copy = None;
        self.open.push(event);
    }

    pub(crate) fn rows(&self) -> usize {
        self.frozen_rows + self.open.rows()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frozen_bytes + self.open.bytes()
    }

    /// All rows as chunks that no longer change.
    pub(crate) fn chunks(&mut self) -> Vec<Arc<Chunk>> {
        let mut chunks = self.chunks.clone();
        if self.open.rows() > 0 {
            let open = &self.open;
            let copy = self.copy.get_or_insert_with(|| Arc::new(open.clone().freeze()));
            chunks.push(Arc::clone(copy));
        }
        chunks
    }

    /// Takes all rows out; what comes next goes into a new chunk.
    pub(crate) fn take(&mut self) -> Vec<Arc<Chunk>> {
        self.freeze();
        self.frozen_rows = 0;
        self.frozen_bytes = 0;
        std::mem::take(&mut self.chunks)
    }

    fn freeze(&mut self) {
        let next_seq = self.open.first_seq + self.open.rows() as u64;
        let full = std::mem::replace(&mut self.open, Builder::new(next_seq));
        self.copy = None;
        if full.rows() > 0 {
            self.frozen_rows += full.rows();
            self.frozen_bytes += full.bytes();
            self.chunks.push(Arc::new(full.freeze()));
        }
    }
}
