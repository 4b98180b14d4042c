//! A source in memory that lies as awkwardly as the lake may let it: several runs, small blocks, dictionaries that
//! change from block to block, hold texts twice, and hold texts that no row has.

use std::sync::Arc;

use arrow_array::StringArray;
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use wayfarer_analysis::fold::{Blocks, Source};
use wayfarer_event::{Column, Kind, Micros};
use wayfarer_lake::{Arrival, Block, Error, Position, Scan, Stored, Values};

/// How rows lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) runs: usize,
    pub(crate) block: usize,
    pub share_dictionaries: bool,
}

/// Rows in memory.
pub(crate) struct Memory {
    rows: Vec<Stored>,
    layout: Layout,
}

impl Memory {
    pub(crate) fn new(mut rows: Vec<Stored>, layout: Layout) -> Memory {
        rows.sort_by_key(|row| (row.event.visitor, row.event.ts, row.seq, row.writer));
        Memory { rows, layout }
    }
}

impl Source for Memory {
    fn runs(&self, scan: &Scan) -> Result<Vec<Box<dyn Blocks>>, Error> {
        let wanted = |row: &&Stored| {
            let event = &row.event;
            event.site == scan.site
                && scan.visitors.contains(&event.visitor.0)
                && scan.from.is_none_or(|from| event.ts >= from)
                && scan.until.is_none_or(|until| event.ts < until)
        };
        let run = |nth: usize| -> Box<dyn Blocks> {
            let mine = |row: &&Stored| row.seq as usize % self.layout.runs == nth;
            let rows: Vec<Stored> = self.rows.iter().filter(wanted).filter(mine).cloned().collect();
            let all = scan.columns.iter().map(|column| dictionary(&rows, *column)).collect();
            Box::new(MemoryRun {
                rows,
                at: 0,
                layout: self.layout,
                columns: scan.columns.clone(),
                all,
            })
        };
        Ok((0..self.layout.runs).map(run).collect())
    }

    fn time_range(&self, site: &str) -> Option<(Micros, Micros)> {
        let times =
            || self.rows.iter().filter(|row| row.event.site == site).map(|row| row.event.ts);
        times().min().zip(times().max())
    }

    fn position(&self) -> Position {
        Position { snapshot: 1, next_seq: self.rows.len() as u64 + 1 }
    }
}

struct MemoryRun {
    rows: Vec<Stored>,
    at: usize,
    layout: Layout,
    columns: Vec<Column>,
    all: Vec<Arc<StringArray>>,
}

impl Blocks for MemoryRun {
    fn next_block(&mut self) -> Result<Option<Block>, Error> {
        let end = (self.at + self.layout.block).min(self.rows.len());
        let rows = &self.rows[self.at..end];
        self.at = end;
        if rows.is_empty() {
            return Ok(None);
        }
        let columns = self.columns.iter().zip(&self.all).map(|(column, all)| {
            let own = (!self.layout.share_dictionaries).then(|| dictionary(rows, *column));
            values(rows, *column, own.as_ref().unwrap_or(all))
        });
        Ok(Some(Block {
            visitors: rows.iter().map(|row| row.event.visitor.0).collect(),
            ts: rows.iter().map(|row| row.event.ts.0).collect(),
            arrival: Arrival::known(
                rows.iter().map(|row| row.seq).collect(),
                rows.iter().map(|row| row.writer).collect(),
            ),
            columns: columns.collect(),
        }))
    }
}

/// The texts of a column, each twice, between texts that no row has.
fn dictionary(rows: &[Stored], column: Column) -> Arc<StringArray> {
    let texts = rows.iter().filter_map(|row| column.text(&row.event));
    let twice =
        ["nobody has this"].into_iter().chain(texts.clone()).chain(["nor this"]).chain(texts);
    Arc::new(twice.map(Some).collect())
}

fn values(rows: &[Stored], column: Column, dictionary: &Arc<StringArray>) -> Values {
    match column.kind() {
        Kind::Text => Values::Text {
            codes: rows
                .iter()
                .map(|row| code(column.text(&row.event), row.seq, dictionary))
                .collect(),
            dictionary: Arc::clone(dictionary),
        },
        Kind::Time | Kind::I64 => {
            let (values, nulls) = split(rows.iter().map(|row| column.int(&row.event)), i64::MAX);
            Values::Int { values, nulls }
        }
        Kind::F64 => {
            let (values, nulls) = split(rows.iter().map(|row| column.float(&row.event)), 1e9);
            Values::Float { values, nulls }
        }
        Kind::U64 => Values::Unsigned {
            values: rows
                .iter()
                .map(|row| match column {
                    Column::Visitor => row.event.visitor.0,
                    Column::Seq => row.seq,
                    _ => row.writer,
                })
                .collect(),
        },
    }
}

/// One of the two codes of a text: which one depends on the row.
fn code(text: Option<&str>, row: u64, dictionary: &StringArray) -> u32 {
    let Some(text) = text else { return Values::NULL };
    let mut places = dictionary.iter().enumerate().filter(|(_, known)| *known == Some(text));
    let first = places.next().expect("every text is in the dictionary").0;
    let last = places.last().map_or(first, |(place, _)| place);
    if row.is_multiple_of(2) { first as u32 } else { last as u32 }
}

fn split<T: ArrowNativeType>(
    values: impl Iterator<Item = Option<T>>,
    filler: T,
) -> (ScalarBuffer<T>, Option<NullBuffer>)
where
    ScalarBuffer<T>: FromIterator<T>,
{
    let values: Vec<Option<T>> = values.collect();
    let nulls: NullBuffer = values.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let filled = values.into_iter().map(|value| value.unwrap_or(filler)).collect();
    (filled, Some(nulls).filter(|nulls| nulls.null_count() > 0))
}
