//! Puts the runs of one task in one order, visitor by visitor.
//!
//! Most visitors lie in one block of one run: their rows are handed on where they lie. The others (in several runs, over a
//! block's edge, or partly hidden as bots) are copied together and sorted first.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use super::{
    Rows, Words,
    cursor::{Cursor, Task},
    load::Loaded,
    plan::Plan,
};
use crate::Error;

/// How many events of one visitor are held at once.
const LONGEST: usize = 1 << 24;

/// Walks over the visitors of several runs.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// The visitor that each cursor comes to next, least first.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    gathered: Gathered,
    place: Place,
}

/// Where the rows of the current visitor lie.
enum Place {
    /// In the current block of a cursor.
    Block { cursor: usize, range: Range<usize>, hidden: bool },
    /// Copied together: so many rows that count, then those that are hidden.
    Gathered { kept: usize },
}

/// The rows of one visitor.
pub(super) struct Found<'a> {
    pub(super) rows: &'a Rows,
    /// Rows that count.
    pub(super) kept: Range<usize>,
    /// Rows that are left out as those of bots.
    pub(super) hidden: Range<usize>,
}

impl Merge {
    pub(super) fn new(
        mut cursors: Vec<Cursor>,
        plan: &Plan,
        task: &mut Task<'_>,
    ) -> Result<Merge, Error> {
        let mut heap = BinaryHeap::with_capacity(cursors.len());
        for (index, cursor) in cursors.iter_mut().enumerate() {
            if let Some(visitor) = cursor.visitor(task)? {
                heap.push(Reverse((visitor, index)));
            }
        }
        let place = Place::Gathered { kept: 0 };
        Ok(Merge { cursors, heap, gathered: Gathered::new(plan), place })
    }

    /// Goes to the next visitor; `None` at the end.
    pub(super) fn next(&mut self, task: &mut Task<'_>) -> Result<Option<u64>, Error> {
        self.advance(task)?;
        let Some(Reverse((visitor, cursor))) = self.heap.pop() else { return Ok(None) };
        let is_alone = self.heap.peek().is_none_or(|Reverse((other, _))| *other != visitor);
        let (range, may_go_on) = self.cursors[cursor].step(visitor);
        if let (true, false, Some(hidden)) =
            (is_alone, may_go_on, all_alike(self.cursors[cursor].block(), &range))
        {
            self.place = Place::Block { cursor, range, hidden };
            return Ok(Some(visitor));
        }
        self.gathered.clear();
        let mut segments = vec![self.segment(cursor, range)];
        while let Some(&Reverse((other, cursor))) = self.heap.peek()
            && other == visitor
        {
            self.heap.pop();
            let (range, _) = self.cursors[cursor].step(visitor);
            segments.push(self.segment(cursor, range));
        }
        // Runs mostly cover different times: put together in the order of time, rows need no further sorting.
        segments.sort_unstable_by_key(|(ts, cursor, _)| (*ts, *cursor));
        for (_, cursor, range) in segments {
            self.gather(visitor, cursor, range, task)?;
        }
        self.place = Place::Gathered { kept: self.gathered.sort() };
        Ok(Some(visitor))
    }

    /// Some rows of a cursor's block, and the time of the first.
    fn segment(&self, cursor: usize, range: Range<usize>) -> (i64, usize, Range<usize>) {
        let block = self.cursors[cursor].block();
        let ts = block.and_then(|block| block.rows.times.get(range.start).copied());
        (ts.unwrap_or(i64::MAX), cursor, range)
    }

    /// The rows of the visitor that [`next`](Merge::next) went to.
    pub(super) fn found(&self) -> Found<'_> {
        match &self.place {
            Place::Gathered { kept } => {
                let rows = &self.gathered.rows;
                Found { rows, kept: 0..*kept, hidden: *kept..rows.times.len() }
            }
            Place::Block { cursor, range, hidden } => {
                let rows = self.cursors[*cursor].block().map_or(&self.gathered.rows, |b| &b.rows);
                let none = range.end..range.end;
                let (kept, hidden) =
                    if *hidden { (none, range.clone()) } else { (range.clone(), none) };
                Found { rows, kept, hidden }
            }
        }
    }

    /// Puts the cursor whose block was lent out back into the heap.
    fn advance(&mut self, task: &mut Task<'_>) -> Result<(), Error> {
        let place = std::mem::replace(&mut self.place, Place::Gathered { kept: 0 });
        if let Place::Block { cursor, .. } = place
            && let Some(visitor) = self.cursors[cursor].visitor(task)?
        {
            self.heap.push(Reverse((visitor, cursor)));
        }
        Ok(())
    }

    /// Copies all rows of the visitor from one cursor, however many blocks they fill, and puts the cursor back.
    fn gather(
        &mut self,
        visitor: u64,
        cursor: usize,
        mut range: Range<usize>,
        task: &mut Task<'_>,
    ) -> Result<(), Error> {
        let index = cursor;
        let cursor = &mut self.cursors[index];
        loop {
            if let Some(block) = cursor.block() {
                self.gathered.extend(block, &range)?;
            }
            match cursor.visitor(task)? {
                Some(next) if next == visitor => range = cursor.step(visitor).0,
                Some(next) => {
                    self.heap.push(Reverse((next, index)));
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }
}

/// Whether all of these rows are hidden, or none: `None` where they are mixed.
fn all_alike(block: Option<&Loaded>, range: &Range<usize>) -> Option<bool> {
    let Some(hidden) = block.and_then(|block| block.hidden.as_ref()) else { return Some(false) };
    let (first, rest) = hidden[range.clone()].split_first()?;
    rest.iter().all(|other| other == first).then_some(*first)
}

/// One visitor's rows, copied together.
struct Gathered {
    rows: Rows,
    /// Hidden or not, then the order of arrival: what the times leave open.
    places: Vec<(bool, i64, u64, u64)>,
    unsorted: Rows,
    order: Vec<usize>,
}

impl Gathered {
    fn new(plan: &Plan) -> Gathered {
        let rows = Rows::new(plan);
        Gathered { unsorted: rows.clone(), rows, places: Vec::new(), order: Vec::new() }
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.places.clear();
    }

    fn extend(&mut self, block: &Loaded, range: &Range<usize>) -> Result<(), Error> {
        self.rows.extend(&block.rows, range);
        self.places.extend(range.clone().map(|row| {
            let hidden = block.hidden.as_ref().is_some_and(|hidden| hidden[row]);
            (hidden, block.rows.times[row], block.seqs[row], block.writers[row])
        }));
        if self.places.len() > LONGEST {
            return Err(Error::TooMany { what: "events of one visitor", limit: LONGEST });
        }
        Ok(())
    }

    /// Sorts the rows, those that count first, and tells how many count.
    fn sort(&mut self) -> usize {
        if !self.places.is_sorted() {
            self.order.clear();
            self.order.extend(0..self.places.len());
            self.order.sort_unstable_by_key(|&row| self.places[row]);
            std::mem::swap(&mut self.rows, &mut self.unsorted);
            self.rows.reorder(&self.unsorted, &self.order);
        }
        self.places.iter().filter(|(hidden, ..)| !hidden).count()
    }
}

/// Empty words for each key of the plan.
pub(super) fn words(plan: &Plan) -> Vec<Words> {
    vec![Words::default(); plan.keys.len()]
}
