//! The rows of linked visitors, put together by person and sorted as a run must be.

use std::{ops::RangeInclusive, sync::Arc};

use arrow_array::StringArray;
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use hashbrown::HashMap;
use wayfarer_event::{Column, VisitorKind};
use wayfarer_lake::{Arrival, Block, Error as LakeError, Scan, Values};

use super::{links::Links, number, within};
use crate::fold::{Blocks, Source};

/// How many rows of a gathered run one block has.
const BLOCK: usize = 8192;

/// Rows by person.
pub(super) struct Gathered {
    columns: Vec<Column>,
    blocks: Vec<Block>,
    /// In the order of a run.
    rows: Vec<Row>,
}

/// A row: whose it is, its place in the order, and where it lies. Ordered by the first, then by the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    person: u64,
    ts: i64,
    seq: u64,
    writer: u64,
    block: u32,
    row: u32,
}

impl Gathered {
    /// Reads the rows of linked visitors, with the columns and the times of a scan.
    pub(super) fn of(
        source: &dyn Source,
        links: &Links,
        scan: &Scan,
    ) -> Result<Gathered, LakeError> {
        let mut gathered =
            Gathered { columns: scan.columns.clone(), blocks: Vec::new(), rows: Vec::new() };
        let linked = links.visitors();
        let (Some(first), Some(last)) = (linked.first(), linked.last()) else {
            return Ok(gathered);
        };
        let mut columns = scan.columns.clone();
        columns.push(Column::User);
        let scan = Scan { columns, visitors: *first..=*last, ..scan.clone() };
        for mut run in source.runs(&scan)? {
            while let Some(block) = run.next_block()? {
                gathered.take(&block, links)?;
            }
        }
        gathered.rows.sort_unstable();
        Ok(gathered)
    }

    /// Keeps the rows of a block that are of linked visitors. Its last column is the user.
    fn take(&mut self, block: &Block, links: &Links) -> Result<(), LakeError> {
        let visitors: Vec<u64> = block.visitors.each().collect();
        let person = |row: usize| links.person(visitors[row], block.ts[row]);
        let wanted: Vec<(u32, u64)> =
            (0..block.len()).filter_map(|row| Some((row as u32, person(row)?))).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let rows: Vec<u32> = wanted.iter().map(|(row, _)| *row).collect();
        let mut kept = block.pick(&rows);
        let users = kept.columns.pop();
        for (row, (_, person)) in (0_u32..).zip(wanted) {
            let (seq, writer) = kept.arrival.of(row as usize)?;
            let person = users.as_ref().and_then(|users| own(users, row)).unwrap_or(person);
            let ts = kept.ts[row as usize];
            self.rows.push(Row { person, ts, seq, writer, block: self.blocks.len() as u32, row });
        }
        self.blocks.push(kept);
        Ok(())
    }

    /// The rows of some persons, as a run.
    pub(super) fn run(self: &Arc<Gathered>, persons: &RangeInclusive<u64>) -> Run {
        let (next, end) = within(&self.rows, persons, |row| row.person);
        Run { gathered: Arc::clone(self), next, end }
    }

    /// Rows put together into one block.
    fn block(&self, rows: &[Row]) -> Block {
        let column = |(place, column): (usize, &Column)| match column {
            Column::VisitorKind => of_persons(rows.len()),
            _ => self.column(place, rows),
        };
        Block {
            visitors: rows.iter().map(|row| row.person).collect(),
            ts: rows.iter().map(|row| row.ts).collect(),
            arrival: Arrival::known(
                rows.iter().map(|row| row.seq).collect(),
                rows.iter().map(|row| row.writer).collect(),
            ),
            columns: self.columns.iter().enumerate().map(column).collect(),
        }
    }

    fn column(&self, place: usize, rows: &[Row]) -> Values {
        let values = |row: &Row| {
            let block = self.blocks.get(row.block as usize)?;
            block.columns.get(place)
        };
        let kind =
            rows.iter().filter_map(values).find(|values| !matches!(values, Values::Null { .. }));
        match kind {
            Some(Values::Text { .. }) => texts(rows.iter().map(|row| (values(row), row.row))),
            Some(Values::Int { .. }) => {
                let (values, nulls) = split(rows.iter().map(|row| int(values(row)?, row.row)));
                Values::Int { values, nulls }
            }
            Some(Values::Float { .. }) => {
                let (values, nulls) = split(rows.iter().map(|row| float(values(row)?, row.row)));
                Values::Float { values, nulls }
            }
            Some(Values::Unsigned { .. }) => {
                let (values, _) = split(rows.iter().map(|row| unsigned(values(row)?, row.row)));
                Values::Unsigned { values }
            }
            Some(Values::Null { .. }) | None => Values::Null { rows: rows.len() },
        }
    }
}

/// The person of a row by its own user.
fn own(users: &Values, row: u32) -> Option<u64> {
    text(users, row).map(|(dictionary, code)| number(dictionary.value(code as usize)))
}

/// What is known of a person is not known for a day only, however its visitors were known.
fn of_persons(rows: usize) -> Values {
    let dictionary = StringArray::from(vec![VisitorKind::Subject.as_str()]);
    Values::Text { codes: vec![0; rows].into(), dictionary: Arc::new(dictionary) }
}

fn text(values: &Values, row: u32) -> Option<(&Arc<StringArray>, u32)> {
    let Values::Text { codes, dictionary } = values else { return None };
    let code = codes.get(row as usize).copied();
    code.filter(|code| *code != Values::NULL).map(|code| (dictionary, code))
}

fn int(values: &Values, row: u32) -> Option<i64> {
    let Values::Int { values, nulls } = values else { return None };
    known(values, nulls.as_ref(), row)
}

fn float(values: &Values, row: u32) -> Option<f64> {
    let Values::Float { values, nulls } = values else { return None };
    known(values, nulls.as_ref(), row)
}

fn unsigned(values: &Values, row: u32) -> Option<u64> {
    let Values::Unsigned { values } = values else { return None };
    known(values, None, row)
}

fn known<T: Copy>(values: &[T], nulls: Option<&NullBuffer>, row: u32) -> Option<T> {
    let is_null = nulls.is_some_and(|nulls| nulls.is_null(row as usize));
    values.get(row as usize).copied().filter(|_| !is_null)
}

/// Texts of several dictionaries under one.
fn texts<'a>(rows: impl Iterator<Item = (Option<&'a Values>, u32)>) -> Values {
    let mut places: HashMap<&str, u32> = HashMap::new();
    let mut all: Vec<&str> = Vec::new();
    let mut codes: Vec<u32> = Vec::new();
    for (values, row) in rows {
        let Some((dictionary, code)) = values.and_then(|values| text(values, row)) else {
            codes.push(Values::NULL);
            continue;
        };
        let text = dictionary.value(code as usize);
        codes.push(*places.entry(text).or_insert_with(|| {
            all.push(text);
            all.len() as u32 - 1
        }));
    }
    Values::Text { codes: codes.into(), dictionary: Arc::new(StringArray::from(all)) }
}

fn split<T: ArrowNativeType>(
    values: impl Iterator<Item = Option<T>>,
) -> (ScalarBuffer<T>, Option<NullBuffer>) {
    let values: Vec<Option<T>> = values.collect();
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let filled: Vec<T> = values.into_iter().map(Option::unwrap_or_default).collect();
    (filled.into(), Some(nulls).filter(|nulls| nulls.null_count() > 0))
}

/// A run of gathered rows.
pub(super) struct Run {
    gathered: Arc<Gathered>,
    next: usize,
    end: usize,
}

impl Blocks for Run {
    fn next_block(&mut self) -> Result<Option<Block>, LakeError> {
        let end = (self.next + BLOCK).min(self.end);
        let rows = self.gathered.rows.get(self.next..end).unwrap_or_default();
        self.next = end;
        Ok((!rows.is_empty()).then(|| self.gathered.block(rows)))
    }
}
