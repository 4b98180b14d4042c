//! One run of the lake: the blocks of it that are in memory, and the place reached in them.

use std::collections::VecDeque;

use super::{
    Blocks, Hooks, Words,
    load::{Loaded, Loader},
    rows::Columns,
};
use crate::Error;

/// How many events of one visitor are held at once.
pub(super) const LONGEST: usize = 1 << 24;

/// Steps through one run and checks that its rows are in order.
///
/// It holds blocks until at least one visitor is whole: mostly one block, more where a visitor has many rows.
pub(super) struct Cursor {
    run: Box<dyn Blocks>,
    loader: Loader,
    blocks: VecDeque<Loaded>,
    /// No rows, with the columns of the plan.
    empty: Columns,
    /// The columns of blocks that are used up, to be filled anew.
    spare: Vec<Columns>,
    /// The next visitor: which of the blocks, and which visitor of it.
    at: (usize, usize),
    has_ended: bool,
    last: Option<(u64, i64)>,
}

/// What a cursor needs of its task to load a block.
pub(super) struct Task<'a> {
    pub(super) words: &'a mut [Words],
    pub(super) hooks: &'a Hooks,
    pub(super) site: &'a str,
}

/// The rows of one visitor in one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) visitor: u64,
    /// Which of the blocks that [`Cursor::take`] gave.
    pub(super) source: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Cursor {
    pub(super) fn new(run: Box<dyn Blocks>, loader: Loader, empty: Columns) -> Cursor {
        Cursor {
            run,
            loader,
            blocks: VecDeque::new(),
            empty,
            spare: Vec::new(),
            at: (0, 0),
            has_ended: false,
            last: None,
        }
    }

    /// Lets go of blocks that are used up, and loads until a visitor is whole. False at the end of the run.
    pub(super) fn ahead(&mut self, task: &mut Task<'_>) -> Result<bool, Error> {
        self.spare.extend(self.blocks.drain(..self.at.0).map(|block| block.columns));
        self.at.0 = 0;
        if self.blocks.front().is_some_and(|front| self.at.1 == front.visitors.runs().len()) {
            self.spare.extend(self.blocks.pop_front().map(|block| block.columns));
            self.at.1 = 0;
        }
        while !self.has_ended && !self.has_whole_visitor() {
            self.load(task)?;
        }
        Ok(!self.blocks.is_empty())
    }

    fn has_whole_visitor(&self) -> bool {
        let next = self.blocks.front().and_then(|block| block.visitors.runs().get(self.at.1));
        next.is_some_and(|next| Some(next.visitor) != self.last.map(|(visitor, _)| visitor))
    }

    /// The visitor up to which about so many rows may be taken, without it: all before it are whole. `None` where all rows
    /// that are left may be taken.
    pub(super) fn bound(&self, rows: usize) -> Option<u64> {
        let runs = self.blocks.front()?.visitors.runs();
        let begun = self.at.1.checked_sub(1).map_or(0, |before| runs[before].end as usize);
        let enough = runs.partition_point(|run| (run.end as usize) < begun + rows);
        match runs.get(enough + 1) {
            Some(next) => Some(next.visitor),
            None if self.has_ended => None,
            None => self.last.map(|(visitor, _)| visitor),
        }
    }

    /// How many rows of visitors before the bound are in memory and not taken yet.
    pub(super) fn rows_before(&self, bound: Option<u64>) -> usize {
        let mut rows = 0;
        for (nth, block) in self.blocks.iter().enumerate() {
            let runs = block.visitors.runs();
            let end =
                bound.map_or(runs.len(), |bound| runs.partition_point(|run| run.visitor < bound));
            let rows_until = |run: usize| run.checked_sub(1).map_or(0, |last| runs[last].end);
            let begun = if nth == 0 { self.at.1 } else { 0 };
            rows += rows_until(end.max(begun)) - rows_until(begun);
        }
        rows as usize
    }

    /// Takes the rows of all visitors before the bound. The blocks stay until [`ahead`](Cursor::ahead) is called again.
    pub(super) fn take<'a>(
        &'a mut self,
        bound: Option<u64>,
        segments: &mut Vec<Segment>,
        sources: &mut Vec<&'a Loaded>,
    ) {
        for block in self.blocks.iter().skip(self.at.0) {
            let runs = block.visitors.runs();
            let mut start = self.at.1.checked_sub(1).map_or(0, |before| runs[before].end);
            let rest = &runs[self.at.1..];
            let taken = bound.map_or(rest.len(), |bound| {
                rest.iter().take_while(|run| run.visitor < bound).count()
            });
            segments.extend(rest[..taken].iter().map(|run| Segment {
                visitor: run.visitor,
                source: sources.len() as u32,
                start: std::mem::replace(&mut start, run.end),
                end: run.end,
            }));
            sources.push(block);
            self.at.1 += taken;
            if taken < rest.len() || self.at.0 + 1 == self.blocks.len() {
                return;
            }
            self.at = (self.at.0 + 1, 0);
        }
    }

    fn load(&mut self, task: &mut Task<'_>) -> Result<(), Error> {
        let next = self.run.next_block();
        let next = next.map_err(|source| Error::Lake { site: task.site.to_owned(), source })?;
        let Some(block) = next.filter(|block| block.len() > 0) else {
            self.has_ended = true;
            return Ok(());
        };
        task.hooks.block(block.len())?;
        let columns = self.spare.pop().unwrap_or_else(|| self.empty.clone());
        let loaded = self.loader.load(block, columns, task.words)?;
        self.blocks.push_back(loaded);
        let rows: usize = self.blocks.iter().map(|block| block.times.len()).sum();
        if self.blocks.len() > 2 && rows > LONGEST {
            return Err(Error::TooMany { what: "events of one visitor", limit: LONGEST });
        }
        self.check_order()
    }

    fn check_order(&mut self) -> Result<(), Error> {
        let Some(block) = self.blocks.back() else { return Ok(()) };
        let runs = block.visitors.runs();
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let places = block.times.first().zip(block.times.last());
        let Some((&begins, &ends)) = places else { return Ok(()) };
        let follows = self.last.is_none_or(|last| last <= (first.visitor, begins));
        if !follows || !block.is_in_order {
            return Err(Error::OutOfOrder { visitor: first.visitor });
        }
        self.last = Some((last.visitor, ends));
        Ok(())
    }
}
