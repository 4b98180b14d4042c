//! Puts the rows of hot chunks in order and gathers their columns, for a reader's run and for sealing.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use arrow_array::{Array, StringArray, builder::StringBuilder};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use wayfarer_event::{Column, Kind};

use crate::{
    block::{Values, Visitors},
    hot::{Cells, Chunk, is_distinct},
};

/// Where a row lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: u32,
    row: u32,
}

/// Rows of chunks in the order (site, visitor, ts, seq).
#[derive(Debug)]
pub(crate) struct Sorted {
    chunks: Vec<Arc<Chunk>>,
    writer: u64,
    places: Vec<Place>,
    dictionaries: HashMap<Column, Unified>,
}

/// A row that lies in a chunk.
pub(crate) struct Cell<'a> {
    chunk: &'a Chunk,
    row: usize,
}

impl Cell<'_> {
    /// The text of a column; `None` where it is null.
    pub(crate) fn text(&self, column: Column) -> Option<&str> {
        let Cells::Text { codes, dictionary } = self.chunk.cells(column) else { return None };
        let code = *codes.get(self.row)? as usize;
        (code < dictionary.len()).then(|| dictionary.value(code))
    }

    pub(crate) fn visitor(&self) -> u64 {
        self.chunk.visitor.get(self.row).copied().unwrap_or_default()
    }

    pub(crate) fn ts(&self) -> i64 {
        self.chunk.ts.get(self.row).copied().unwrap_or_default()
    }
}

/// Which rows of the chunks to take.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) site: Option<&'a str>,
    pub(crate) visitors: RangeInclusive<u64>,
    /// From, included, until, excluded.
    pub(crate) time: (i64, i64),
}

impl Wanted<'_> {
    /// Every row.
    pub(crate) const ALL: Wanted<'static> =
        Wanted { site: None, visitors: 0..=u64::MAX, time: (i64::MIN, i64::MAX) };

    /// Whether a time is wanted. The end of time bounds nothing: a row may lie there.
    pub(crate) fn has(&self, ts: i64) -> bool {
        self.overlaps(ts, ts)
    }

    /// Whether there may be wanted times among those from `least` to `greatest`.
    pub(crate) fn overlaps(&self, least: i64, greatest: i64) -> bool {
        let (from, until) = self.time;
        (greatest >= from) & ((least < until) | (until == i64::MAX))
    }

    /// Whether every one of these times is wanted.
    pub(crate) fn covers(&self, times: &RangeInclusive<i64>) -> bool {
        self.has(*times.start()) && self.has(*times.end())
    }

    /// The rows of wanted visitors in a chunk, in order.
    fn visitors_of<'a>(&self, chunk: &'a Chunk) -> &'a [u32] {
        let order = chunk.order();
        let visitor = |row: &u32| chunk.visitor.get(*row as usize);
        let first = order.partition_point(|row| visitor(row) < Some(self.visitors.start()));
        let end = order.partition_point(|row| visitor(row) <= Some(self.visitors.end()));
        order.get(first..end).unwrap_or_default()
    }
}

/// One dictionary over all chunks.
#[derive(Debug)]
struct Unified {
    dictionary: Arc<StringArray>,
    /// For each chunk, the common code of each of its own codes.
    codes: Vec<Vec<u32>>,
}

struct Key {
    site: u32,
    visitor: u64,
    ts: i64,
    place: Place,
}

impl Sorted {
    /// Sorts the wanted rows. The chunks are one writer's, in order of arrival.
    pub(crate) fn new(chunks: &[Arc<Chunk>], writer: u64, wanted: &Wanted<'_>) -> Sorted {
        let site_codes = Unified::new(chunks, Column::Site);
        let ranks = ranks(&site_codes.dictionary);
        let mut keys = Vec::new();
        for (index, chunk) in chunks.iter().enumerate() {
            let Cells::Text { codes, dictionary } = chunk.cells(Column::Site) else { continue };
            // The rank of each of the chunk's sites, or none where the site is not wanted.
            let rank = |code: usize| {
                let common = *site_codes.codes.get(index)?.get(code)?;
                let wanted = wanted.site.is_none_or(|site| dictionary.value(code) == site);
                wanted.then(|| ranks.get(common as usize).copied()).flatten()
            };
            let ranks: Vec<Option<u32>> = (0..dictionary.len()).map(rank).collect();
            for &row in wanted.visitors_of(chunk) {
                let place = Place { chunk: index as u32, row };
                let row = row as usize;
                let code = codes.get(row).and_then(|code| ranks.get(*code as usize));
                let Some(&Some(site)) = code else { continue };
                if let (Some(&visitor), Some(&ts)) = (chunk.visitor.get(row), chunk.ts.get(row))
                    && wanted.has(ts)
                {
                    keys.push(Key { site, visitor, ts, place });
                }
            }
        }
        // Each chunk's are in order, save for sites, and what is in order already is quickly merged. Of equal ones those that
        // came first stay before the others.
        keys.sort_by_key(|key| (key.site, key.visitor, key.ts));
        let places = keys.iter().map(|key| key.place).collect();
        let dictionaries = HashMap::from([(Column::Site, site_codes)]);
        Sorted { chunks: chunks.to_vec(), writer, places, dictionaries }
    }

    pub(crate) fn rows(&self) -> usize {
        self.places.len()
    }

    /// Keeps the rows for which this is true; says how many are left out.
    pub(crate) fn keep(&mut self, mut keep: impl FnMut(&Cell<'_>) -> bool) -> u64 {
        let (before, chunks) = (self.places.len(), std::mem::take(&mut self.chunks));
        self.places.retain(|place| {
            let chunk = chunks.get(place.chunk as usize);
            chunk.is_none_or(|chunk| keep(&Cell { chunk, row: place.row as usize }))
        });
        self.chunks = chunks;
        (before - self.places.len()) as u64
    }

    /// One column of the rows from `start` to `end`.
    pub(crate) fn column(&mut self, column: Column, start: usize, end: usize) -> Values {
        match column {
            Column::Visitor => Values::Unsigned { values: self.visitor(start, end) },
            Column::Seq => Values::Unsigned { values: self.seq(start, end) },
            Column::Writer => {
                Values::Unsigned { values: vec![self.writer; end.saturating_sub(start)].into() }
            }
            Column::Ts => Values::Int { values: self.ts(start, end), nulls: None },
            _ => match column.kind() {
                Kind::Text => self.text(column, start, end),
                Kind::F64 => self.float(column, start, end),
                Kind::Time | Kind::I64 | Kind::U64 => self.int(column, start, end),
            },
        }
    }

    pub(crate) fn visitors(&self, start: usize, end: usize) -> Visitors {
        Visitors::of(&self.visitor(start, end))
    }

    fn visitor(&self, start: usize, end: usize) -> ScalarBuffer<u64> {
        self.each(start, end, |chunk, row| chunk.visitor.get(row).copied().unwrap_or_default())
    }

    pub(crate) fn ts(&self, start: usize, end: usize) -> ScalarBuffer<i64> {
        self.each(start, end, |chunk, row| chunk.ts.get(row).copied().unwrap_or_default())
    }

    pub(crate) fn seq(&self, start: usize, end: usize) -> ScalarBuffer<u64> {
        self.each(start, end, |chunk, row| chunk.first_seq + row as u64)
    }

    fn each<T>(&self, start: usize, end: usize, of: impl Fn(&Chunk, usize) -> T) -> ScalarBuffer<T>
    where
        T: arrow_buffer::ArrowNativeType,
    {
        let values = self.rows_between(start, end).map(|(_, chunk, row)| of(chunk, row));
        values.collect::<Vec<T>>().into()
    }

    fn rows_between(
        &self,
        start: usize,
        end: usize,
    ) -> impl Iterator<Item = (usize, &Chunk, usize)> {
        let places = self.places.get(start..end).unwrap_or_default();
        places.iter().filter_map(|place| {
            let chunk = self.chunks.get(place.chunk as usize)?;
            Some((place.chunk as usize, chunk.as_ref(), place.row as usize))
        })
    }

    fn text(&mut self, column: Column, start: usize, end: usize) -> Values {
        let chunks = &self.chunks;
        self.dictionaries.entry(column).or_insert_with(|| Unified::new(chunks, column));
        let Some(unified) = self.dictionaries.get(&column) else {
            return null_text(end.saturating_sub(start));
        };
        let code = |(index, chunk, row): (usize, &Chunk, usize)| match chunk.cells(column) {
            Cells::Text { codes, .. } => {
                let own = codes.get(row).copied().unwrap_or(Values::NULL);
                let common = unified.codes.get(index).and_then(|common| common.get(own as usize));
                common.copied().unwrap_or(Values::NULL)
            }
            _ => Values::NULL,
        };
        let codes: Vec<u32> = self.rows_between(start, end).map(code).collect();
        Values::Text { codes: codes.into(), dictionary: Arc::clone(&unified.dictionary) }
    }

    fn int(&self, column: Column, start: usize, end: usize) -> Values {
        let cell = |(_, chunk, row): (usize, &Chunk, usize)| match chunk.cells(column) {
            Cells::Int(values) => values.get(row).copied().flatten(),
            _ => None,
        };
        let (values, nulls) = split(self.rows_between(start, end).map(cell));
        Values::Int { values, nulls }
    }

    fn float(&self, column: Column, start: usize, end: usize) -> Values {
        let cell = |(_, chunk, row): (usize, &Chunk, usize)| match chunk.cells(column) {
            Cells::Float(values) => values.get(row).copied().flatten(),
            _ => None,
        };
        let (values, nulls) = split(self.rows_between(start, end).map(cell));
        Values::Float { values, nulls }
    }
}

fn null_text(rows: usize) -> Values {
    let dictionary = Arc::new(StringArray::from(Vec::<&str>::new()));
    Values::Text { codes: vec![Values::NULL; rows].into(), dictionary }
}

fn split<T>(cells: impl Iterator<Item = Option<T>>) -> (ScalarBuffer<T>, Option<NullBuffer>)
where
    T: arrow_buffer::ArrowNativeType,
{
    let (values, valid): (Vec<T>, Vec<bool>) =
        cells.map(|cell| (cell.unwrap_or_default(), cell.is_some())).unzip();
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    (values.into(), nulls)
}

/// The place of each text of a dictionary in their order.
fn ranks(dictionary: &StringArray) -> Vec<u32> {
    let mut order: Vec<usize> = (0..dictionary.len()).collect();
    order.sort_unstable_by_key(|&code| dictionary.value(code));
    let mut ranks = vec![0; order.len()];
    for (rank, code) in order.into_iter().enumerate() {
        if let Some(place) = ranks.get_mut(code) {
            *place = rank as u32;
        }
    }
    ranks
}

impl Unified {
    fn new(chunks: &[Arc<Chunk>], column: Column) -> Unified {
        let mut builder = StringBuilder::new();
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut codes = Vec::with_capacity(chunks.len());
        let mut next = 0;
        for chunk in chunks {
            let Cells::Text { dictionary, .. } = chunk.cells(column) else {
                codes.push(Vec::new());
                continue;
            };
            let common = dictionary.iter().flatten().map(|text| {
                let mut add = || {
                    builder.append_value(text);
                    next += 1;
                    next - 1
                };
                if is_distinct(column) { add() } else { *known.entry(text).or_insert_with(add) }
            });
            codes.push(common.collect());
        }
        Unified { dictionary: Arc::new(builder.finish()), codes }
    }
}
