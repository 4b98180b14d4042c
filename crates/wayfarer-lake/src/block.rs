//! Rows as a reader gets them: visitors as runs, other columns with their dictionaries kept.
//!
//! A [`Block`] says whose its rows are once for each visitor, not once for each row. In which order rows arrived is looked
//! up only when somebody asks ([`Arrival::of`]): most readers never need to know.

use std::{iter::Peekable, sync::Arc};

use arrow_array::{Array, StringArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use wayfarer_event::Column;

use crate::{Result, file::arrivals::Arrivals, gather::Wanted, resident::Placed};

/// Some rows as columns; all columns are equally long.
#[derive(Clone, Debug)]
pub struct Block {
    /// Whose rows these are.
    pub visitors: Visitors,
    /// The times in microseconds of UTC; ascending within a visitor.
    pub ts: ScalarBuffer<i64>,
    /// The order in which the rows arrived.
    pub arrival: Arrival,
    /// The columns asked for, in the order of [`Scan::columns`](crate::Scan::columns).
    pub columns: Vec<Values>,
}

/// Whose the rows of a block are: its visitors in ascending order, each once, with the rows of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitors {
    runs: Arc<[VisitorRun]>,
}

/// The rows of one visitor in a block: those from the end of the visitor before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitorRun {
    /// The visitor.
    pub visitor: u64,
    /// The place after its last row.
    pub end: u32,
}

/// In which order the rows of a block arrived.
#[derive(Clone, Debug)]
pub struct Arrival(Order);

#[derive(Clone, Debug)]
enum Order {
    Known {
        seq: ScalarBuffer<u64>,
        writer: ScalarBuffer<u64>,
    },
    /// In a row group that can be asked, from a row of it on; or just these rows of it.
    Later {
        group: Lookup,
        first: usize,
        picked: Option<Arc<[u32]>>,
    },
}

/// Who can tell when a row arrived.
#[derive(Clone, Debug)]
enum Lookup {
    /// A row group, of its rows.
    Group(Arc<Arrivals>),
    /// What is in memory, of the rows of one block.
    Memory(Arc<Placed>),
}

impl Lookup {
    fn of(&self, row: usize) -> Result<(u64, u64)> {
        match self {
            Lookup::Group(group) => group.of(row),
            Lookup::Memory(placed) => placed.of(row),
        }
    }
}

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Values {
    /// No row has a value.
    Null {
        /// How many rows there are.
        rows: usize,
    },
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

impl Block {
    /// How many rows there are; never 0 in what [`Run::next_block`](crate::Run::next_block) gives.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block of a run is never empty")]
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether it is from memory, where rows are put in order before anybody reads them: nothing can be out of order.
    #[must_use]
    pub fn was_in_order(&self) -> bool {
        matches!(self.arrival.0, Order::Later { group: Lookup::Memory(_), picked: None, .. })
    }

    /// The first row, counted from 0, before which it should stand: `None` when visitors ascend, and times within each.
    #[must_use]
    pub fn out_of_order(&self) -> Option<usize> {
        let ascends = self.visitors.runs().is_sorted_by(|a, b| a.visitor < b.visitor);
        let starts = self.visitors.runs().iter().map(|run| run.end as usize);
        if ascends && Ascent::new(starts).goes_on(&self.ts) {
            return None;
        }
        let visitors: Vec<u64> = self.visitors.each().collect();
        let wrong = |row: &usize| {
            let before = (visitors.get(row - 1), self.ts.get(row - 1));
            before > (visitors.get(*row), self.ts.get(*row))
        };
        (1..self.len()).find(wrong).or(Some(0))
    }

    /// Whether all of its rows are of visitors behind a range.
    pub(crate) fn begins_after(&self, visitors: &std::ops::RangeInclusive<u64>) -> bool {
        self.visitors.runs().first().is_some_and(|first| first.visitor > *visitors.end())
    }

    /// The visitor of a row.
    pub(crate) fn visitor(&self, row: usize) -> Option<u64> {
        self.visitors.of_row(row)
    }

    /// visitor and ts of a row.
    pub(crate) fn place(&self, row: usize) -> Option<(u64, i64)> {
        Some((self.visitors.of_row(row)?, *self.ts.get(row)?))
    }

    /// visitor, ts, seq and writer of a row of a block that was read with its order.
    pub(crate) fn key(&self, row: usize) -> Option<(u64, i64, u64, u64)> {
        let ts = *self.ts.get(row)?;
        let (seq, writer) = self.arrival.read_before(row)?;
        Some((self.visitors.of_row(row)?, ts, seq, writer))
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

    /// Whether rows of one visitor and time are in the order of arrival, where that is known.
    pub(crate) fn arrives_in_order(&self) -> bool {
        let Order::Known { seq, .. } = &self.arrival.0 else { return true };
        let times = self.ts.iter().zip(self.ts.iter().skip(1));
        let mut ties = times.zip(seq.iter().zip(seq.iter().skip(1))).enumerate();
        ties.all(|(row, ((before, ts), (first, second)))| {
            before != ts || first <= second || self.visitors.starts_at(row + 1)
        })
    }

    /// The rows that are wanted.
    pub(crate) fn narrow(self, wanted: &Wanted<'_>) -> Block {
        let (start, end) = self.visitors.between(&wanted.visitors);
        let block = match end.saturating_sub(start) {
            rows if rows == self.len() => self,
            rows => self.slice(start, rows),
        };
        let outside = |ts: &i64| !wanted.has(*ts);
        if wanted.time == Wanted::ALL.time
            || !block.ts.iter().fold(false, |any, ts| any | outside(ts))
        {
            return block;
        }
        let kept = block.ts.iter().enumerate().filter(|(_, ts)| !outside(ts));
        let rows: Vec<u32> = kept.map(|(row, _)| row as u32).collect();
        block.pick(&rows)
    }

    /// So many rows from one on.
    pub(crate) fn slice(&self, start: usize, rows: usize) -> Block {
        Block {
            visitors: self.visitors.slice(start, rows),
            ts: self.ts.slice(start, rows),
            arrival: self.arrival.slice(start, rows),
            columns: self.columns.iter().map(|values| values.slice(start, rows)).collect(),
        }
    }

    /// These rows, which must ascend.
    #[must_use]
    pub fn pick(&self, rows: &[u32]) -> Block {
        Block {
            visitors: self.visitors.pick(rows),
            ts: pick(&self.ts, rows),
            arrival: self.arrival.pick(rows),
            columns: self.columns.iter().map(|values| values.pick(rows)).collect(),
        }
    }
}

/// Looks, block by block, whether times ascend within each visitor.
pub(crate) struct Ascent<I: Iterator<Item = usize>> {
    /// The rows at which the next visitors begin.
    starts: Peekable<I>,
    /// How many rows came, and the time of the last.
    rows: usize,
    last: i64,
}

impl<I: Iterator<Item = usize>> Ascent<I> {
    /// `starts` are the rows at which visitors begin, after the first.
    pub(crate) fn new(starts: I) -> Ascent<I> {
        Ascent { starts: starts.peekable(), rows: 0, last: i64::MIN }
    }

    /// Whether the times of the next rows go on so.
    pub(crate) fn goes_on(&mut self, ts: &[i64]) -> bool {
        let (Some(&first), Some(&last)) = (ts.first(), ts.last()) else { return true };
        let before = std::mem::replace(&mut self.last, last);
        let (begun, end) = (self.rows, self.rows + ts.len());
        self.rows = end;
        // Whoever begins may begin earlier than the one before ended: all other steps back are wrong.
        let steps = ts.iter().zip(ts.get(1..).unwrap_or_default());
        let inner: u64 = steps.map(|(before, ts)| u64::from(before > ts)).sum();
        let descents = u64::from(before > first) + inner;
        let mut of_starts = 0;
        while let Some(start) = self.starts.next_if(|start| *start < end) {
            let row = start.saturating_sub(begun);
            let before = row.checked_sub(1).map_or(Some(&before), |row| ts.get(row));
            of_starts += u64::from(before > ts.get(row));
        }
        descents == of_starts
    }
}

impl FromIterator<u64> for Visitors {
    /// From the visitor of each row.
    fn from_iter<I: IntoIterator<Item = u64>>(visitors: I) -> Visitors {
        Visitors::of(&visitors.into_iter().collect::<Vec<u64>>())
    }
}

impl From<Vec<VisitorRun>> for Visitors {
    /// From ascending visitors, each with the place after its last row.
    fn from(runs: Vec<VisitorRun>) -> Visitors {
        Visitors { runs: runs.into() }
    }
}

impl Visitors {
    /// From the visitor of each row.
    pub(crate) fn of(visitors: &[u64]) -> Visitors {
        let mut end = 0;
        let run = |rows: &[u64]| {
            end += rows.len() as u32;
            VisitorRun { visitor: rows.first().copied().unwrap_or_default(), end }
        };
        Visitors { runs: visitors.chunk_by(|a, b| a == b).map(run).collect() }
    }

    /// The visitors, each with its rows.
    #[must_use]
    pub fn runs(&self) -> &[VisitorRun] {
        &self.runs
    }

    /// The visitor of each row.
    pub fn each(&self) -> impl Iterator<Item = u64> {
        let mut start = 0;
        self.runs.iter().flat_map(move |run| {
            let rows = run.end - std::mem::replace(&mut start, run.end);
            std::iter::repeat_n(run.visitor, rows as usize)
        })
    }

    /// The visitor of a row.
    pub(crate) fn of_row(&self, row: usize) -> Option<u64> {
        self.runs.get(self.run_of(row)).map(|run| run.visitor)
    }

    fn run_of(&self, row: usize) -> usize {
        self.runs.partition_point(|run| run.end as usize <= row)
    }

    fn starts_at(&self, row: usize) -> bool {
        row == 0 || self.runs.binary_search_by_key(&row, |run| run.end as usize).is_ok()
    }

    /// The rows of the visitors in a range: the first, and the place after the last.
    fn between(&self, visitors: &std::ops::RangeInclusive<u64>) -> (usize, usize) {
        let end_of = |runs: usize| {
            let last = runs.checked_sub(1).and_then(|last| self.runs.get(last));
            last.map_or(0, |run| run.end as usize)
        };
        let before = self.runs.partition_point(|run| run.visitor < *visitors.start());
        let until = self.runs.partition_point(|run| run.visitor <= *visitors.end());
        (end_of(before), end_of(until))
    }

    fn slice(&self, start: usize, rows: usize) -> Visitors {
        let runs = self.runs.get(self.run_of(start)..).unwrap_or_default();
        let last = runs.partition_point(|run| (run.end as usize) < start + rows);
        let cut = |run: &VisitorRun| VisitorRun {
            end: (run.end as usize).min(start + rows).saturating_sub(start) as u32,
            ..*run
        };
        let kept = if rows == 0 { 0 } else { (last + 1).min(runs.len()) };
        Visitors { runs: runs.iter().take(kept).map(cut).collect() }
    }

    fn pick(&self, rows: &[u32]) -> Visitors {
        let mut run = 0;
        let visitor = |&row: &u32| {
            while self.runs.get(run).is_some_and(|run| run.end <= row) {
                run += 1;
            }
            self.runs.get(run).map(|run| run.visitor)
        };
        rows.iter().filter_map(visitor).collect()
    }
}

impl Arrival {
    /// The order of rows whose `seq` and writer are known.
    #[must_use]
    pub fn known(seq: ScalarBuffer<u64>, writer: ScalarBuffer<u64>) -> Arrival {
        Arrival(Order::Known { seq, writer })
    }

    /// The order of the rows of a row group from one on, which is read when it is asked for.
    pub(crate) fn later(group: Arc<Arrivals>, first: usize) -> Arrival {
        Arrival(Order::Later { group: Lookup::Group(group), first, picked: None })
    }

    /// The order of the rows of a block from memory, which is looked up when it is asked for.
    pub(crate) fn in_memory(placed: Arc<Placed>) -> Arrival {
        Arrival(Order::Later { group: Lookup::Memory(placed), first: 0, picked: None })
    }

    /// The `seq` and the writer of a row. It may have to read them first. Blocking.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn of(&self, row: usize) -> Result<(u64, u64)> {
        match &self.0 {
            Order::Known { .. } => Ok(self.read_before(row).unwrap_or_default()),
            Order::Later { group, first, picked } => {
                let row = picked.as_ref().map_or(Some(row), |rows| Some(*rows.get(row)? as usize));
                group.of(first + row.unwrap_or_default())
            }
        }
    }

    fn read_before(&self, row: usize) -> Option<(u64, u64)> {
        let Order::Known { seq, writer } = &self.0 else { return None };
        Some((*seq.get(row)?, *writer.get(row)?))
    }

    fn slice(&self, start: usize, rows: usize) -> Arrival {
        Arrival(match &self.0 {
            Order::Known { seq, writer } => {
                Order::Known { seq: seq.slice(start, rows), writer: writer.slice(start, rows) }
            }
            Order::Later { group, first, picked } => Order::Later {
                group: group.clone(),
                first: if picked.is_some() { *first } else { first + start },
                picked: picked
                    .as_ref()
                    .map(|picked| picked.iter().skip(start).take(rows).copied().collect()),
            },
        })
    }

    fn pick(&self, rows: &[u32]) -> Arrival {
        Arrival(match &self.0 {
            Order::Known { seq, writer } => {
                Order::Known { seq: pick(seq, rows), writer: pick(writer, rows) }
            }
            Order::Later { group, first, picked } => {
                let place = |&row: &u32| match picked {
                    Some(picked) => picked.get(row as usize).copied().unwrap_or_default(),
                    None => row,
                };
                let picked = Some(rows.iter().map(place).collect());
                Order::Later { group: group.clone(), first: *first, picked }
            }
        })
    }
}

fn pick<T: ArrowNativeType>(values: &[T], rows: &[u32]) -> ScalarBuffer<T> {
    let value = |&row: &u32| values.get(row as usize).copied().unwrap_or_default();
    rows.iter().map(value).collect::<Vec<T>>().into()
}

fn pick_nulls(nulls: Option<&NullBuffer>, rows: &[u32]) -> Option<NullBuffer> {
    let nulls = nulls?;
    Some(rows.iter().map(|&row| nulls.is_valid(row as usize)).collect::<Vec<bool>>().into())
}

impl Values {
    /// The code of a null text.
    pub const NULL: u32 = u32::MAX;

    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Null { rows } => *rows,
            Values::Text { codes, .. } => codes.len(),
            Values::Int { values, .. } => values.len(),
            Values::Unsigned { values } => values.len(),
            Values::Float { values, .. } => values.len(),
        }
    }

    pub(crate) fn null_count(&self) -> usize {
        match self {
            Values::Null { rows } => *rows,
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
            Values::Null { .. } => Values::Null { rows },
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

    fn pick(&self, rows: &[u32]) -> Values {
        match self {
            Values::Null { .. } => Values::Null { rows: rows.len() },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_begins_may_step_back() {
        let check = |ts: &[i64], starts: &[usize], blocks: &[usize]| {
            let (mut ascent, mut rest) = (Ascent::new(starts.iter().copied()), ts);
            blocks.iter().all(|rows| {
                let (block, after) = rest.split_at(*rows);
                rest = after;
                ascent.goes_on(block)
            })
        };
        for blocks in [&[6][..], &[1, 5], &[2, 4], &[3, 3], &[4, 2], &[5, 1], &[1; 6]] {
            assert!(check(&[3, 3, 1, 2, 0, 9], &[2, 4, 6], blocks), "{blocks:?}");
            assert!(check(&[3, 3, 4, 5, 6, 9], &[2, 4, 6], blocks), "{blocks:?}");
            assert!(!check(&[3, 3, 1, 2, 0, 9], &[2, 6], blocks), "{blocks:?}");
            assert!(!check(&[3, 2, 3, 4, 5, 6], &[2, 4, 6], blocks), "{blocks:?}");
            assert!(!check(&[1, 2, 3, 4, 5, 4], &[6], blocks), "{blocks:?}");
        }
    }
}
