//! What reports read: the rows of one site as sorted runs of columns, with dictionaries kept.
//!
//! [`View::runs`](crate::View::runs) turns a [`Scan`] into [`Run`]s. Each run is sorted by (visitor, ts, seq, writer), so
//! a reader that merges the runs of one scan walks every visitor's history once, in order. Runs decode block by block on
//! the thread that asks, and hold one block at a time.

use std::{ops::RangeInclusive, sync::Arc};

use arrow_array::StringArray;
use arrow_buffer::{NullBuffer, ScalarBuffer};
use wayfarer_event::{Column, Micros};

use crate::Result;

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
}

/// Rows of one scan from one place, sorted by (visitor, ts, seq, writer).
#[derive(Debug)]
pub struct Run {
    _todo: (),
}

impl Run {
    /// The next rows, or `None` at the end. Blocks are not empty. Blocking: it reads and decodes.
    ///
    /// # Errors
    /// When a file cannot be read, is damaged, or is not in order.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        unimplemented!()
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
}
